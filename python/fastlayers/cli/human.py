"""Sizes and times as docker words them: "126MB", "5 weeks", "About a minute"."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")


class Bytes(int):
    """A number of bytes in a row of a list: "126MB" in a table, the number itself in JSON."""

    def __str__(self) -> str:
        return size(self)


def size(count: int, digits: int = 3) -> str:
    """A number of bytes in powers of 1000, with `digits` significant digits."""
    return _scaled(count, 1000, _UNITS, digits)


def binary_size(count: int) -> str:
    """A number of bytes in powers of 1024, with 4 significant digits."""
    return _scaled(count, 1024, _BINARY_UNITS, 4)


def _scaled(count: int, base: int, units: tuple[str, ...], digits: int) -> str:
    value = float(count)
    unit = 0
    while value >= base and unit < len(units) - 1:
        value /= base
        unit += 1
    return f"{value:.{digits}g}{units[unit]}"


def duration(seconds: float) -> str:
    """A span of time, roughly: the largest unit that makes sense."""
    whole = int(seconds)
    minutes = whole // 60
    hours = int(seconds / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{int(seconds / 3600) // 24 // 365} years"


def shorten(text: str, width: int) -> str:
    """At most `width` letters, the last of them "…" where some are left out."""
    if len(text) <= width:
        return text
    return text[: width - 1] + "…" if width > 1 else text[:width]


def parse_size(text: str) -> int | None:
    """The bytes that "20MB", "20MiB", "20M" or "20" stand for: kB, MB, ... are powers of 1000, the
    rest of 1024. None if it is no size."""
    digits = text.rstrip("BKMGTPEZYbkmgtpezyi")
    unit = text[len(digits) :].lower()
    powers = {name.lower(): 1000**n for n, name in enumerate(_UNITS)}
    powers.update({name.lower(): 1024**n for n, name in enumerate(_BINARY_UNITS)})
    powers.update({name[:1].lower(): 1024**n for n, name in enumerate(_BINARY_UNITS) if n})
    number = digits.strip()
    if not number.replace(".", "", 1).isdecimal() or not number.isascii():
        return None
    if unit not in powers and unit:
        return None
    return int(float(number) * powers.get(unit, 1))
