"""Finding entries of an image, those that it shows and those that it only carries."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING

import numpy as np

from fastlayers.analysis.files import KINDS, Files, files
from fastlayers.analysis.stack import Stack
from fastlayers.errors import FastlayersError, InvalidError
from fastlayers.file_reader import resolve, table_of

if TYPE_CHECKING:
    from fastlayers.analysis.files import Array
    from fastlayers.image import Image


@dataclass(frozen=True, slots=True)
class Criteria:
    """What find asks for; None is anything. `name` is a pattern for the last component (*, ?,
    [...]), `kind` one of KINDS, sizes are bytes and of regular files only. Of `mode` the bits in
    `mode_mask` count; with `any_bit`, any one of `mode` will do."""

    name: str | bytes | None = None
    kind: str | None = None
    min_size: int | None = None
    max_size: int | None = None
    mode: int | None = None
    mode_mask: int = 0o7777
    any_bit: bool = False
    uid: int | None = None
    gid: int | None = None

    def select(self, rows: Files) -> Array:
        """int64: the rows that are asked for."""
        chosen = np.ones(len(rows), dtype=bool)
        if self.kind is not None:
            if self.kind not in KINDS:
                raise InvalidError(f"no such kind: {self.kind!r}: one of {', '.join(KINDS[:6])}")
            chosen &= rows["kind"] == KINDS.index(self.kind)
        if self.min_size is not None:
            chosen &= (rows["kind"] == 0) & (rows["size"] >= max(0, self.min_size))
        if self.max_size is not None:
            chosen &= rows["kind"] == 0
            chosen &= (rows["size"] <= max(0, self.max_size)) & (self.max_size >= 0)
        if self.mode is not None:
            bits = rows["mode"] & (self.mode if self.any_bit else self.mode_mask)
            chosen &= (bits != 0) | (self.mode == 0) if self.any_bit else bits == self.mode
        for name, value in (("uid", self.uid), ("gid", self.gid)):
            if value is not None:
                chosen &= rows[name] == value
        found = np.flatnonzero(chosen)
        return found if self.name is None else found[self._named(rows[found])]

    def _named(self, rows: Files) -> Array:
        pattern = os.fsencode(self.name or "")
        # Latin-1 has a letter for each byte, so that "?" is one byte of any name.
        match = re.compile(translate(pattern.decode("latin-1")).encode("latin-1")).match
        return np.array([match(name) is not None for name in rows.names()], dtype=bool)


@dataclass(frozen=True, slots=True)
class Hidden:
    """Something that later layers hide but the image still carries. `layer` has it, `hidden_by`
    hides it (indexes of Image.layers); `size` is the bytes of a file."""

    path: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    layer: int
    hidden_by: int


def find(image: Image, criteria: Criteria, path: str | bytes = "/") -> Files:
    """The entries at a path and below that are asked for, in path order. NotFoundError if there is
    no such path."""
    table = table_of(image)
    entry, _ = resolve(table, os.fsencode(path))
    rows: Files = files(table)[entry.index : table.subtree_end(entry.index)]
    if criteria == Criteria():
        return rows
    found: Files = rows[criteria.select(rows)]
    return found


def find_hidden(image: Image, criteria: Criteria, path: str | bytes = "/") -> list[Hidden]:
    """The same of what is hidden, also where nothing is now; in path order. Of a link, what is
    hidden where it leads to as well. NotFoundError if no layer has the path."""
    stack = Stack.of(image)
    merged = table_of(image)
    if not image.layers and not os.fsencode(path).strip(b"/."):
        return []  # the root is there, though no layer has it
    starts = {stack.locate(merged, os.fsencode(path))}
    try:
        starts.add(stack.locate(merged, resolve(merged, os.fsencode(path))[1]))
    except FastlayersError:
        pass  # nothing is there now
    events = stack.hidden()
    rows = stack.rows[stack.before[events]]
    numbers = stack.path[stack.before[events]]
    inside = np.zeros(len(events), dtype=bool)
    for start in starts:
        inside |= (numbers >= start) & (numbers < stack.end[start])
    chosen = criteria.select(rows)
    chosen = chosen[inside[chosen]]
    chosen = chosen[np.lexsort((stack.layer[events[chosen]], numbers[chosen]))]
    found = rows[chosen]
    by = stack.layer[events[chosen]].tolist()
    names = ("kind", "mode", "uid", "gid", "size", "layer")
    columns = zip(*(found[name].tolist() for name in names), by, strict=True)
    return [
        Hidden(path, KINDS[kind], mode, uid, gid, size, layer, hidden_by)
        for path, (kind, mode, uid, gid, size, layer, hidden_by) in zip(
            found.spelled(), columns, strict=True
        )
    ]
