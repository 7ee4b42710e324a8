"""The file table as numpy columns.

`files(table)` maps a table as it lies in memory, without copying: an array of the 120-byte
records of cpp/table/FORMAT.md that knows the heap its paths lie in.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlayers.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastlayers._core import Table

    Array = np.ndarray[Any, np.dtype[Any]]

RECORD = np.dtype(
    [
        ("path_offset", "<u8"),  # bytes into the heap; see Files.paths
        ("link_offset", "<u8"),  # bytes into the heap; see Files.links
        ("xattr_offset", "<u8"),  # bytes into the heap
        ("data_offset", "<u8"),  # bytes into the layer's tar, or its side file (flag 4)
        ("size", "<u8"),  # bytes of a file; of a symlink the length of its target
        ("mtime_sec", "<i8"),  # seconds since 1970; see Files.times
        ("xxh3", "V16"),  # XXH3-128 of the contents; zeros for empty files and for no files
        ("mtime_nsec", "<u4"),  # nanoseconds, counted forward
        ("path_length", "<u4"),  # bytes
        ("name_offset", "<u4"),  # bytes into the path: where its last component begins
        ("link_length", "<u4"),  # bytes
        ("xattr_length", "<u4"),  # bytes
        ("parent", "<u4"),  # record of its directory; NO_PARENT for the root and in tar order
        ("uid", "<u4"),
        ("gid", "<u4"),
        ("dev_major", "<u4"),  # of a device
        ("dev_minor", "<u4"),  # of a device
        ("link_group", "<u4"),  # names of one inode share a number; 0: a single name
        ("layer", "<u4"),  # whose tar has it: index into Files.layers and Image.layers
        ("mode", "<u2"),  # permission bits, 07777
        ("kind", "u1"),  # index into KINDS
        ("flags", "u1"),  # 1 opaque directory, 2 implied directory, 4 data in the side file
        ("reserved", "<u4"),
    ]
)

# Names of the values of "kind"; the last three occur in the tables of single layers only.
KINDS = (
    "file",
    "directory",
    "symlink",
    "character",
    "block",
    "fifo",
    "whiteout",
    "hardlink",
    "opaque",
)
FILE, DIRECTORY, SYMLINK, WHITEOUT = 0, 1, 2, 6
IN_SIDE_FILE = 4
NO_PARENT = 0xFFFFFFFF
# The earliest and latest second whose nanoseconds fit into a column.
_EARLIEST_SECOND = -9_223_372_036
_LATEST_SECOND = 9_223_372_035


class Files(np.ndarray[Any, np.dtype[Any]]):
    """Entries of a file table: dtype RECORD, read-only, rows of it keep to be Files. A column
    (`files["size"]`) is a plain array; what lies in the heap is had by the methods."""

    heap: memoryview | bytes
    layers: Sequence[str]  # diff_ids, base first

    @classmethod
    def of(
        cls, entries: memoryview | Array, heap: memoryview | bytes, layers: Sequence[str]
    ) -> Files:
        """Maps records; nothing is copied."""
        found: Files = np.frombuffer(entries, dtype=RECORD).view(cls)
        found.flags.writeable = False
        found.heap, found.layers = heap, layers
        return found

    def __array_finalize__(self, other: object) -> None:
        self.heap = getattr(other, "heap", b"")
        self.layers = getattr(other, "layers", ())

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if isinstance(found, Files) and found.dtype != RECORD:
            return found.view(np.ndarray)
        return found

    def paths(self) -> Array:
        """bytes objects from the root: b"/usr/bin/env"; shape as self."""
        return self._texts(self["path_offset"], self["path_length"], b"/")

    def spelled(self) -> list[str]:
        """The same as text, as by os.fsdecode."""
        joined = self._joined(self["path_offset"], self["path_length"], b"/")
        return os.fsdecode(joined).split("\0")[:-1]

    def names(self) -> Array:
        """The last component of each path, as bytes objects; b"" for the root."""
        start = self["name_offset"]
        return self._texts(self["path_offset"] + start, self["path_length"] - start, b"")

    def links(self) -> Array:
        """The target of each symlink as bytes objects; b"" for all else (in layer tables hard
        links have theirs too)."""
        return self._texts(self["link_offset"], self["link_length"], b"")

    def xattrs(self) -> Array:
        """Extended attributes as they lie in the table, as bytes objects: equal if they are."""
        heap = memoryview(self.heap)
        texts = np.empty(len(self), dtype=object)
        pairs = zip(self["xattr_offset"].tolist(), self["xattr_length"].tolist(), strict=True)
        texts[:] = [bytes(heap[start : start + length]) for start, length in pairs]
        return texts

    def times(self) -> Array:
        """Modification times, datetime64[ns], clamped to what the type can hold (1677 to 2262)."""
        seconds = np.clip(self["mtime_sec"], _EARLIEST_SECOND, _LATEST_SECOND)
        times: Array = (seconds * 1_000_000_000 + self["mtime_nsec"]).view("datetime64[ns]")
        return times

    def columns(self) -> dict[str, Array]:
        """What people ask for, copied: path, kind (its name), mode, uid, gid, size, mtime, layer,
        link, link_group."""
        same = ("mode", "uid", "gid", "size", "layer", "link_group")
        return {
            "path": self.paths(),
            "kind": np.array(KINDS, dtype=object)[self["kind"]],
            **{name: np.ascontiguousarray(self[name]) for name in same},
            "mtime": self.times(),
            "link": self.links(),
        }

    def to_pandas(self) -> Any:
        """A pandas.DataFrame of `columns`. UnsupportedError without pandas."""
        return _package("pandas").DataFrame(self.columns())

    def to_arrow(self) -> Any:
        """A pyarrow.Table of `columns`. UnsupportedError without pyarrow."""
        return _package("pyarrow").table(self.columns())

    def _texts(self, offsets: Array, lengths: Array, prefix: bytes) -> Array:
        """Slices of the heap in which there is no zero byte."""
        texts = np.empty(len(self), dtype=object)
        texts[:] = self._joined(offsets, lengths, prefix).split(b"\0")[:-1]
        return texts

    def _joined(self, offsets: Array, lengths: Array, prefix: bytes) -> bytes:
        """Slices of the heap, the prefix before each and a zero byte behind."""
        from fastlayers.analysis import _kernels

        heap = np.frombuffer(self.heap, dtype=np.uint8)
        return _kernels.joined_texts(heap, offsets, lengths, prefix).tobytes()


def _package(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise UnsupportedError(f"{name} is not installed: pip install {name}") from None


def files(table: Table) -> Files:
    """The entries of a table: shape (len(table),)."""
    return Files.of(table.entries, table.heap, table.layers)


def counted(rows: Files) -> Array:
    """Which rows are regular files whose contents no earlier row has, being a name of the same
    inode: shape (len(rows),), bool."""
    found: Array = rows["kind"] == FILE
    linked = np.flatnonzero(found & (rows["link_group"] != 0))
    found[linked] = False
    found[linked[firsts(rows["link_group"][linked])]] = True
    return found


def firsts(values: Array) -> Array:
    """int64: where each value that occurs does so first, in the order of the values. (np.unique
    says the same, and loads numpy.ma before, which takes as long as an analysis.)"""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    found = np.ones(len(order), dtype=bool)
    found[1:] = ordered[1:] != ordered[:-1]
    first: Array = order[found]
    return first


def among(values: Array, known: Array) -> Array:
    """bool, shape as `values`: which of them `known` has too."""
    if not len(known):
        return np.zeros(len(values), dtype=bool)
    ordered = np.sort(known)
    at = np.searchsorted(ordered, values)
    found: Array = ordered[np.minimum(at, len(ordered) - 1)] == values
    return found


def parents(rows: Files) -> Array:
    """The row of each entry's directory, -1 for the first; shape (len(rows),), int64. `rows` are a
    merged table, or all that it has at a path and below."""
    above: Array = rows["parent"].astype(np.int64)
    above -= above[1] if len(rows) > 1 else 0  # whatever comes second is in the first
    above[:1] = -1
    return above


def directory_sizes(rows: Files) -> Array:
    """Bytes of the files below each entry, hard-linked contents once (where their first name is);
    a file's own size for a file. `rows` as of `parents`; shape (len(rows),), int64."""
    return _sums(rows, np.where(counted(rows), rows["size"], 0).astype(np.int64))


def directory_counts(rows: Files) -> Array:
    """Entries at and below each entry; `rows` as of `parents`; shape (len(rows),), int64."""
    return _sums(rows, np.ones(len(rows), dtype=np.int64))


def _sums(rows: Files, values: Array) -> Array:
    from fastlayers.analysis import _kernels

    return _kernels.directory_sizes(parents(rows), values, np.ascontiguousarray(rows["kind"]))


def equal_contents(xxh3: Array, size: Array) -> tuple[Array, Array]:
    """Groups of two and more that are equal in both columns: their members' indexes, group behind
    group, and where each group begins among them, and the last one ends; the group that wastes most
    comes first. The members of a group are in no order."""
    from fastlayers.analysis import _kernels

    halves = np.frombuffer(xxh3.tobytes(), dtype="<u8").reshape(-1, 2)
    columns = (halves[:, 0], halves[:, 1], size.astype(np.int64))
    order = np.argsort(columns[0])
    high, low, sizes = (column[order] for column in columns)
    tied = high[1:] == high[:-1]
    if np.any(tied & ((low[1:] != low[:-1]) | (sizes[1:] != sizes[:-1]))):
        order = np.lexsort(columns[::-1])  # by chance it is not seen: someone made such contents
        high, low, sizes = (column[order] for column in columns)
    bounds = _kernels.runs(high, low, sizes)
    starts, counts = bounds[:, 0], bounds[:, 1] - bounds[:, 0]
    by_waste = np.argsort(-sizes[starts] * (counts - 1), kind="stable")
    starts, counts = starts[by_waste], counts[by_waste]
    begins = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
    members = order[np.repeat(starts - begins[:-1], counts) + np.arange(begins[-1])]
    return members, begins


def places(rows: Files, at: Array, layers: Array) -> Array:
    """uint64: where the contents of the files in the rows `at` lie: a number for their layer out of
    `layers`, by the number it has in the table, tar or side file, and offset (a tar is shorter than
    2**45 bytes)."""
    side = (rows["flags"][at] & IN_SIDE_FILE != 0).astype(np.uint64)
    layer = layers.astype(np.uint64)[rows["layer"][at]]
    return np.asarray((layer << np.uint64(46)) | (side << np.uint64(45)) | rows["data_offset"][at])
