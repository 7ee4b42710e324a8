"""What a contestant can do."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..images import BenchImage
from ..measure import Cost


class Contestant(ABC):
    """An engine with a store of its own in a folder `work` that is empty before load()."""

    name: str
    program: str

    def missing(self) -> str | None:
        """Why it cannot take part here, if it cannot."""
        return None if shutil.which(self.program) else f"{self.program} is not installed"

    @abstractmethod
    def load(self, image: BenchImage, work: Path) -> Cost:
        """From the OCI layout to where a container could start."""

    @abstractmethod
    @contextmanager
    def tree(self, work: Path) -> Iterator[Path]:
        """The loaded image's root, to be looked at."""

    def run(self, work: Path) -> Cost | None:
        """One container that runs `true` and is removed; None if it cannot run any."""
        return None

    def clean(self, work: Path) -> None:
        """Removes everything in `work`."""
        shutil.rmtree(work, ignore_errors=True)
