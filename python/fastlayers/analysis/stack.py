"""Stack: what every layer of an image did, path by path.

Its rows are those of all layers resolved against what is below them (`_core.layer_deltas`), one
layer after the other; a path has one number in all of them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from fastlayers.analysis import _kernels
from fastlayers.analysis.files import (
    DIRECTORY,
    FILE,
    RECORD,
    Files,
    among,
    counted,
    files,
    places,
)
from fastlayers.errors import FastlayersError, NotFoundError
from fastlayers.file_reader import deltas_of, resolve

if TYPE_CHECKING:
    from fastlayers._core import Table
    from fastlayers.analysis.files import Array
    from fastlayers.image import Image

_SAME_INODE = ("kind", "mode", "uid", "gid", "mtime_sec", "mtime_nsec")
_SAME_DATA = ("layer", "data_offset", "flags", "size")


class Stack:
    """All columns are of rows, of paths (in path order, number 0 is the root) or of events.

    An event is what a layer did to a path. `layer` did it, `row` is the entry that says so, and
    `after` and `before` are the rows that the path had then, -1 for none.
    """

    rows: Files
    bounds: Array  # int64: the rows of layer n are those from bounds[n] up to bounds[n + 1]
    path: Array  # int64, of rows: the number of its path
    first: Array  # int64, of paths: a row that spells it
    end: Array  # int64, of paths: one past the last path under it
    live: Array  # int64, of paths: the row it has in the image, -1 for none
    written: Array  # bool, of rows: its layer's tar has these contents, and no earlier row them
    layer: Array
    row: Array
    after: Array
    before: Array

    def __init__(self, tables: list[Table]) -> None:
        """Of layers resolved against those below, base first."""
        self.rows, self.bounds = _joined(tables)
        rows = self.rows
        heap = np.frombuffer(rows.heap, dtype=np.uint8)
        offset, length = rows["path_offset"], rows["path_length"]
        self.path, self.first = _kernels.path_ids(heap, offset, length, self.bounds)
        self.end = _kernels.subtree_ends(heap, offset[self.first], length[self.first])
        layer_of_row = np.repeat(np.arange(len(tables)), np.diff(self.bounds))
        self.written = counted(rows) & (rows["layer"] == layer_of_row)
        events, self.live = _kernels.replay(
            self.path, self.end, rows["kind"], rows["flags"], rows["layer"], self.bounds
        )
        events = events[~self._idle(events)]
        self.layer, self.row, self.after, self.before = np.ascontiguousarray(events.T)

    @classmethod
    def of(cls, image: Image) -> Stack:
        """That of an image."""
        return cls(deltas_of(image))

    @property
    def event_path(self) -> Array:
        """int64, of events: the number of its path."""
        path: Array = self.path[np.where(self.after < 0, self.before, self.after)]
        return path

    @property
    def size(self) -> Array:
        """int64, of events: bytes of contents that the layer carries for it."""
        known = np.maximum(self.after, 0)
        carried = (self.after >= 0) & self.written[known]
        return np.where(carried, self.rows["size"][known], 0).astype(np.int64)

    def find(self, path: bytes) -> int | None:
        """The number of a path (without a leading "/"), whether it is in the image or was."""
        low, high = 0, len(self.first)
        wanted = _key(path)
        while low < high:
            middle = (low + high) // 2
            found = self.spelled(middle)
            if found == path:
                return middle
            low, high = (middle + 1, high) if _key(found) < wanted else (low, middle)
        return None

    def locate(self, merged: Table, path: bytes) -> int:
        """The number of a path as people write it: links on the way are followed in the image, one
        at its end is what is meant. NotFoundError if no layer has it."""
        parts = [part for part in path.split(b"/") if part not in (b"", b".")]
        number = None if b".." in parts else self.find(b"/".join(parts))
        if number is None and parts and parts[-1] != b"..":
            *above, name = parts
            try:
                _, place = resolve(merged, b"/".join(above))
                number = self.find(place + b"/" + name if place else name)
            except FastlayersError:
                pass  # what is on the way is no directory, or gone
        if number is None:
            raise NotFoundError(f"no layer of the image has {os.fsdecode(path)!r}")
        return number

    def spelled(self, number: int) -> bytes:
        """The path with this number."""
        row = self.rows[self.first[number]]
        start = int(row["path_offset"])
        return bytes(memoryview(self.rows.heap)[start : start + int(row["path_length"])])

    def hidden(self) -> Array:
        """int64: the events that hid something from all later layers which the image still
        carries: `before` is what. Contents that another name shows are not hidden, and a
        directory is not by a directory."""
        rows = self.rows
        found = np.flatnonzero(self.before >= 0)
        before, after = self.before[found], self.after[found]
        kinds = rows["kind"]
        both = (kinds[before] == DIRECTORY) & (after >= 0) & (kinds[after] == DIRECTORY)
        shown = self.live[self.live >= 0]
        is_file = (kinds[before] == FILE) & (rows["size"][before] > 0)
        shown = shown[kinds[shown] == FILE]
        layers = np.arange(len(rows.layers))
        seen = among(places(rows, before, layers), places(rows, shown, layers))
        hidden: Array = found[~both & ~(is_file & seen)]
        return hidden

    def _idle(self, events: Array) -> Array:
        """Which events change nothing: a directory that is named again as it was, and a file that
        only got one more name elsewhere."""
        rows = self.rows
        layer, _, after, before = events.T
        idle: Array = (after >= 0) & (before >= 0)
        at = np.flatnonzero(idle)
        new, old = rows[after[at]], rows[before[at]]
        same = np.ones(len(at), dtype=bool)
        for name in _SAME_INODE:
            same &= new[name] == old[name]
        same &= (new["kind"] == DIRECTORY) | (new["layer"] != layer[at])
        for name in _SAME_DATA:
            same &= (new["kind"] == DIRECTORY) | (new[name] == old[name])
        left = np.flatnonzero(same)
        same[left] = new[left].xattrs() == old[left].xattrs()
        idle[at] = same
        return idle


def _joined(tables: list[Table]) -> tuple[Files, Array]:
    """The rows of several tables, over one heap, and where each table begins and ends."""
    parts = [files(table) for table in tables]
    bounds = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    entries = np.concatenate(parts) if parts else np.empty(0, dtype=RECORD)
    start = 0
    for part, low, high in zip(parts, bounds, bounds[1:], strict=False):
        for name in ("path_offset", "link_offset", "xattr_offset"):
            entries[name][low:high] += np.uint64(start)
        start += len(memoryview(part.heap))
    heap = b"".join(memoryview(part.heap) for part in parts)
    layers = parts[-1].layers if parts else ()
    return Files.of(entries.view(np.ndarray), heap, layers), bounds


def _key(path: bytes) -> list[bytes]:
    return path.split(b"/") if path else []
