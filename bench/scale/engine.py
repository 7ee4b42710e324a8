"""fastlayers with a store of its own, by its command: every step checked, then priced."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ..measure import Cost, run
from ..scenarios.answer import WrongAnswer

IMAGE = "scale"


class Engine:
    """A store in a scratch folder, removed with its containers at the end."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        names = self.call("ps", "-aq").output.split()
        for start in range(0, len(names), 100):
            self.call("rm", "-f", *(name.decode() for name in names[start : start + 100]))
        shutil.rmtree(self.store, ignore_errors=True)

    def call(self, *words: str | Path) -> Cost:
        """One command, which must succeed."""
        return run([sys.executable, "-m", "fastlayers", "--root", self.store, *words])

    def says(self, expected: str, *words: str | Path) -> Cost:
        """One command that must print exactly this."""
        cost = self.call(*words)
        found = cost.output.decode().strip()
        if found != expected:
            raise WrongAnswer(f"{words}: {found!r} instead of {expected!r}")
        return cost

    def in_image(self, expected: str, script: str) -> Cost:
        """A shell script in a container of the image that must print exactly this."""
        return self.says(expected, "run", "--rm", IMAGE, "sh", "-c", script)

    def many(self, *words: str) -> Cost:
        """The helper that runs many containers from one process."""
        return run([sys.executable, Path(__file__).with_name("many.py"), self.store, *words])
