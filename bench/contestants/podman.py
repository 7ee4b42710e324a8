"""Podman, with a store of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .base import DockerWords


class Podman(DockerWords):
    name = "podman"
    program = "podman"
    pull_options = ("--tls-verify=false",)

    def argv(self, *words: str | Path) -> list[str]:
        store = ["--root", self.place / "store", "--runroot", self.place / "run"]
        store += ["--tmpdir", self.place / "tmp", "--storage-driver", "overlay"]
        return ["podman", *map(os.fspath, [*store, "--cgroup-manager=cgroupfs", *words])]

    def start(self, place: Path) -> None:
        super().start(place)
        blobs = place / "blobs"
        blobs.mkdir()
        os.environ["TMPDIR"] = str(blobs)  # else they pass through another disk

    def stop(self) -> None:
        os.environ.pop("TMPDIR", None)
        subprocess.run(["umount", self.place / "store/overlay"], capture_output=True)
