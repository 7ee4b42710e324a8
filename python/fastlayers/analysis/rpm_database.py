"""rpm's database as rpm has kept it since 4.16: a table of headers in SQLite.

The bytes come from strangers, and both formats can be made to lie: SQLite may look at the rows of
one table and nothing else, for a bounded time; headers are read with every offset checked.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastlayers.analysis.package_format import Named

# rpm's own bounds of a header (HEADER_TAGS_MAX, HEADER_DATA_MAX) and of what is one entry of it.
_MOST_TAGS = 0xFFFF
_MOST_DATA = 0x0FFFFFFF
_ENTRY = struct.Struct(">IIII")  # tag, type, offset, count
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH = 1000, 1001, 1002, 1003, 1022
_INT32, _STRING = 4, 6
_TAGS = {_NAME: _STRING, _VERSION: _STRING, _RELEASE: _STRING, _EPOCH: _INT32, _ARCH: _STRING}
_LONGEST_TEXT = 4096

_SQLITE_MAGIC = b"SQLite format 3\0"
_FORMAT_VERSIONS = slice(18, 20)  # 2 and 2 in a database that is written through a log
_STEPS = 1000  # of SQLite's machine, between two looks at what is left
_STEPS_A_KILOBYTE = 200


def rpm(data: bytes) -> Iterator[Named]:
    """The packages of an rpmdb.sqlite; keys that rpm keeps there as well are left out. ValueError
    if it is none, or breaks a bound."""
    if not data.startswith(_SQLITE_MAGIC) or len(data) < 512:
        raise ValueError("it is no SQLite database")
    image = bytearray(data)
    image[_FORMAT_VERSIONS] = b"\1\1"  # in memory there is no log
    for blob in _blobs(bytes(image)):
        name, version, architecture = parse_header(blob)
        if name != "gpg-pubkey":
            yield name, version, architecture


def _blobs(image: bytes) -> list[bytes]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(image)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        kinds = connection.execute("SELECT type FROM sqlite_master WHERE name = 'Packages'")
        if [kind for (kind,) in kinds] != ["table"]:
            raise ValueError("it has no table of packages")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, min(_MOST_DATA, len(image)))
        connection.set_authorizer(_allow)
        left = 1000 + len(image) * _STEPS_A_KILOBYTE // 1024 // _STEPS

        def is_too_long() -> bool:
            nonlocal left
            left -= 1
            return left < 0

        connection.set_progress_handler(is_too_long, _STEPS)
        found, room = [], len(image)
        for (blob,) in connection.execute("SELECT blob FROM Packages"):
            if not isinstance(blob, bytes):
                raise ValueError("a package of it is no header")
            room -= len(blob)
            if room < 0:
                raise ValueError("its packages are larger than it is")
            found.append(blob)
        return found
    except (sqlite3.Error, OverflowError, MemoryError) as error:
        raise ValueError(f"SQLite says: {error}") from None
    finally:
        connection.close()


def _allow(action: int, table: str | None, column: str | None, *_: object) -> int:
    """What a query may do: read one table. Functions, views and virtual tables are refused."""
    if action == sqlite3.SQLITE_SELECT:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_READ and (table or "").lower() == "packages":
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


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
