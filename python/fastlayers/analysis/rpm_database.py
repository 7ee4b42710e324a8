"""rpm's database: headers of packages, in one of the three formats that rpm has kept them in.

The bytes come from strangers: every offset of a database and of a header is checked.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fastlayers.analysis.package_format import Named

# rpm's own bounds of a header (HEADER_TAGS_MAX, HEADER_DATA_MAX) and of what is one entry of it.
_MOST_TAGS = 0xFFFF
_MOST_DATA = 0x0FFFFFFF
_ENTRY = struct.Struct(">IIII")  # tag, type, offset, count
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH = 1000, 1001, 1002, 1003, 1022
_INT32, _STRING = 4, 6
_TAGS = {_NAME: _STRING, _VERSION: _STRING, _RELEASE: _STRING, _EPOCH: _INT32, _ARCH: _STRING}
_LONGEST_TEXT = 4096


def rpm(data: bytes | memoryview) -> Iterator[Named]:
    """The packages of an rpmdb.sqlite, a Packages.db or a Packages, told apart by what is in them;
    keys that rpm keeps there as well are left out. ValueError if it is none, or breaks a bound."""
    for blob in _headers(data):
        name, version, architecture = parse_header(blob)
        if name != "gpg-pubkey":
            yield name, version, architecture


def _headers(data: bytes | memoryview) -> Iterable[bytes]:
    from fastlayers.analysis import rpm_berkeley_db, rpm_ndb, rpm_sqlite

    if not data:
        return ()  # as each of them is before the first package
    start = bytes(data[:16])
    if start == rpm_sqlite.MAGIC:
        return rpm_sqlite.headers(data)
    if start.startswith(rpm_ndb.MAGIC):
        return rpm_ndb.headers(data)
    if start.endswith(rpm_berkeley_db.MAGICS):
        return rpm_berkeley_db.headers(data)
    raise ValueError("it is no SQLite database, no ndb and no hash of Berkeley DB")


def parse_header(blob: bytes) -> Named:
    """Name, [EPOCH:]VERSION-RELEASE and architecture of a header as it lies in the database: the
    number of entries, the bytes of data, the entries, the data; all big-endian. ValueError if that
    is not so, or it has no name."""
    if len(blob) < 8:
        raise ValueError("a header is cut off")
    count, size = struct.unpack_from(">II", blob)
    start = 8 + count * _ENTRY.size
    if count > _MOST_TAGS or size > _MOST_DATA or start + size != len(blob):
        raise ValueError("a header is not as long as it says")
    found: dict[int, str] = {}
    for tag, kind, offset, amount in _ENTRY.iter_unpack(memoryview(blob)[8:start]):
        if _TAGS.get(tag) == kind and amount == 1 and tag not in found:
            found[tag] = _value(blob, start, size, kind, offset)
    if not found.get(_NAME):
        raise ValueError("a header names no package")
    version = found.get(_VERSION, "")
    if _RELEASE in found:
        version = f"{version}-{found[_RELEASE]}"
    if _EPOCH in found:
        version = f"{found[_EPOCH]}:{version}"
    return found[_NAME], version, found.get(_ARCH, "")


def _value(blob: bytes, start: int, size: int, kind: int, offset: int) -> str:
    if kind == _INT32:
        if offset > size - 4:
            raise ValueError("an entry of a header lies outside of it")
        return str(struct.unpack_from(">I", blob, start + offset)[0])
    if offset >= size:
        raise ValueError("an entry of a header lies outside of it")
    end = blob.find(b"\0", start + offset, min(start + size, start + offset + _LONGEST_TEXT))
    if end < 0:
        raise ValueError("a text of a header does not end")
    return os.fsdecode(blob[start + offset : end])
