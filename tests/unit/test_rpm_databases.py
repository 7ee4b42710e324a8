"""rpm's databases that are no SQLite: written by Berkeley DB and by rpm, and asked of rpm."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from fastlayers.analysis import rpm_ndb
from fastlayers.analysis.rpm_database import rpm
from tests.package_files import (
    ARCH,
    EPOCH,
    NAME,
    NDB_OF_RPM,
    RELEASE,
    VERSION,
    berkeley_db,
    berkeley_hash,
    ndb,
    rpm_header,
    rpm_of,
)

_LITTLE = "db_lorder=1234", "db_pagesize=512"


def _header(number: int) -> bytes:
    """The header of a package; every third has an epoch, some are long."""
    epoch = [(EPOCH, number)] if number % 3 == 0 else []
    return rpm_header(
        (NAME, f"p{number}"), (VERSION, f"{number}.1"), (RELEASE, "2.el8"), *epoch,
        (ARCH, "x86_64"), (7000, "x" * (number % 97) ** 2),
    )  # fmt: skip


@pytest.mark.needs("db5.3_load", "rpm")
@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("page_size", [512, 4096, 65536])
@pytest.mark.parametrize("version", [8, 9])
def test_rpm_says_the_same_of_a_berkeley_db(
    order: Literal["little", "big"], page_size: int, version: int, tmp_path: Path
) -> None:
    headers = [*map(_header, range(300)), rpm_of("gpg-pubkey", "00")]
    data = bytearray(berkeley_db(*headers, order=order, page_size=page_size))
    if version == 8:  # that of Berkeley DB before 4.6, which sorts no page
        data[16:20] = version.to_bytes(4, order)
        for page in range(0, len(data), page_size):
            data[page + 25] = {13: 2}.get(data[page + 25], data[page + 25])
    (tmp_path / "Packages").write_bytes(data)
    form = r"%{NAME} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE} %{ARCH}\n"
    asked = subprocess.run(
        ["rpm", "--dbpath", tmp_path, "-qa", "--queryformat", form],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = [line.split() for line in asked.stdout.splitlines() if "gpg-pubkey" not in line]
    assert len(told) == 300
    assert sorted(map(list, rpm(bytes(data)))) == sorted(told)


def test_an_ndb_that_rpm_wrote() -> None:
    told = [("gone", "1-1", "x86_64"), ("bash", "5.1-1", "x86_64"), ("glibc", "3:2.31-1", "x86_64")]
    assert list(rpm(NDB_OF_RPM)) == told
    # So what the tests write is what rpm writes.
    assert ndb(*rpm_ndb.headers(NDB_OF_RPM)) == NDB_OF_RPM
    erased = bytearray(NDB_OF_RPM)
    (place, blocks) = struct.unpack_from("<II", erased, 40)
    erased[36:48] = bytes(12)
    erased[place * 16 : (place + blocks) * 16] = bytes(blocks * 16)
    assert list(rpm(bytes(erased))) == told[1:]
    assert list(rpm(ndb(*map(_header, range(600)))))[599] == ("p599", "599.1-2.el8", "x86_64")


def test_a_database_before_the_first_package() -> None:
    assert list(rpm(b"")) == list(rpm(ndb())) == list(rpm(berkeley_db())) == []


def _put(data: bytes, offset: int, form: str, *values: int | bytes) -> bytes:
    changed = bytearray(data)
    struct.pack_into(form, changed, offset, *values)
    return bytes(changed)


_NDB = ndb(rpm_of("a", "1"), rpm_of("b", "2"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"RpmP" + bytes(20), "cut off"),
        (_put(_NDB, 4, "<I", 1), "version 1"),
        (_put(_NDB, 12, "<I", 0), "slots lie outside"),
        (_put(_NDB, 12, "<I", 0xFFFFFFFF), "slots lie outside"),
        (_put(_NDB, 12, "<I", 2), "slots lie outside"),
        (_put(_NDB, 4080, "4s", b"none"), "a slot of it is none"),
        (_put(_NDB, 44, "<I", 0xFFFFFFFF), "larger than it is"),
        (_put(_NDB, 40, "<I", 0xFFFFFFFF), "a package lies outside"),
        (_put(_NDB, 40, "<II", 256, 1), "a package lies outside"),
        (_put(_NDB, 44, "<I", 5), "not where a slot says"),
        (_put(_NDB, 36, "<I", 7), "not where a slot says"),
        (_put(_NDB, 4096, "4s", b"none"), "not where a slot says"),
        (_put(_NDB, 4096 + 12, "<I", 0xFFFFFFF0), "not where a slot says"),
        (_put(_NDB, len(_NDB) - 4, "4s", b"none"), "not where a slot says"),
        (_NDB[:-16], "larger than it is|lies outside"),
    ],
)
def test_hostile_ndbs(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        list(rpm(data))


@pytest.fixture(scope="module")
def berkeley() -> bytes:
    """Two packages in pages of 512 bytes, the first in a chain of them."""
    long = rpm_header((NAME, "a"), (VERSION, "1"), (7000, "x" * 2000))
    return berkeley_db(long, rpm_header((NAME, "b"), (VERSION, "2")), page_size=512)


def _page(data: bytes, type: int) -> int:
    """Where the first page of a type with something on it is."""
    return next(
        start
        for start in range(0, len(data), 512)
        if data[start + 25] == type and data[start + 20 : start + 22] != bytes(2)
    )


def _value(data: bytes) -> int:
    """Where the first item that lies in other pages is."""
    for start in range(512, len(data), 512):
        entries, _, kind = struct.unpack_from("<HHxB", data, start + 20)
        for offset in struct.unpack_from(f"<{entries}H", data, start + 26) if kind == 13 else ():
            if data[start + offset] == 3:
                return start + offset
    raise AssertionError


def _its_own_next(data: bytes, start: int) -> bytes:
    return _put(data, start + 16, "<I", start // 512)


@pytest.mark.needs("db5.3_load")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d[:511], "cut off"),
        (lambda d: d[:1024], "cut off|lead out of it"),
        (lambda d: _put(d[:512], 20, "<I", 65536), "cut off"),
        (lambda d: _put(d, 72, "<I", 0xFFFFFFFF), "cut off"),
        (lambda d: _put(d, 16, "<I", 7), "version 8, 9 or 10"),
        (lambda d: _put(d, 25, "B", 9), "version 8, 9 or 10"),
        (lambda d: _put(d, 24, "B", 1), "encrypted"),
        (lambda d: _put(d, 20, "<I", 0), "have 0 bytes"),
        (lambda d: _put(d, 20, "<I", 513), "have 513 bytes"),
        (lambda d: _put(d, 96, "<I", 0xFFFFFFF0), "lead out of it"),
        # Chains of buckets and of long values that never end, or meet.
        (lambda d: _its_own_next(d, _page(d, 13)), "in circles"),
        (lambda d: _its_own_next(d, _page(d, 7)), "in circles"),
        (lambda d: _put(d, _page(d, 13) + 16, "<I", _page(d, 7) // 512), "in circles|none of a"),
        (lambda d: _put(d, _value(d) + 4, "<I", _page(d, 13) // 512), "in circles|no part"),
        (lambda d: _put(d, _value(d) + 4, "<I", 0), "not as long"),
        (lambda d: _put(d, _value(d) + 8, "<I", 0xFFFFFFFF), "not as long"),
        (lambda d: _put(d, _page(d, 7) + 22, "<H", 487), "no part of a long value"),
        (lambda d: _put(d, _page(d, 7) + 8, "<I", 1), "the number of another"),
        (lambda d: _put(d, _page(d, 13) + 20, "<H", 3), "too many entries"),
        (lambda d: _put(d, _page(d, 13) + 20, "<H", 0xFFFE), "too many entries"),
        (lambda d: _put(d, _page(d, 13) + 26, "<H", 512), "outside of its page"),
        (lambda d: _put(d, _page(d, 13) + 26, "<H", 26), "outside of its page"),
        (lambda d: _put(d, _page(d, 13) + 28, "<H", 511), "outside of its page"),
        (lambda d: _put(d, _value(d), "B", 4), "of no kind"),
    ],
)
def test_hostile_berkeley_dbs(
    berkeley: bytes, change: Callable[[bytes], bytes], reason: str
) -> None:
    assert sorted(rpm(berkeley)) == [("a", "1", ""), ("b", "2", "")]
    with pytest.raises(ValueError, match=reason):
        list(rpm(change(berkeley)))


@pytest.mark.needs("db5.3_load")
def test_other_berkeley_dbs() -> None:
    item = {b"\1\0\0\0": rpm_of("a", "1")}
    assert len(list(rpm(berkeley_hash(item, *_LITTLE)))) == 1
    for settings, kind, reason in (
        ((*_LITTLE, "chksum=1"), "hash", "has checksums"),
        (_LITTLE, "btree", "no hash of Berkeley DB"),
    ):
        with pytest.raises(ValueError, match=reason):
            list(rpm(berkeley_hash(item, *settings, type=kind)))
