"""Reads the engine's file table the slow way: record by record, from the documented layout.

Deliberately independent of fastlayers.analysis, so that a wrong offset in either shows.
"""

from __future__ import annotations

import hashlib
import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from fastlayers import _core
from tests.tree import Facts, Tree, counted_links, with_names

RECORD = struct.Struct("<5Qq16s12IHBBI")
KINDS = ("file", "dir", "symlink", "char", "block", "fifo", "whiteout", "hardlink", "opaque")
IMPLIED, SIDE = 2, 4  # bits of flags


class Record(NamedTuple):
    """One entry, exactly as it lies in the table."""

    path_offset: int
    link_offset: int
    xattr_offset: int
    data_offset: int
    size: int
    mtime_sec: int
    xxh3: bytes
    mtime_nsec: int
    path_length: int
    name_offset: int
    link_length: int
    xattr_length: int
    parent: int
    uid: int
    gid: int
    dev_major: int
    dev_minor: int
    link_group: int
    layer: int
    mode: int
    kind: int
    flags: int
    reserved: int


def records(table: _core.Table) -> Iterator[Record]:
    """All records of a table, in its order."""
    raw = bytes(table.entries)
    assert len(raw) == RECORD.size * len(table)
    return (Record._make(fields) for fields in RECORD.iter_unpack(raw))


def path_of(table: _core.Table, record: Record) -> bytes:
    """The record's path, relative to the root."""
    return bytes(table.heap[record.path_offset :][: record.path_length])


def xattrs_of(table: _core.Table, record: Record) -> dict[bytes, bytes]:
    """The record's extended attributes: names and values, each behind its length."""
    rest = bytes(table.heap[record.xattr_offset :][: record.xattr_length])
    parts = []
    while rest:
        (length,) = struct.unpack_from("<I", rest)
        parts.append(rest[4 : 4 + length])
        rest = rest[4 + length :]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def contents_of(root: str, table: _core.Table, record: Record) -> bytes:
    """A file's contents, read where the record says they lie."""
    diff_id = table.layers[record.layer]
    side = record.flags & SIDE
    path = _core.side_path(root, diff_id) if side else _core.blob_path(root, diff_id)
    with open(path, "rb") as file:
        file.seek(record.data_offset)
        return file.read(record.size)


def tree_of_table(root: str, table: _core.Table) -> Tree:
    """The tree that a table in path order describes, without its root."""
    found: list[tuple[bytes, Facts, int]] = []
    groups: dict[int, list[bytes]] = defaultdict(list)
    for record in list(records(table))[1:]:
        path, kind = path_of(table, record), KINDS[record.kind]
        content = contents_of(root, table, record) if kind == "file" else b""
        is_link, is_device = kind == "symlink", kind in ("char", "block")
        link = bytes(table.heap[record.link_offset :][: record.link_length])
        facts = Facts(
            type=kind,
            mode=0o777 if is_link else record.mode,
            uid=record.uid,
            gid=record.gid,
            mtime_ns=record.mtime_sec * 10**9 + record.mtime_nsec,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest() if kind == "file" else "",
            link=link if is_link else b"",
            device=(record.dev_major, record.dev_minor) if is_device else (0, 0),
            xattrs=xattrs_of(table, record),
            implied=bool(record.flags & IMPLIED),
        )
        found.append((path, facts, record.link_group))
        if record.link_group:
            groups[record.link_group].append(path)
    return counted_links(
        {path: with_names(facts, groups[group] if group else ()) for path, facts, group in found}
    )
