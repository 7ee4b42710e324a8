"""HEALTHCHECK: how to ask a container whether it is well, as Docker stores it."""

from __future__ import annotations

from fastlayers.errors import InvalidError
from fastlayers.oci.go_value import parse_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fastlayers.oci.fields import Json

_SHORTEST_NS = 1_000_000
_DURATIONS = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}


def parse(rest: str, json_list: Callable[[str], list[str] | None]) -> Json:
    """Reads what stands behind HEALTHCHECK: NONE, or options and CMD with either form."""
    document: Json = {}
    while rest.startswith("--"):
        option, _, rest = rest.partition(" ")
        rest = rest.lstrip()
        name, _, value = option[2:].partition("=")
        if name in _DURATIONS:
            document[_DURATIONS[name]] = _duration(name, value)
        elif name == "retries":
            document["Retries"] = _retries(value)
        else:
            raise InvalidError(f"unknown flag: {name[:40]} (HEALTHCHECK)")
    kind, _, command = rest.partition(" ")
    command = command.strip()
    if kind.upper() == "NONE":
        if command or document:
            raise InvalidError("HEALTHCHECK NONE takes no arguments")
        return {"Test": ["NONE"]}
    if kind.upper() != "CMD":
        raise InvalidError(f"unknown type {kind[:40]!r} in HEALTHCHECK (try CMD)")
    if not command:
        raise InvalidError("missing command after HEALTHCHECK CMD")
    words = json_list(command)
    document["Test"] = ["CMD-SHELL", command] if words is None else ["CMD", *words]
    return document


def _retries(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidError(
            f"--retries of HEALTHCHECK must be a number that is not negative: {text[:40]!r}"
        )
    return int(text)


def _duration(name: str, text: str) -> int:
    """Nanoseconds of a duration such as 1m30s, 1.5s or 0."""
    total = parse_duration(text)
    if total is None:
        raise InvalidError(f"--{name} of HEALTHCHECK is not a duration: {text[:40]!r}")
    if 0 < total < _SHORTEST_NS:
        raise InvalidError(f"--{name} of HEALTHCHECK cannot be less than 1ms: {text[:40]!r}")
    return total
