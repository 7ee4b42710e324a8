"""Finding and reading files of an image in its layers' tars: no mount, no unpacking, no
privileges."""

from __future__ import annotations

import os
import struct

from fastlayers import _core
from fastlayers.errors import CorruptError, InvalidError, NotFoundError
from fastlayers.host import host_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from fastlayers.image import Image

    _Made = TypeVar("_Made")

# The record of cpp/table/FORMAT.md, without checksum and parent.
_RECORD = struct.Struct("<QQ8xQQq16xIIII8xIIIIIIHBB4x")
_RECORD_BYTES = 120
FILE, DIRECTORY, SYMLINK = 0, 1, 2
_KINDS = {1: "a directory", 3: "a character device", 4: "a block device", 5: "a fifo"}
_IN_SIDE_FILE = 4
_MOST_LINKS = 40  # the kernel's limit
_CHUNK_BYTES = 1 << 30


class Entry:
    """One record of a table; fields as in cpp/table/FORMAT.md."""

    __slots__ = (
        "data_offset",
        "dev_major",
        "dev_minor",
        "flags",
        "gid",
        "index",
        "kind",
        "layer",
        "link",
        "link_group",
        "mode",
        "mtime_ns",
        "name",
        "size",
        "uid",
    )

    kind: int
    layer: int
    size: int

    def __init__(self, table: _core.Table, index: int) -> None:
        self.index = index
        (
            path_offset,
            link_offset,
            self.data_offset,
            self.size,
            seconds,
            nanoseconds,
            path_length,
            name_offset,
            link_length,
            self.uid,
            self.gid,
            self.dev_major,
            self.dev_minor,
            self.link_group,
            self.layer,
            self.mode,
            self.kind,
            self.flags,
        ) = _RECORD.unpack_from(table.entries, index * _RECORD_BYTES)
        self.mtime_ns = seconds * 1_000_000_000 + nanoseconds
        self.name = bytes(table.heap[path_offset + name_offset : path_offset + path_length])
        self.link = bytes(table.heap[link_offset : link_offset + link_length])


def table_of(image: Image) -> _core.Table:
    """The merged file table of an image; its layers are derived anew where they are missing."""
    return _of_layers(_core.merged_table, image)


def deltas_of(image: Image) -> list[_core.Table]:
    """Each layer of an image, resolved against those below it, base first."""
    return _of_layers(_core.layer_deltas, image)


def _of_layers(make: Callable[[str, list[str]], _Made], image: Image) -> _Made:
    store, diff_ids = image.store, list(image.config.diff_ids)
    try:
        return make(store.root, diff_ids)
    except NotFoundError:
        store.require_layers(image.manifest, image.config)
        return make(store.root, diff_ids)


def read(image: Image, path: str | bytes) -> bytes:
    """See Image.read."""
    table = table_of(image)
    entry = regular(table, os.fsencode(path))
    if not entry.size:
        return b""
    descriptor = open_data(image, table, entry)
    try:
        data = bytearray(entry.size)
        read_into(descriptor, data, entry.data_offset, table.layers[entry.layer])
        return bytes(data)
    finally:
        os.close(descriptor)


def regular(table: _core.Table, path: bytes) -> Entry:
    """The regular file that a path leads to."""
    entry, _ = resolve(table, path)
    if entry.kind != FILE:
        what = _KINDS.get(entry.kind, "no regular file")
        raise InvalidError(f"{os.fsdecode(path)!r} is {what}")
    return entry


def resolve(table: _core.Table, path: bytes, *, follow: bool = True) -> tuple[Entry, bytes]:
    """Walks a path component by component; links and ".." stay inside the root. Returns what is
    there and its path without links, as the table spells it. Unless `follow`, a link at the end is
    what is returned.

    NotFoundError if there is nothing, InvalidError for a loop of links.
    """
    pending = [part for part in path.split(b"/") if part not in (b"", b".")]
    pending.reverse()
    done: list[bytes] = []
    links = 0
    entry = _entry(table, b"", path)
    trailing = path.endswith((b"/", b"/.", b"/.."))
    while pending:
        part = pending.pop()
        if entry.kind != DIRECTORY:
            raise NotFoundError(f"{_shown(done)} is not a directory: {os.fsdecode(path)!r}")
        if part == b"..":
            del done[-1:]
            entry = _entry(table, b"/".join(done), path)
            continue
        done.append(part)
        entry = _entry(table, b"/".join(done), path)
        if entry.kind == SYMLINK and (follow or pending or trailing):
            links += 1
            if links > _MOST_LINKS:
                raise InvalidError(f"too many symbolic links: {os.fsdecode(path)!r}")
            if entry.link.startswith(b"/"):
                done.clear()
            else:
                done.pop()
            parts = [part for part in entry.link.split(b"/") if part not in (b"", b".")]
            pending.extend(reversed(parts))
            entry = _entry(table, b"/".join(done), path)
    if trailing and entry.kind != DIRECTORY:
        raise NotFoundError(f"{_shown(done)} is not a directory: {os.fsdecode(path)!r}")
    return entry, b"/".join(done)


def _entry(table: _core.Table, place: bytes, path: bytes) -> Entry:
    index = table.find(place)
    if index is None:
        raise NotFoundError(f"no such file in the image: {os.fsdecode(path)!r}")
    return Entry(table, index)


def _shown(parts: list[bytes]) -> str:
    return repr("/" + os.fsdecode(b"/".join(parts)))


def open_data(image: Image, table: _core.Table, entry: Entry) -> int:
    """A descriptor of the file in which the contents of an entry lie, at its `data_offset`."""
    root, diff_id = image.store.root, table.layers[entry.layer]
    in_side_file = bool(entry.flags & _IN_SIDE_FILE)
    path = (_core.side_path if in_side_file else _core.blob_path)(root, diff_id)
    try:
        if not os.path.exists(path):
            image.store.require_layers(image.manifest, image.config)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise host_error(f"cannot read layer {diff_id}", error) from None
    # Before memory is reserved for it: the size is what the tar claims.
    if entry.data_offset + entry.size > os.fstat(descriptor).st_size:
        os.close(descriptor)
        raise CorruptError(f"layer {diff_id} is shorter than its file table says")
    return descriptor


def read_into(descriptor: int, room: bytearray | memoryview, offset: int, diff_id: str) -> None:
    """Fills `room` with what lies at an offset of a layer's file."""
    position = 0
    with memoryview(room) as view:
        while position < len(view):
            window = view[position : position + _CHUNK_BYTES]
            try:
                count = os.preadv(descriptor, [window], offset + position)
            except OSError as error:
                raise host_error(f"cannot read layer {diff_id}", error) from None
            finally:
                window.release()
            if count == 0:
                raise CorruptError(f"layer {diff_id} is shorter than its file table says")
            position += count
