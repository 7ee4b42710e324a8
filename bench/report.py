"""Figures as a Markdown table, as a chart, and beside those of another session."""

from __future__ import annotations

import statistics
from html import escape
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
_BAR_WIDTH, _BAR_HEIGHT, _LABEL_WIDTH = 420, 14, 230


def _median(row: dict[str, Any]) -> float:
    return statistics.median(row["seconds"])


def _value(name: str, row: dict[str, Any]) -> str:
    middle = _median(row)
    if name.startswith("disk"):
        return f"{middle / 1e6:.0f} MB"
    low, high = min(row["seconds"]), max(row["seconds"])
    if middle < 1:
        return f"{middle * 1e3:.0f} ms ({low * 1e3:.0f} to {high * 1e3:.0f})"
    return f"{middle:.2f} s ({low:.2f} to {high:.2f})"


def table(figures: dict[str, Any]) -> str:
    """Medians with the spread, and ratios to the first contestant of each row."""
    lines = ["| | | median (spread) | ratio | peak memory |", "|---|---|---|---|---|"]
    for name, by_name in figures["rows"].items():
        first = _median(next(iter(by_name.values())))
        for number, (who, row) in enumerate(by_name.items()):
            peak = f"{row['peak_bytes'] / 1e6:.0f} MB" if name.startswith("pull") else ""
            ratio = f"{_median(row) / first:.2f}" if first else ""
            label = name if number == 0 else ""
            lines.append(f"| {label} | {who} | {_value(name, row)} | {ratio} | {peak} |")
    for what, why in figures["failures"].items():
        lines.append(f"| {what} | failed | {escape(why.splitlines()[-1][:120])} | | |")
    return "\n".join(lines) + "\n"


def chart(figures: dict[str, Any]) -> str:
    """Horizontal bars, a group for each row, as SVG; legible on light and dark pages."""
    parts: list[str] = []
    y = 20
    for name, by_name in figures["rows"].items():
        longest = max(_median(row) for row in by_name.values()) or 1.0
        parts.append(f'<text x="0" y="{y}" font-weight="bold">{escape(name)}</text>')
        y += 8
        for who, row in by_name.items():
            width = max(1.0, _median(row) / longest * _BAR_WIDTH)
            colour = "#2a9d5c" if who.startswith("fastlayers") else "#8892a0"
            middle = y + _BAR_HEIGHT - 3
            parts.append(
                f'<text x="8" y="{middle}">{escape(who)}</text>'
                f'<rect x="{_LABEL_WIDTH}" y="{y}" width="{width:.1f}" height="{_BAR_HEIGHT - 3}" '
                f'fill="{colour}"/><text x="{_LABEL_WIDTH + width + 6:.1f}" y="{middle}">'
                f"{_value(name, row).partition(' (')[0]}</text>"
            )
            y += _BAR_HEIGHT
        y += 22
    style = (
        "text{font:11px sans-serif;fill:#57606a}"
        "@media(prefers-color-scheme:dark){text{fill:#b1bac4}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LABEL_WIDTH + _BAR_WIDTH + 90} '
        f'{y}"><style>{style}</style>{"".join(parts)}</svg>\n'
    )


def replace_between_marks(page: Path, text: str) -> None:
    """Puts `text` between the marks of a page, which must have them once, in order."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"bench: {page} has no place between {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}")


def compare(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Each figure of two sessions, and the new one as a share of the old."""
    lines = ["| | | old | new | new / old |", "|---|---|---|---|---|"]
    for name, by_name in new["rows"].items():
        for who, row in by_name.items():
            before = old["rows"].get(name, {}).get(who)
            if before is None or not _median(before):
                continue
            share = _median(row) / _median(before)
            shown = f"{_value(name, before)} | {_value(name, row)} | {share:.2f}"
            lines.append(f"| {name} | {who} | {shown} |")
    return "\n".join(lines) + "\n"
