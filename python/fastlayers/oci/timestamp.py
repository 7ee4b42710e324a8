"""Points in time as the documents write them: RFC 3339 in UTC, nanoseconds where they are not 0."""

from __future__ import annotations

import os
import time

from fastlayers.errors import InvalidError

ZERO = "0001-01-01T00:00:00Z"
_BILLION = 1_000_000_000
_LATEST_SECOND = 253402300799  # the end of the year 9999


def from_ns(ns: int) -> str:
    """Nanoseconds since 1970 as text."""
    seconds, rest = divmod(ns, _BILLION)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    t = time.gmtime(seconds)
    return (
        f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d}"
        f"T{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}{fraction}Z"
    )


def now() -> str:
    """This instant, whatever SOURCE_DATE_EPOCH says."""
    return from_ns(time.time_ns())


def source_date_epoch() -> int | None:
    """The seconds that SOURCE_DATE_EPOCH asks builds to claim, if it is set."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or int(text[:13]) > _LATEST_SECOND:
        raise InvalidError(f"SOURCE_DATE_EPOCH is not a number of seconds: {text[:40]!r}")
    return int(text)


def creation_time() -> str:
    """What a new image says of its birth: now, unless SOURCE_DATE_EPOCH is set."""
    epoch = source_date_epoch()
    return now() if epoch is None else from_ns(epoch * _BILLION)


def to_ns(text: str) -> int | None:
    """Nanoseconds since 1970 of an RFC 3339 text; None if it is none, or is the zero time."""
    if text == ZERO:
        return None
    try:
        return _parse(text)
    except ValueError:
        return None


def _parse(text: str) -> int:
    date, clock = text[:10], text[11:]
    if len(text) < 20 or text[10] not in "Tt " or not text.isascii():
        raise ValueError(text)
    if clock[-1] in "Zz":
        clock, offset = clock[:-1], 0
    else:
        sign, zone, clock = clock[-6], clock[-5:], clock[:-6]
        if sign not in "+-" or zone[2] != ":":
            raise ValueError(text)
        offset = (_number(zone[:2], 23) * 60 + _number(zone[3:], 59)) * 60
        offset = -offset if sign == "-" else offset
    whole, dot, fraction = clock.partition(".")
    if len(whole) != 8 or whole[2] + whole[5] != "::" or date[4] + date[7] != "--":
        raise ValueError(text)
    seconds = _days(_number(date[:4], 9999), _number(date[5:7], 12), _number(date[8:], 31)) * 86400
    seconds += _number(whole[:2], 23) * 3600 + _number(whole[3:5], 59) * 60 + _number(whole[6:], 60)
    nanoseconds = _number(fraction[:9].ljust(9, "0"), _BILLION) if dot else 0
    return (seconds - offset) * _BILLION + nanoseconds


def _number(text: str, largest: int) -> int:
    if not text.isdigit() or int(text) > largest:
        raise ValueError(text)
    return int(text)


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970 in the proleptic Gregorian calendar."""
    if month < 1 or day < 1:
        raise ValueError("month and day count from 1")
    # Years begin in March here, so the leap day is a year's last.
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    leap_days = year_of_era // 4 - year_of_era // 100
    return era * 146097 + year_of_era * 365 + leap_days + day_of_year - 719468
