"""Verbs that take several names: each is tried, whatever became of the others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from fastlayers.cli import one_line
from fastlayers.errors import FastlayersError


def each(names: Iterable[str], act: Callable[[str], object]) -> list[str]:
    """Calls `act` with each name; prints its error, and returns the names that had one."""
    failed = []
    for name in names:
        try:
            act(name)
        except FastlayersError as error:
            sys.stdout.flush()
            print(f"Error: {one_line(str(error))}", file=sys.stderr, flush=True)
            failed.append(name)
    return failed
