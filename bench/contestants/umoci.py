"""umoci: unpacks into a bundle; it runs nothing itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..images import NAME, BenchImage
from ..measure import Cost, run
from .base import Contestant


class Umoci(Contestant):
    name = "umoci unpack"
    program = "umoci"

    def load(self, image: BenchImage, work: Path) -> Cost:
        return run(["umoci", "unpack", "--image", f"{image.layout}:{NAME}", work / "bundle"])

    @contextmanager
    def tree(self, work: Path) -> Iterator[Path]:
        yield work / "bundle" / "rootfs"
