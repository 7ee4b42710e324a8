"""rpm's database as rpm has kept it since 4.16: a table of headers in SQLite.

The bytes come from strangers: SQLite may look at the rows of one table and nothing else, for a
bounded time.
"""

from __future__ import annotations

import sqlite3

MAGIC = b"SQLite format 3\0"
_FORMAT_VERSIONS = slice(18, 20)  # 2 and 2 in a database that is written through a log
_STEPS = 1000  # of SQLite's machine, between two looks at what is left
_STEPS_A_KILOBYTE = 200


def headers(data: bytes | memoryview) -> list[bytes]:
    """Those of an rpmdb.sqlite. ValueError if it is none, or breaks a bound."""
    image = bytearray(data)
    image[_FORMAT_VERSIONS] = b"\1\1"  # in memory there is no log
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(image)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        kinds = connection.execute("SELECT type FROM sqlite_master WHERE name = 'Packages'")
        if [kind for (kind,) in kinds] != ["table"]:
            raise ValueError("it has no table of packages")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, len(image))
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
