"""Values as Go writes them (strconv.ParseBool, time.ParseDuration): Docker's flags, filters and
documents have them in that form."""

from __future__ import annotations

_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("0", "f", "F", "false", "False", "FALSE"), False),
}
_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_LONGEST_NS = (1 << 63) - 1
_LONGEST_TEXT = 60


def parse_bool(text: str) -> bool | None:
    """None for what is neither."""
    return _BOOLEANS.get(text)


def parse_duration(text: str) -> int | None:
    """Nanoseconds of a duration that is not negative, such as "1m30s", "1.5s" or "0"; None for what
    is none."""
    if text == "0":
        return 0
    if not (0 < len(text) <= _LONGEST_TEXT):
        return None
    total = 0
    while text:
        rest = text.lstrip("0123456789.")
        number = text[: len(text) - len(rest)]
        after = rest.lstrip("".join(_UNITS_NS))
        unit = rest[: len(rest) - len(after)]
        whole, _, fraction = number.partition(".")
        if unit not in _UNITS_NS or not (whole or fraction) or "." in fraction:
            return None
        scaled = int((whole or "0") + fraction) * _UNITS_NS[unit]
        total += scaled // 10 ** len(fraction)
        text = after
    return total if total <= _LONGEST_NS else None
