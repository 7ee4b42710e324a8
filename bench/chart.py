"""Figures as a chart: horizontal bars, a group for each row, as SVG text."""

from __future__ import annotations

import statistics
from html import escape
from typing import Any

from .report import amount, lines_of

_BAR_WIDTH, _BAR_HEIGHT, _LABEL_WIDTH = 420, 14, 230
# Legible on light and dark pages.
_STYLE = (
    "text{font:11px sans-serif;fill:#57606a}@media(prefers-color-scheme:dark){text{fill:#b1bac4}}"
)


def chart(figures: dict[str, Any]) -> str:
    """The medians; the longest bar of each group has the whole width."""
    parts: list[str] = []
    y = 20
    for line in lines_of(figures):
        medians = {who: statistics.median(values) for who, values in line.values.items()}
        longest = max(medians.values()) or 1.0
        parts.append(f'<text x="0" y="{y}" font-weight="bold">{escape(line.name)}</text>')
        y += 8
        for who, median in medians.items():
            parts.append(_bar(who, median / longest, amount(median, line.unit), y))
            y += _BAR_HEIGHT
        y += 22
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LABEL_WIDTH + _BAR_WIDTH + 90} '
        f'{y}"><style>{_STYLE}</style>{"".join(parts)}</svg>\n'
    )


def _bar(who: str, share: float, shown: str, y: int) -> str:
    width = max(1.0, share * _BAR_WIDTH)
    colour = "#2a9d5c" if who.startswith("fastlayers") else "#8892a0"
    base = y + _BAR_HEIGHT - 3
    return (
        f'<text x="8" y="{base}">{escape(who)}</text>'
        f'<rect x="{_LABEL_WIDTH}" y="{y}" width="{width:.1f}" height="{_BAR_HEIGHT - 3}" '
        f'fill="{colour}"/><text x="{_LABEL_WIDTH + width + 6:.1f}" y="{base}">{shown}</text>'
    )
