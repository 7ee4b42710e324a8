"""Sizes and times are worded as docker words them (measured on docker 28)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers.cli import human, moment


@pytest.mark.parametrize(
    ("count", "short", "long"),
    [
        (0, "0B", "0B"),
        (13, "13B", "13B"),
        (999, "999B", "999B"),
        (1000, "1kB", "1kB"),
        (1001, "1kB", "1.001kB"),
        (99949, "99.9kB", "99.95kB"),
        (999499, "999kB", "999.5kB"),
        (999999, "1e+03kB", "1000kB"),
        (1_000_000, "1MB", "1MB"),
        (1234567, "1.23MB", "1.235MB"),
        (12345678, "12.3MB", "12.35MB"),
        (126_000_000, "126MB", "126MB"),
        (1_234_567_890, "1.23GB", "1.235GB"),
        (10**12, "1TB", "1TB"),
        (3 * 10**15, "3PB", "3PB"),
    ],
)
def test_sizes(count: int, short: str, long: str) -> None:
    assert human.size(count) == short
    assert human.size(count, 4) == long


def test_memory_is_binary() -> None:
    assert human.binary_size(123456789) == "117.7MiB"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (3, "3 seconds"),
        (59.9, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (5399, "About an hour"),
        (5400, "2 hours"),
        (86400, "24 hours"),
        (170900, "47 hours"),
        (172800, "2 days"),
        (1207700, "13 days"),
        (1209600, "2 weeks"),
        (86400 * 37, "5 weeks"),
        (5097600, "8 weeks"),
        (5184000, "2 months"),
        (63070100, "24 months"),
        (63072000, "2 years"),
        (315360000, "10 years"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert human.duration(seconds) == text


def test_shortened_text_ends_with_an_ellipsis() -> None:
    assert human.shorten("x" * 45, 45) == "x" * 45
    assert human.shorten("x" * 46, 45) == "x" * 44 + "…"
    assert human.shorten("héllo", 3) == "hé…"
    assert human.shorten("ab", 1) == "a"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("2024-05-01T10:20:30Z", 1714558830.0),
        ("2024-05-01T10:20:30.123456789Z", 1714558830.123456),
        ("2024-05-01T12:20:30+02:00", 1714558830.0),
        ("2024-05-01T10:20:30", 1714558830.0),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
        ("yesterday", None),
        ("2024-13-01T00:00:00Z", None),
    ],
)
def test_times_are_read(text: str | None, seconds: float | None) -> None:
    assert moment.parse(text) == seconds


def test_no_time_is_said_as_docker_says_it() -> None:
    assert moment.since(None) == moment.since(0.0) == "N/A"
    assert moment.rfc3339(None) == "0001-01-01T00:00:00Z"


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text: str) -> None:
    moment.since(moment.parse(text))
    moment.listed(moment.parse(text))
    moment.rfc3339(moment.parse(text))


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("0.5", 500_000_000),
        ("1719835200.000000001", 1719835200_000000001),
        ("2024-07-01T12:00:00Z", 1719835200_000000000),
        ("2024-07-01T14:00:00.25+02:00", 1719835200_250000000),
        ("2024-07-01T12:00:00", 1719835200_000000000),
        ("2024-07-01", 1719792000_000000000),
        ("yesterday", None),
        ("", None),
        ("1.2.3", None),
        ("-5m", None),
        ("5x", None),
        ("h", None),
        ("5", 5_000_000_000),
        ("1e3", None),
    ],
)
def test_points_in_time_as_flags_take_them(text: str, ns: int | None) -> None:
    assert moment.point_ns(text) == ns


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("1h30m", 5400), ("1.5h", 5400), (".5s1ms", 0.501), ("0s", 0)],
)
def test_how_long_ago_is_a_point_in_time_too(text: str, seconds: float) -> None:
    before = time.time_ns()
    found = moment.point_ns(text)
    assert found is not None
    assert before <= found + round(seconds * 1e9) <= time.time_ns()
