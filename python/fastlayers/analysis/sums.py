"""What the files of an image take: by directory, by layer, by type."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastlayers.analysis.files import (
    DIRECTORY,
    FILE,
    KINDS,
    Files,
    counted,
    directory_counts,
    directory_sizes,
    files,
    parents,
)
from fastlayers.errors import InvalidError
from fastlayers.file_reader import resolve, table_of

if TYPE_CHECKING:
    from fastlayers.image import Image


@dataclass(frozen=True, slots=True)
class Usage:
    """A sum: `name` is a path, the index of a layer, or a type; `size` the bytes of its regular
    files, the names of one inode counted once; `files` how many entries there are."""

    name: str
    size: int
    files: int


def disk_usage(
    image: Image, path: str | bytes = "/", *, by: str = "directory", depth: int = 1
) -> list[Usage]:
    """Sums of what is at a path and below, the largest first.

    By "directory": the path itself, and what is down to `depth` levels below it. By "layer": whose
    tars have the contents. By "type": the suffix of a file's name, or what it is if it is no file.
    NotFoundError if there is no such path.
    """
    table = table_of(image)
    entry, _ = resolve(table, os.fsencode(path))
    part: Files = files(table)[entry.index : table.subtree_end(entry.index)]
    if by == "directory":
        found = _by_directory(part, depth)
    elif by == "layer":
        sizes = np.where(counted(part), part["size"], 0)
        total = np.bincount(part["layer"], sizes, len(image.layers))
        count = np.bincount(part["layer"], minlength=len(image.layers))
        pairs = zip(total, count, strict=True)
        found = [Usage(str(n), int(size), int(many)) for n, (size, many) in enumerate(pairs)]
    elif by == "type":
        found = _by_type(part)
    else:
        raise InvalidError(f"sums are by directory, layer or type, not by {by!r}")
    return sorted(found, key=lambda usage: -usage.size)


def _by_directory(part: Files, depth: int) -> list[Usage]:
    sizes, counts = directory_sizes(part), directory_counts(part)
    above = parents(part)
    shown = np.zeros(len(part), dtype=bool)
    shown[0] = True
    for _ in range(depth):
        deeper = shown[above] & (part["kind"] == DIRECTORY) & ~shown
        if not deeper.any():
            break
        shown |= deeper
    chosen = np.flatnonzero(shown)
    return [
        Usage(path, int(sizes[row]), int(counts[row]))
        for path, row in zip(part[chosen].spelled(), chosen.tolist(), strict=True)
    ]


def _by_type(part: Files) -> list[Usage]:
    """Files by their suffix: ".py"; of the versions of a library ".so"; "file" if there is none."""
    is_file = part["kind"] == FILE
    counts = np.bincount(part["kind"][~is_file]).tolist()
    found = [Usage(KINDS[kind], 0, many) for kind, many in enumerate(counts) if many]
    files = part[is_file]
    sizes = np.where(counted(part), part["size"], 0)[is_file]
    totals: dict[bytes, list[int]] = {}
    for name, size in zip(files.names().tolist(), sizes.tolist(), strict=True):
        stem, _, suffix = name.rpartition(b".")
        if not stem:
            suffix = b""
        elif suffix.isdigit() and b".so." in name:
            suffix = b"so"
        total = totals.get(suffix)
        if total is None:
            totals[suffix] = [size, 1]
        else:
            total[0] += size
            total[1] += 1
    for suffix, (size, many) in totals.items():
        found.append(Usage("." + os.fsdecode(suffix) if suffix else "file", size, many))
    return found
