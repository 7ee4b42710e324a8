"""Files of package managers: random bytes break nothing, random packages are told apart."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers import analysis
from fastlayers.analysis import package_format, rpm_database
from tests import package_files, stack_image
from tests.effort import examples
from tests.package_files import (
    ARCH,
    EPOCH,
    NAME,
    NDB_OF_RPM,
    RELEASE,
    VERSION,
    berkeley_db,
    database,
    ndb,
    npm,
    rpm_header,
    rpm_of,
)

_REAL = (
    b"Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: b\n",
    b"P:a\nV:1\n\nP:b\n",
    b'{"name": "a", "version": "1"}',
    rpm_header((NAME, "a"), (1003, 5), (1001, "1")),
    database(blobs=(rpm_of("a", "1"), rpm_of("b", "2"))),
    NDB_OF_RPM,
)
_PARSERS = (
    package_format.deb, package_format.pypi, package_format.apk, package_format.npm,
    rpm_database.rpm, lambda data: [rpm_database.parse_header(data)],
)  # fmt: skip


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(_REAL)))
    for _ in range(draw(st.integers(0, 6))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))]) if draw(st.booleans()) else bytes(data)


@examples(200)
@given(_damaged() | st.binary(max_size=200), st.sampled_from(_PARSERS))
def test_damage_is_a_value_error_or_nothing(data: bytes, parser: object) -> None:
    _told_or_refused(data, parser)


def _told_or_refused(data: bytes, parser: object = rpm_database.rpm) -> None:
    try:
        found = list(parser(data))  # type: ignore[operator]
    except ValueError:
        return
    assert all(len(told) == 3 and all(isinstance(text, str) for text in told) for told in found)


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)
_RPM_HEADER = st.builds(
    lambda name, version, release, epochs, architecture, filling: rpm_header(
        (NAME, name), (VERSION, version), (RELEASE, release),
        *((EPOCH, epoch) for epoch in epochs), (ARCH, architecture), (7000, "x" * filling),
    ),
    _TEXT.filter(bool), _TEXT, _TEXT, st.lists(st.integers(0, 0xFFFFFFFF), max_size=1), _TEXT,
    st.integers(0, 99) | st.integers(0, 9999),
)  # fmt: skip
_ORDERS: st.SearchStrategy[Literal["little", "big"]] = st.sampled_from(["little", "big"])


@pytest.mark.needs("db5.3_load")
@examples(60)
@given(st.lists(_RPM_HEADER, max_size=40), _ORDERS, st.sampled_from([512 << n for n in range(8)]))
def test_all_databases_of_rpm_say_the_same(
    headers: list[bytes], order: Literal["little", "big"], page_size: int
) -> None:
    of_sqlite = Counter(rpm_database.rpm(database(blobs=tuple(headers))))
    assert Counter(rpm_database.rpm(ndb(*headers))) == of_sqlite
    berkeley = berkeley_db(*headers, order=order, page_size=page_size)
    assert Counter(rpm_database.rpm(berkeley)) == of_sqlite


@cache
def _small_berkeley_dbs() -> tuple[bytes, ...]:
    headers = [rpm_header((NAME, f"p{n}"), (7000, "x" * n * 99)) for n in range(12)]
    return berkeley_db(*headers, page_size=512), berkeley_db(*headers, order="big", page_size=512)


@pytest.mark.needs("db5.3_load")
@examples(300)
@given(st.data())
def test_damage_of_berkeley_dbs(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(_small_berkeley_dbs()))
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        # In the first bytes of a page, where all is that leads elsewhere, or anywhere.
        offset = data.draw(st.integers(0, 60) | st.integers(0, 511))
        page = data.draw(st.integers(0, len(whole) // 512 - 1))
        changed[page * 512 + offset] = data.draw(st.integers(0, 255))
    _told_or_refused(bytes(changed[: data.draw(st.integers(0, len(whole)) | st.none())]))


_NAMES = st.sampled_from("abc")
_SIDE = st.dictionaries(
    st.tuples(st.sampled_from(["", "x/", "y/"]), _NAMES), st.sampled_from("12"), max_size=6
)
_RPMS = st.lists(st.tuples(_NAMES, st.sampled_from("12")), max_size=4)


@examples(40)
@given(_SIDE, _SIDE, _RPMS, _RPMS)
def test_what_differs(
    memory_store: str,
    old: dict[tuple[str, str], str],
    new: dict[tuple[str, str], str],
    old_rpms: list[tuple[str, str]],
    new_rpms: list[tuple[str, str]],
) -> None:
    counts, images = [], []
    for name, side, rpms in (("old:1", old, old_rpms), ("new:1", new, new_rpms)):
        blobs = tuple(rpm_of(*each) for each in rpms)
        rpmdb = package_files.written("var/lib/rpm/rpmdb.sqlite", database(blobs=blobs))
        members = [npm(folder, of, version) for (folder, of), version in side.items()]
        images.append(stack_image.loaded(memory_store, [[rpmdb, *members]], name))
        counts.append(
            Counter(("npm", of, version) for (_, of), version in side.items())
            + Counter(("rpm", of, f"{version}-1") for of, version in rpms)
        )
        found = analysis.find_packages(images[-1]).packages
        assert Counter((p.type, p.name, p.version) for p in found) == counts[-1]
    told: tuple[Counter[tuple[str, str, str]], ...] = (Counter(), Counter())
    for difference in analysis.compare(*images).packages:
        assert difference.old or difference.new
        for side_of, copies in enumerate((difference.old, difference.new)):
            told[side_of].update((p.type, p.name, p.version) for p in copies)
            assert {(p.type, p.name) for p in copies} <= {(difference.type, difference.name)}
    assert told == (counts[0] - counts[1], counts[1] - counts[0])
