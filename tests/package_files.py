"""Files of package managers, as tests write them."""

from __future__ import annotations

import base64
import os
import sqlite3
import struct
import subprocess
import tempfile
import zlib
from typing import Literal

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


# What rpm 4.18 wrote, built with ndb, of gone 1-1, bash 5.1-1, glibc 3:2.31-1 and a key.
NDB_OF_RPM = zlib.decompress(
    base64.b85decode(
        b"c-rll%}T>S5P-LCZIw#NA%rSc@F0R>tbbJy5d`rn_5ma*r7fmONGw$F;LG?NIrJg=3jUxVc-1<aOzg4;t57`"
        b"6hGF<N$!0$$mz@j0bIxE)Lu4?^qvm+mVqV-VB2PgsO3WcIN}Pqf2CN~g>k$(Z6B82?6B82?6B82?|1Y07b}f"
        b"Tv|0tQ7f!K#Qg2+RxviK;^A0X%OHF%sqB4g`-KOyIlUm=TDz#Q@i-q(;nk&T42I&xWX({mea3oiVg({{T();"
        b"p+PR(F|YhC$s7{0>XEIUEk}aB0TQjJKC4aXS@$qF*7RKk_@2{MN_#6%@as;-@Koy5hH>_$|kNesja`+E<MmR"
        b";eVK=;(S@P;dR@7|j>LzT_wRFMM+Ko1H}cY%6TBJu|J~pXzsSymPsJS=`7V*}K@^vE;Wo#xJM%rS*JP>X-WJ"
        b"if>8rT~d5k;(9u5yUw=FozXwbf9LIgd#B^JRBjK@{|m)`4($"
    )
)


def ndb(*headers: bytes) -> bytes:
    """A Packages.db, as rpm writes it."""
    pages = 1 + (len(headers) + 1) // 256
    end = len(headers) + 1
    slots = [struct.pack("<4sIIII12x", b"RpmP", 0, end, pages, end)]
    blobs = b""
    for number, header in enumerate(headers, 1):
        blob = struct.pack("<4sIII", b"BlbS", number, number, len(header)) + header
        blob += bytes(-(len(blob) + 12) % 16)
        blob += struct.pack("<II4s", zlib.adler32(blob), len(header), b"BlbE")
        place = pages * 256 + len(blobs) // 16
        slots.append(struct.pack("<4sIII", b"Slot", number, place, len(blob) // 16))
        blobs += blob
    filled = b"".join(slots)
    free = struct.pack("<4s12x", b"Slot")
    return filled + free * ((pages * 4096 - len(filled)) // 16) + blobs


def berkeley_db(
    *headers: bytes, order: Literal["little", "big"] = "little", page_size: int = 4096
) -> bytes:
    """A Packages as Berkeley DB writes it, with the counter that rpm keeps among the headers."""
    values = [len(headers).to_bytes(4, order), *headers]
    return berkeley_hash(
        {number.to_bytes(4, order): value for number, value in enumerate(values)},
        f"db_lorder={1234 if order == 'little' else 4321}", f"db_pagesize={page_size}",
    )  # fmt: skip


def berkeley_hash(items: dict[bytes, bytes], *settings: str, type: str = "hash") -> bytes:
    """A database of Berkeley DB, which db_load makes."""
    dump = ["VERSION=3", "format=bytevalue", f"type={type}", *settings, "HEADER=END"]
    dump += [f" {text.hex()}" for item in items.items() for text in item]
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "Packages")
        text = "\n".join((*dump, "DATA=END", "")).encode()
        subprocess.run(["db5.3_load", file], input=text, check=True)
        with open(file, "rb") as opened:
            return opened.read()


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
