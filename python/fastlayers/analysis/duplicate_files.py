"""Files with the same contents, within an image and across several."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fastlayers.analysis.files import among, counted, equal_contents, files, firsts, places
from fastlayers.file_reader import table_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fastlayers.analysis.files import Array, Files
    from fastlayers.image import Image


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Contents that are there several times. `size` is bytes of one, `reclaimable` of all but one;
    `places` are (index of the image, path) of each."""

    size: int
    reclaimable: int
    xxh3: str  # XXH3-128, hexadecimal
    places: tuple[tuple[int, str], ...]


def find_duplicates(images: Sequence[Image]) -> list[Duplicate]:
    """Files of the same contents (XXH3-128 and size), those first that take most. What images have
    by the same layer is there once, names of one inode are one; empty files are left out."""
    tables = [files(table_of(image)) for image in images]
    chosen = list(_distinct(tables))
    if not chosen:
        return []
    owner = np.repeat(np.arange(len(tables)), [len(rows) for rows in chosen])
    row = np.concatenate(chosen)
    pairs = list(zip(tables, chosen, strict=True))
    xxh3 = np.concatenate([table["xxh3"][rows] for table, rows in pairs])
    size = np.concatenate([table["size"][rows] for table, rows in pairs])
    members, begins = equal_contents(xxh3, size)
    owner, row = owner[members], row[members]
    names = list(zip(owner.tolist(), _spelled(tables, owner, row), strict=True))
    first = members[begins[:-1]]
    digests = xxh3[first].tobytes().hex()
    found = []
    edges = pairwise(begins.tolist())
    for at, (one, (start, end)) in enumerate(zip(size[first].tolist(), edges, strict=True)):
        digest = digests[32 * at : 32 * at + 32]
        told = tuple(sorted(names[start:end]))
        found.append(Duplicate(one, one * (end - start - 1), digest, told))
    return found


def _distinct(tables: Sequence[Files]) -> Iterator[Array]:
    """Of each table the rows of files whose contents lie where no earlier row's do."""
    numbers: dict[str, int] = {}
    seen = np.empty(0, dtype=np.uint64)
    for table in tables:
        rows = np.flatnonzero(counted(table) & (table["size"] > 0))
        layers = np.array([numbers.setdefault(layer, len(numbers)) for layer in table.layers])
        keys = places(table, rows, layers)
        # A layer that is twice in a stack has its files once.
        fresh = np.zeros(len(keys), dtype=bool)
        fresh[firsts(keys)] = True
        fresh &= ~among(keys, seen)
        seen = np.concatenate([seen, keys[fresh]])
        yield rows[fresh]


def _spelled(tables: Sequence[Files], owner: Array, row: Array) -> list[str]:
    """The path of each row of its table."""
    told = np.empty(len(row), dtype=object)
    for number, table in enumerate(tables):
        mine = np.flatnonzero(owner == number)
        told[mine] = table[row[mine]].spelled()
    names: list[str] = told.tolist()
    return names
