"""--profile: where the time of a command went, printed when it ends.

The parts are counted by the core (cpp/base/profile.hpp says what each one is); this is how they
begin, and how they look.
"""

from __future__ import annotations

import sys

from fastlayers import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    Part = tuple[str, int, int, int]  # name, busy nanoseconds, calls, bytes

_HEAD = ("PART", "BUSY", "CALLS", "BYTES", "RATE")


def begin(spent_ns: int) -> None:
    """Begins to count; `spent_ns` is what the interpreter took to get here."""
    _core.start_profile()
    _core.add_to_profile("interpreter", spent_ns)


def report(form: str) -> None:
    """Ends the counting and prints what it found to stderr, as "text" or "json"."""
    wall_ns, parts = _core.stop_profile()
    text = _json(wall_ns, parts) if form == "json" else _table(wall_ns, parts)
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody reads it, and the command has done its work


def _json(wall_ns: int, parts: list[Part]) -> str:
    from fastlayers.oci import json_text

    keys = ("name", "busy_ns", "calls", "bytes")
    rows = [dict(zip(keys, part, strict=True)) for part in parts]
    return json_text.dumps({"wall_ns": wall_ns, "parts": rows})


def _table(wall_ns: int, parts: list[Part]) -> str:
    """The parts, those that took longest first, and the time on the wall."""
    rows = [_HEAD, *(_row(*part) for part in sorted(parts, key=lambda part: -part[1]))]
    rows.append(("wall", _time(wall_ns), "", "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [_line(row, widths) for row in rows]
    lines.append(
        "(parts run at the same time on several threads: they add up to more than the wall)"
    )
    return "\n".join(lines)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    name, *numbers = row
    cells = [text.rjust(width) for text, width in zip(numbers, widths[1:], strict=True)]
    return "   ".join((name.ljust(widths[0]), *cells)).rstrip()


def _row(name: str, busy_ns: int, calls: int, size: int) -> tuple[str, ...]:
    from fastlayers.cli.human import size as in_words

    rate = f"{in_words(int(size * 1e9 / busy_ns))}/s" if size and busy_ns else ""
    return (name, _time(busy_ns), str(calls), in_words(size) if size else "", rate)


def _time(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.2f} ms"
