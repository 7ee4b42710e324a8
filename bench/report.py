"""Figures as a Markdown table, and beside those of another session."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any, NamedTuple

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
_SHOWN_LETTERS = 160
_PULL = "pull "


class Line(NamedTuple):
    """One row of a table: what was measured, and every figure by contestant."""

    name: str
    unit: str  # "s" or "bytes"
    values: dict[str, list[float]]


def lines_of(figures: dict[str, Any]) -> list[Line]:
    """All rows; a pull also tells its disk and its memory."""
    lines = []
    for name, by_name in figures["rows"].items():
        lines.append(Line(name, "s", _values(by_name, "seconds")))
        if name.startswith(_PULL):
            disk, peak = _values(by_name, "disk_bytes"), _values(by_name, "peak_bytes")
            lines.append(Line(f"disk after {name}", "bytes", disk))
            lines.append(Line(f"peak memory of {name}", "bytes", peak))
    return lines


def _values(by_name: dict[str, Any], kind: str) -> dict[str, list[float]]:
    return {who: row[kind] for who, row in by_name.items()}


def amount(value: float, unit: str) -> str:
    """A figure in digits that can be told apart."""
    if unit == "bytes":
        return f"{value / 1e6:.0f} MB"
    if value < 0.1:
        return f"{value * 1e3:.1f} ms"
    return f"{value * 1e3:.0f} ms" if value < 1 else f"{value:.2f} s"


def _spread(values: list[float], unit: str) -> str:
    middle = amount(statistics.median(values), unit)
    low, high = amount(min(values), unit), amount(max(values), unit)
    return middle if low == high else f"{middle} ({low} to {high})"


def _cell(line: Line, who: str, first: str) -> str:
    if who not in line.values:
        return ""
    shown = _spread(line.values[who], line.unit)
    if who == first or first not in line.values:
        return shown
    return f"{shown}, {_ratio(line.values[who], line.values[first])}x"


def _ratio(values: list[float], to: list[float]) -> str:
    base = statistics.median(to)
    if not base:
        return "-"
    ratio = statistics.median(values) / base
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"


def table(figures: dict[str, Any]) -> str:
    """Rows by engines, with medians, spreads and ratios to the first; in the last column what does
    a part of the work only. Below it who failed."""
    lines = lines_of(figures)
    everyone = dict.fromkeys(who for line in lines for who in line.values)
    engines = [who for who in everyone if who not in figures["limits"]]
    limits = [who for who in everyone if who in figures["limits"]]
    first = engines[0] if engines else ""
    head = ["", *engines, *(["parts of the work"] if limits else [])]
    text = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for line in lines:
        cells = [line.name, *(_cell(line, who, first) for who in engines)]
        parts = [f"{who} {_cell(line, who, first)}" for who in limits if who in line.values]
        text.append(f"| {' | '.join([*cells, *(['; '.join(parts)] if limits else [])])} |")
    for what, why in figures["failures"].items():
        text.append(f"\nFailed: {what}: {' '.join(why.split())[:_SHOWN_LETTERS]}")
    return "\n".join(text) + "\n"


def replace_between_marks(page: Path, text: str) -> None:
    """Puts `text` between the marks of a page, which must have them once, in order."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"bench: {page} has no place between {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}")


def compare(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Each figure of two sessions, the new one as a share of the old, and whether that is more than
    the spread of both."""
    before = {line.name: line for line in lines_of(old)}
    text = ["| | | old | new | new / old | |", "|---|---|---|---|---|---|"]
    for line in lines_of(new):
        for who, values in line.values.items():
            was = before[line.name].values.get(who) if line.name in before else None
            if not was:
                continue
            apart = max(values) < min(was) or min(values) > max(was)
            shown = f"{_spread(was, line.unit)} | {_spread(values, line.unit)}"
            verdict = "" if apart else "within the spread"
            text.append(f"| {line.name} | {who} | {shown} | {_ratio(values, was)} | {verdict} |")
    return "\n".join(text) + "\n"
