"""Points in time: read as they stand in image configs, written as docker writes them."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from fastlayers.cli.human import duration
from fastlayers.oci.go_value import parse_duration
from fastlayers.oci.timestamp import to_ns

_BILLION = 1_000_000_000
_DIGITS = 9  # of a fraction of a second
_LONGEST_SECONDS = 12
_NEVER = "0001-01-01T00:00:00Z"


def parse(text: str | None) -> float | None:
    """Seconds since 1970 of an RFC 3339 time; None for Go's zero time and for what is no time."""
    if not text or text == _NEVER:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def point_ns(text: str) -> int | None:
    """Nanoseconds since 1970 of a time as --since and --until take it: RFC 3339 with or without its
    zone, a date alone, seconds since 1970, or how long ago ("1h30m"); None for what is none."""
    whole, dot, part = text.partition(".")
    if whole.isdecimal() and whole.isascii() and len(whole) <= _LONGEST_SECONDS:
        if not dot:
            return int(whole) * _BILLION
        if part.isdecimal() and part.isascii() and len(part) <= _DIGITS:
            return int(whole) * _BILLION + int(part.ljust(_DIGITS, "0"))
    ago = parse_duration(text)
    if ago is not None:
        return time.time_ns() - ago
    exact = to_ns(text)
    if exact is not None:
        return exact
    seconds = parse(text)
    return None if seconds is None else int(seconds * _BILLION)


def since(moment: float | None) -> str:
    """ "5 weeks ago", or "N/A"."""
    if moment is None or moment <= 0:
        return "N/A"
    return f"{span(moment)} ago"


def span(moment: float) -> str:
    """ "5 weeks": from `moment` to now."""
    return duration(time.time() - moment)


def listed(moment: float | None) -> str:
    """ "2024-05-01 10:20:30 +0000 UTC", in the zone of this machine; the form lists have."""
    local = _local(moment)
    return "N/A" if local is None else local.strftime("%Y-%m-%d %H:%M:%S %z %Z")


def rfc3339(moment: float | None) -> str:
    """ "2024-05-01T10:20:30Z", in the zone of this machine."""
    local = _local(moment)
    if local is None:
        return _NEVER
    return local.isoformat(timespec="seconds").replace("+00:00", "Z")


def _local(moment: float | None) -> datetime | None:
    if moment is None:
        return None
    try:
        return datetime.fromtimestamp(int(moment), UTC).astimezone()
    except (ValueError, OverflowError, OSError):
        return None
