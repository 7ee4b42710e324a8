"""Signals as images and people name them: TERM, SIGTERM, 15, RTMIN+3."""

from __future__ import annotations

from fastlayers.errors import InvalidError


def signal_number(text: str) -> int:
    """The number of a signal on this machine; InvalidError if there is none of that name."""
    import signal

    name = text.upper().removeprefix("SIG")
    number = 0
    if _is_number(name):
        number = int(name)
    elif name.startswith("RTMIN+") and _is_number(name[6:]):
        number = int(signal.SIGRTMIN) + int(name[6:])
    elif name.startswith("RTMAX-") and _is_number(name[6:]):
        number = int(signal.SIGRTMAX) - int(name[6:])
    elif f"SIG{name}" in signal.Signals.__members__:
        number = int(signal.Signals[f"SIG{name}"])
    if number not in signal.valid_signals():
        raise InvalidError(f"invalid signal: {text[:40]}")
    return number


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 4
