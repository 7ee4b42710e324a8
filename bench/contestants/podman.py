"""Podman, with a store of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from .base import DockerWords


class OverlayStore(DockerWords):
    """An engine on containers/storage with its overlay driver."""

    pull_options = ("--tls-verify=false",)
    push_options = ("--tls-verify=false",)

    def start(self, place: Path) -> None:
        super().start(place)
        blobs = place / "blobs"
        blobs.mkdir()
        os.environ["TMPDIR"] = str(blobs)  # else they pass through another disk

    def stop(self) -> None:
        os.environ.pop("TMPDIR", None)
        # Its store is a mount point of its own while something has been mounted in it.
        subprocess.run(["umount", self.place / "store/overlay"], capture_output=True)


class Podman(OverlayStore):
    name = "podman"
    program = "podman"

    def argv(self, *words: str | Path) -> list[str]:
        store: list[str | Path] = ["--root", self.place / "store", "--runroot", self.place / "run"]
        store += ["--tmpdir", self.place / "tmp", "--storage-driver", "overlay"]
        return ["podman", *map(str, [*store, "--cgroup-manager=cgroupfs", *words])]
