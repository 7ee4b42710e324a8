"""bsdtar: extracts the layers one after the other, without hashing or whiteouts: a lower bound for
engines that make a file of every entry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..images import BenchImage
from ..measure import Cost, run
from .base import Contestant


class Bsdtar(Contestant):
    name = "bsdtar -x"
    program = "bsdtar"

    def load(self, image: BenchImage, work: Path) -> Cost:
        root = work / "root"
        root.mkdir()
        costs = [run(["bsdtar", "-xpf", layer, "-C", root]) for layer in image.layers]
        return Cost(
            sum(cost.seconds for cost in costs),
            sum(cost.cpu_seconds for cost in costs),
            max(cost.peak_bytes for cost in costs),
            b"",
        )

    @contextmanager
    def tree(self, work: Path) -> Iterator[Path]:
        yield work / "root"
