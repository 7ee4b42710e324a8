"""Files with the same contents, within an image and across several."""

from __future__ import annotations

import os
from dataclasses import dataclass
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
    groups = equal_contents(xxh3, size)
    spelled = _spelled(tables, owner, row, groups)
    found = []
    for group in groups:
        one = int(size[group[0]])
        names = sorted((int(owner[at]), spelled[at]) for at in group.tolist())
        digest = xxh3[group[0]].tobytes().hex()
        found.append(Duplicate(one, one * (len(group) - 1), digest, tuple(names)))
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


def _spelled(
    tables: Sequence[Files], owner: Array, row: Array, groups: Sequence[Array]
) -> dict[int, str]:
    """The paths of all that is in a group."""
    told: dict[int, str] = {}
    every = np.concatenate([np.empty(0, dtype=np.int64), *groups])
    for number, table in enumerate(tables):
        mine = every[owner[every] == number]
        paths = table[row[mine]].paths()
        told.update(zip(mine.tolist(), map(os.fsdecode, paths), strict=True))
    return told
