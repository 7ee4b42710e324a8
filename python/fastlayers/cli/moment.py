"""Points in time: read as they stand in image configs, written as docker writes them."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from fastlayers.cli.human import duration

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
