"""Files of package managers, as tests write them."""

from __future__ import annotations

import os
import sqlite3
import struct

from tests.tar_members import Member

NAME, VERSION, RELEASE, EPOCH, ARCH = 1000, 1001, 1002, 1003, 1022


def rpm_header(*tags: tuple[int, str | int]) -> bytes:
    """A header as rpm's database has it: a number is an INT32, a text a STRING."""
    entries, data = b"", b""
    for tag, value in tags:
        if isinstance(value, int):
            data += bytes(-len(data) % 4)
        kind = 4 if isinstance(value, int) else 6
        entries += struct.pack(">IIII", tag, kind, len(data), 1)
        data += struct.pack(">I", value) if isinstance(value, int) else os.fsencode(value) + b"\0"
    return struct.pack(">II", len(tags), len(data)) + entries + data


def rpm_of(name: str, version: str, architecture: str = "noarch") -> bytes:
    """The header of a package with release 1."""
    return rpm_header((NAME, name), (VERSION, version), (RELEASE, "1"), (ARCH, architecture))


def database(*statements: str, blobs: tuple[object, ...] = ()) -> bytes:
    """A SQLite database; the statements make it, rpm's own table unless there are some."""
    connection = sqlite3.connect(":memory:")
    if not statements:
        table = "'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)"
        statements = (f"CREATE TABLE {table}",)
    for statement in statements:
        connection.execute(statement)
    for blob in blobs:
        connection.execute("INSERT INTO Packages (blob) VALUES (?)", (blob,))
    connection.commit()
    data: bytes = connection.serialize()
    connection.close()
    return data


def written(path: str, content: str | bytes) -> Member:
    """A file of an image."""
    data = os.fsencode(content) if isinstance(content, str) else content
    return Member(path.encode(), "file", content=data)


def npm(folder: str, name: str, version: str) -> Member:
    """A package.json in a folder's node_modules."""
    text = f'{{"name": "{name}", "version": "{version}"}}'
    return written(f"{folder}node_modules/{name}/package.json", text)


def pypi(name: str, version: str) -> Member:
    """A dist-info of Python."""
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: of the body\n"
    return written(f"usr/lib/python3/{name}-{version}.dist-info/METADATA", text)


def dpkg(*packages: tuple[str, str, str]) -> Member:
    """dpkg's status of (name, version, architecture)."""
    lines = "Package: {}\nStatus: install ok installed\nVersion: {}\nArchitecture: {}\n\n"
    return written("var/lib/dpkg/status", "".join(lines.format(*one) for one in packages))


def apk(*packages: tuple[str, str, str]) -> Member:
    """apk's list of them."""
    return written(
        "lib/apk/db/installed", "".join("P:{}\nV:{}\nA:{}\n\n".format(*p) for p in packages)
    )


def rpms(*packages: tuple[str, str, str]) -> Member:
    """rpm's database of them; all have the release 1."""
    return written("var/lib/rpm/rpmdb.sqlite", database(blobs=tuple(rpm_of(*p) for p in packages)))
