"""`run --rm IMAGE true`, and what of it is not the interpreter's own start."""

from __future__ import annotations

import sys
from pathlib import Path

from ..contestants import Contestant
from ..measure import Cost, run


def interpreter() -> Cost:
    """The start and end of the Python interpreter alone."""
    return run([sys.executable, "-c", "pass"])


def measure(contestant: Contestant, work: Path) -> Cost | None:
    """On a store that load() has filled."""
    return contestant.run(work)
