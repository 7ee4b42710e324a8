"""Platforms, points in time, history rows and JSON text."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers.errors import InvalidError, NotFoundError
from fastlayers.oci import json_text, timestamp
from fastlayers.oci.document import MEDIA_OCI_MANIFEST, Descriptor, History, ImageConfig
from fastlayers.oci.history import MISSING, steps
from fastlayers.oci.platform import Platform, select

A = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("Linux/ARM64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/i386", "linux/386"),
        ("arm64", "linux/arm64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
    ],
)
def test_platforms_have_one_spelling(text: str, shown: str) -> None:
    assert str(Platform.parse(text)) == shown


@pytest.mark.parametrize("text", ["", "/", "linux/", "a/b/c/d", "linux/am d", "linux/../x"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        Platform.parse(text)


def entry(platform: str | None, size: int, **more: Any) -> Descriptor:
    return Descriptor(
        more.pop("media_type", MEDIA_OCI_MANIFEST),
        A,
        size,
        platform=Platform.parse(platform) if platform else None,
        **more,
    )


def test_the_best_entry_is_chosen() -> None:
    entries = [
        entry("unknown/unknown", 1, annotations={"vnd.docker.reference.type": "attestation"}),
        entry("linux/arm/v5", 2),
        entry("linux/arm/v6", 3),
        entry("linux/amd64", 4),
        entry("linux/amd64/v3", 5),
        entry("linux/arm64", 6, extra={"artifactType": "application/x"}),
        entry("linux/s390x", 7, media_type="application/x"),
    ]

    def chosen(platform: str) -> int:
        return select(entries, Platform.parse(platform)).size

    assert [chosen(p) for p in ("linux/arm", "linux/arm/v5", "linux/amd64")] == [3, 2, 4]
    assert chosen("linux/amd64/v3") == 5
    assert chosen("linux/amd64/v2") == 4
    for missing in ("linux/arm64", "linux/s390x", "windows/amd64", "unknown/unknown"):
        with pytest.raises(NotFoundError, match="no matching manifest for"):
            chosen(missing)
    assert select([*entries, entry(None, 8)], Platform.parse("linux/riscv64")).size == 8


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(0, 999))
def test_times_round_trip(moment: datetime, nanoseconds: int) -> None:
    seconds = int(moment.replace(microsecond=0, tzinfo=UTC).timestamp())
    ns = seconds * 10**9 + moment.microsecond * 1000 + nanoseconds
    text = timestamp.from_ns(ns)
    assert timestamp.to_ns(text) == ns
    assert text.startswith(moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0"))


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00.5+01:00", 500_000_000),
        ("1969-12-31T23:00:00-01:00", 0),
        (timestamp.ZERO, None),
        ("", None),
        ("yesterday", None),
        ("1970-13-01T00:00:00Z", None),
        ("1970-01-01T24:00:00Z", None),
        ("1970-01-01 00:00", None),
        ("1970-01-01T00:00:00", None),
        ("+970-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:00.x+00:00", None),
    ],
)
def test_times_are_read_as_rfc_3339(text: str, ns: int | None) -> None:
    assert timestamp.to_ns(text) == ns


def test_source_date_epoch_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert timestamp.creation_time() == "1970-01-02T00:00:00Z"
    assert timestamp.now() > "2024"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "-1")
    with pytest.raises(InvalidError, match="SOURCE_DATE_EPOCH"):
        timestamp.creation_time()


def config(*history: History) -> ImageConfig:
    return ImageConfig.build(architecture="amd64", os="linux", created="C", history=history)


def test_history_is_newest_first_and_skips_empty_layers() -> None:
    rows = steps(
        config(History("1", "a"), History("2", "b", empty_layer=True), History("3", "c")),
        [10, 0],
        "ID",
    )
    assert [(row.id, row.created_by, row.size) for row in rows] == [
        ("ID", "c", 0),
        (MISSING, "b", 0),
        (MISSING, "a", 10),
    ]


def test_history_that_is_wrong_is_not_believed() -> None:
    too_many = steps(config(History(created_by="a"), History(created_by="b")), [5], "ID")
    assert [row.size for row in too_many] == [0, 5]
    too_few = steps(config(History(created_by="a")), [5, 6, 7], "ID")
    assert [(row.size, row.created_by) for row in too_few] == [(7, ""), (6, ""), (5, "a")]
    assert steps(config(), [], "ID") == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
)  # fmt: skip


@given(json_values)
def test_json_text_agrees_with_the_standard_module(value: Any) -> None:
    expected = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    assert json_text.dumps(value) == expected
    assert json_text.loads(expected) == value
    assert json_text.loads(f"\n {json.dumps(value, indent=1)}\t") == value


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn\\u \n', max_size=20))
def test_json_text_refuses_what_the_standard_module_refuses(text: str) -> None:
    try:
        expected: Any = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            json_text.loads(text)
    else:
        if expected in (float("inf"), float("-inf")):
            return
        assert json_text.loads(text) == expected


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "", " ", "1 2", "[1,]"])
def test_json_text_refuses_what_is_not_json(text: str) -> None:
    with pytest.raises(ValueError):
        json_text.loads(text)
    with pytest.raises(ValueError):
        json_text.loads(text, dict)
