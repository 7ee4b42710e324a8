"""Reading a file of an image from its layer's tar: no mount, no unpacking, no privileges."""

from __future__ import annotations

import os
import struct

from fastlayers import _core
from fastlayers.errors import CorruptError, InvalidError, NotFoundError
from fastlayers.host import host_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastlayers.image import Image

# The record of cpp/table/FORMAT.md: link and data offsets, size, link length, layer, kind, flags.
_RECORD = struct.Struct("<8xQ8xQQ36xI28xI2xBB4x")
_RECORD_BYTES = 120
_FILE, _DIRECTORY, _SYMLINK = 0, 1, 2
_KINDS = {1: "a directory", 3: "a character device", 4: "a block device", 5: "a fifo"}
_IN_SIDE_FILE = 4
_MOST_LINKS = 40  # the kernel's limit
_CHUNK_BYTES = 1 << 30


class _Entry:
    """One record of a table."""

    __slots__ = ("data_offset", "flags", "kind", "layer", "link_length", "link_offset", "size")

    def __init__(self, table: _core.Table, index: int) -> None:
        (
            self.link_offset,
            self.data_offset,
            self.size,
            self.link_length,
            self.layer,
            self.kind,
            self.flags,
        ) = _RECORD.unpack_from(table.entries, index * _RECORD_BYTES)


def table_of(image: Image) -> _core.Table:
    """The merged file table of an image; its layers are derived anew where they are missing."""
    store, diff_ids = image.store, list(image.config.diff_ids)
    try:
        return _core.merged_table(store.root, diff_ids)
    except NotFoundError:
        store.require_layers(image.manifest, image.config)
        return _core.merged_table(store.root, diff_ids)


def read(image: Image, path: str | bytes) -> bytes:
    """See Image.read."""
    table = table_of(image)
    wanted = os.fsencode(path)
    entry = _resolve(table, wanted)
    if entry.kind != _FILE:
        what = _KINDS.get(entry.kind, "no regular file")
        raise InvalidError(f"{os.fsdecode(wanted)!r} is {what}")
    return _read_data(image, table, entry)


def _resolve(table: _core.Table, path: bytes) -> _Entry:
    """Walks a path component by component; links and ".." stay inside the root."""
    pending = [part for part in path.split(b"/") if part not in (b"", b".")]
    pending.reverse()
    done: list[bytes] = []
    links = 0
    entry = _entry(table, b"", path)
    trailing = path.endswith((b"/", b"/.", b"/.."))
    while pending:
        part = pending.pop()
        if entry.kind != _DIRECTORY:
            raise NotFoundError(f"{_shown(done)} is not a directory: {os.fsdecode(path)!r}")
        if part == b"..":
            del done[-1:]
            entry = _entry(table, b"/".join(done), path)
            continue
        done.append(part)
        entry = _entry(table, b"/".join(done), path)
        if entry.kind == _SYMLINK:
            links += 1
            if links > _MOST_LINKS:
                raise InvalidError(f"too many symbolic links: {os.fsdecode(path)!r}")
            target = bytes(table.heap[entry.link_offset : entry.link_offset + entry.link_length])
            if target.startswith(b"/"):
                done.clear()
            else:
                done.pop()
            entry = _entry(table, b"/".join(done), path)
            parts = [part for part in target.split(b"/") if part not in (b"", b".")]
            pending.extend(reversed(parts))
    if trailing and entry.kind != _DIRECTORY:
        raise NotFoundError(f"{_shown(done)} is not a directory: {os.fsdecode(path)!r}")
    return entry


def _entry(table: _core.Table, place: bytes, path: bytes) -> _Entry:
    index = table.find(place)
    if index is None:
        raise NotFoundError(f"no such file in the image: {os.fsdecode(path)!r}")
    return _Entry(table, index)


def _shown(parts: list[bytes]) -> str:
    return repr("/" + os.fsdecode(b"/".join(parts)))


def _read_data(image: Image, table: _core.Table, entry: _Entry) -> bytes:
    if not entry.size:
        return b""
    root, diff_id = image.store.root, table.layers[entry.layer]
    in_side_file = bool(entry.flags & _IN_SIDE_FILE)
    path = (_core.side_path if in_side_file else _core.blob_path)(root, diff_id)
    try:
        if not os.path.exists(path):
            image.store.require_layers(image.manifest, image.config)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise host_error(f"cannot read layer {diff_id}", error) from None
    try:
        return _pread(descriptor, entry, diff_id)
    finally:
        os.close(descriptor)


def _pread(descriptor: int, entry: _Entry, diff_id: str) -> bytes:
    # Before memory is reserved for it: the size is what the tar claims.
    if entry.data_offset + entry.size > os.fstat(descriptor).st_size:
        raise CorruptError(f"layer {diff_id} is shorter than its file table says")
    data = bytearray(entry.size)
    view = memoryview(data)
    position = 0
    while position < entry.size:
        window = view[position : position + _CHUNK_BYTES]
        try:
            count = os.preadv(descriptor, [window], entry.data_offset + position)
        except OSError as error:
            raise host_error(f"cannot read layer {diff_id}", error) from None
        if count == 0:
            raise CorruptError(f"layer {diff_id} is shorter than its file table says")
        position += count
    view.release()
    return bytes(data)
