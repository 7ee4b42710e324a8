"""The file table as numpy columns.

`records(table)` maps the table as it lies in memory, without copying: the dtype is the 120-byte
record of cpp/table/FORMAT.md. `files(table)` is the same for people: paths and link targets as
bytes, one time column, layers by number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from fastlayers._core import Table

    Array = np.ndarray[Any, np.dtype[Any]]

RECORD = np.dtype(
    [
        ("path_offset", "<u8"),
        ("link_offset", "<u8"),
        ("xattr_offset", "<u8"),
        ("data_offset", "<u8"),
        ("size", "<u8"),
        ("mtime_sec", "<i8"),
        ("xxh3", "V16"),
        ("mtime_nsec", "<u4"),
        ("path_length", "<u4"),
        ("name_offset", "<u4"),
        ("link_length", "<u4"),
        ("xattr_length", "<u4"),
        ("parent", "<u4"),
        ("uid", "<u4"),
        ("gid", "<u4"),
        ("dev_major", "<u4"),
        ("dev_minor", "<u4"),
        ("link_group", "<u4"),
        ("layer", "<u4"),
        ("mode", "<u2"),
        ("kind", "u1"),
        ("flags", "u1"),
        ("reserved", "<u4"),
    ]
)

# Names of the values of "kind".
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
FILE, DIRECTORY, SYMLINK = 0, 1, 2
NO_PARENT = 0xFFFFFFFF
# The earliest and latest second whose nanoseconds fit into a column.
_EARLIEST_SECOND = -9_223_372_036
_LATEST_SECOND = 9_223_372_035

FILES = np.dtype(
    [
        ("path", "O"),  # bytes, from "/": b"/usr/bin/env"
        ("kind", "u1"),  # index into KINDS
        ("mode", "<u2"),  # permission bits, 07777
        ("uid", "<u4"),
        ("gid", "<u4"),
        ("size", "<i8"),  # bytes of a file; of a symlink the length of its target
        ("mtime", "datetime64[ns]"),  # clamped to what the type can hold, 1677 to 2262
        ("layer", "<u4"),  # which layer wrote it: index into Image.layers
        ("link", "O"),  # bytes: the target of a symlink; b"" for all else
        ("link_group", "<u4"),  # names of one inode share a number; 0: a single name
        ("device", "<u4", (2,)),  # major and minor number of a device
        ("parent", "<i8"),  # row of its directory; -1 for the root
        ("digest", "V16"),  # XXH3-128 of the contents; zeros for empty files and for no files
    ]
)


def records(table: Table) -> Array:
    """The records of a table: shape (len(table),), dtype RECORD, read-only, not copied."""
    array = np.frombuffer(table.entries, dtype=RECORD)
    array.flags.writeable = False
    return array


def files(table: Table) -> Array:
    """Every entry of a table: shape (len(table),), dtype FILES."""
    raw = records(table)
    rows = np.empty(len(raw), dtype=FILES)
    heap = bytes(table.heap)
    rows["path"] = _texts(heap, raw["path_offset"], raw["path_length"], b"/")
    rows["link"] = _texts(heap, raw["link_offset"], raw["link_length"], b"")
    for name in ("kind", "mode", "uid", "gid", "layer", "link_group"):
        rows[name] = raw[name]
    rows["size"] = raw["size"]
    rows["digest"] = raw["xxh3"]
    rows["device"] = np.stack([raw["dev_major"], raw["dev_minor"]], axis=1)
    rows["parent"] = np.where(raw["parent"] == NO_PARENT, -1, raw["parent"].astype(np.int64))
    seconds = np.clip(raw["mtime_sec"], _EARLIEST_SECOND, _LATEST_SECOND)
    rows["mtime"] = (seconds * 1_000_000_000 + raw["mtime_nsec"]).view("datetime64[ns]")
    return rows


def directory_sizes(rows: Array) -> Array:
    """Bytes of the files below each entry, hard-linked contents once (where its first name is);
    a file's own size for a file. `rows` are of `files`, whole and in order; shape (len(rows),),
    int64."""
    from fastlayers.analysis import _kernels

    parent = np.ascontiguousarray(rows["parent"], dtype=np.int64)
    size = np.where(rows["kind"] == FILE, rows["size"], 0).astype(np.int64)
    groups = rows["link_group"]
    _, first = np.unique(groups, return_index=True)
    counted = groups == 0
    counted[first] = True
    size[~counted] = 0
    kind = np.ascontiguousarray(rows["kind"])
    return np.asarray(_kernels.directory_sizes(parent, size, kind))


def duplicates(rows: Array) -> list[Array]:
    """Groups of files with the same contents, as arrays of row numbers; the group that wastes most
    comes first. Names of one inode count once; empty files are left out."""
    from fastlayers.analysis import _kernels

    groups = rows["link_group"]
    _, first = np.unique(groups, return_index=True)
    counted = groups == 0
    counted[first] = True
    chosen = np.flatnonzero((rows["kind"] == FILE) & (rows["size"] > 0) & counted)
    if not len(chosen):
        return []
    halves = np.frombuffer(rows["digest"][chosen].tobytes(), dtype="<u8").reshape(-1, 2)
    high, low = np.ascontiguousarray(halves[:, 0]), np.ascontiguousarray(halves[:, 1])
    sizes = rows["size"][chosen]
    order = np.lexsort((low, high, sizes))
    bounds = np.asarray(_kernels.runs(high[order], low[order], np.ascontiguousarray(sizes[order])))
    found = [chosen[order[start:end]] for start, end in bounds]
    found.sort(key=lambda group: -int(rows["size"][group[0]]) * (len(group) - 1))
    return found


def _texts(heap: bytes, offsets: Array, lengths: Array, prefix: bytes) -> Array:
    """Slices of the heap as an array of bytes objects."""
    texts = np.empty(len(offsets), dtype=object)
    pairs = zip(offsets.tolist(), lengths.tolist(), strict=True)
    texts[:] = [prefix + heap[start : start + length] for start, length in pairs]
    return texts
