"""Rows of results, and how they are printed: one line per backend, one per case of interest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One case on one backend. `result` is first, allowed, wrong or crash."""

    backend: str
    case: str
    result: str
    reasons: tuple[str, ...] = ()


def summary(rows: Iterable[Row]) -> str:
    """The table: how many cases of each backend met what."""
    count: dict[str, Counter[str]] = {}
    for row in rows:
        count.setdefault(row.backend, Counter())[row.result] += 1
    head = f"{'backend':<12}{'first':>7}{'allowed':>9}{'wrong':>7}{'crash':>7}{'of':>6}"
    lines = [head]
    for backend, results in count.items():
        cells = "".join(
            f"{results[key]:>{width}}"
            for key, width in (("first", 7), ("allowed", 9), ("wrong", 7), ("crash", 7))
        )
        lines.append(f"{backend:<12}{cells}{results.total():>6}")
    return "\n".join(lines)


def details(rows: Iterable[Row]) -> str:
    """Every case that did not meet its first expectation, with the reasons."""
    lines = []
    for row in rows:
        if row.result != "first":
            lines.append(f"{row.backend}: {row.case}: {row.result}")
            lines += [f"    {reason}" for reason in row.reasons[:8]]
    return "\n".join(lines)
