"""Buildah: shares its store with podman, and pulls and removes by itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .. import tree
from ..measure import Cost, run
from .base import DockerWords, Unable


class Buildah(DockerWords):
    name = "buildah"
    program = "buildah"
    pull_options = ("--tls-verify=false",)

    def argv(self, *words: str | Path) -> list[str]:
        store = ["--root", self.place / "store", "--runroot", self.place / "run"]
        return ["buildah", *map(os.fspath, [*store, "--storage-driver", "overlay", *words])]

    def start(self, place: Path) -> None:
        super().start(place)
        (place / "blobs").mkdir()
        os.environ["TMPDIR"] = str(place / "blobs")

    def stop(self) -> None:
        os.environ.pop("TMPDIR", None)
        subprocess.run(["umount", self.place / "store/overlay"], capture_output=True)

    def load(self, archive: Path) -> Cost:
        raise Unable

    def save(self, reference: str, target: Path) -> Cost:
        raise Unable

    def run(self, reference: str, command: list[str], name: str = "") -> Cost:
        raise Unable

    def references(self) -> list[str]:
        done = run(self.argv("images", "--format", "{{.Name}}:{{.Tag}}"))
        return done.output.decode().split()

    def tree(self, reference: str) -> tree.Tree:
        box = run(self.argv("from", reference)).output.decode().split()[-1]
        mounted = run(self.argv("mount", box)).output.decode().split()[-1]
        try:
            return tree.of_directory(Path(mounted))
        finally:
            run(self.argv("umount", box))
            run(self.argv("rm", box))
