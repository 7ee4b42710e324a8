"""The Python interpreter, starting and ending: what any command written in Python takes."""

from __future__ import annotations

import sys

from ..measure import Cost, run
from .base import Contestant, Unable


class Interpreter(Contestant):
    name = "python -c pass"
    program = sys.executable
    is_engine = False
    rows = ("run --rm true",)

    def run(self, reference: str, command: list[str], name: str = "") -> Cost:
        if name:
            raise Unable
        return run([sys.executable, "-c", "pass"])
