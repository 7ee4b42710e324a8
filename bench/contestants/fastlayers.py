"""fastlayers, with one of its backends."""

from __future__ import annotations

import shutil
from pathlib import Path

from .base import DockerWords


class Fastlayers(DockerWords):
    program = "fastlayers"
    load_options = ()

    def __init__(self, backend: str) -> None:
        super().__init__()
        self.name = f"fastlayers {backend}"
        self.backend = backend

    def missing(self) -> str | None:
        if shutil.which(self.program) is None:
            return "the command is not on PATH: activate the environment it is installed in"
        return None

    def argv(self, *words: str | Path) -> list[str]:
        store = ["--root", str(self.place / "store"), "--backend", self.backend]
        return [self.program, *store, *map(str, words)]
