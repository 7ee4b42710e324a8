"""fastlayers itself, by its command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..images import NAME, BenchImage
from ..measure import Cost, run
from .base import Contestant


class Fastlayers(Contestant):
    """One of the two backends."""

    program = str(Path(sys.executable).with_name("fastlayers"))

    def __init__(self, backend: str) -> None:
        self.name = f"fastlayers {backend}"
        self._backend = backend

    def _command(self, work: Path, *words: str | Path) -> list[str | Path]:
        return [
            *(self.program, "--root", work / "store", "--backend", self._backend),
            *words,
        ]

    def load(self, image: BenchImage, work: Path) -> Cost:
        return run(self._command(work, "load", "-i", image.layout))

    @contextmanager
    def tree(self, work: Path) -> Iterator[Path]:
        target = work / "mnt"
        target.mkdir()
        run(self._command(work, "mount", NAME, target))
        try:
            yield target
        finally:
            run(self._command(work, "umount", target))

    def run(self, work: Path) -> Cost:
        return run(self._command(work, "run", "--rm", NAME, "/bin/true"))
