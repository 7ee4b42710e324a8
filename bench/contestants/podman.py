"""Podman with a store of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..images import NAME, BenchImage
from ..measure import Cost, run
from .base import Contestant


class Podman(Contestant):
    name = "podman"
    program = "podman"

    def _command(self, work: Path, *words: str | Path) -> list[str | Path]:
        return [
            *("podman", "--root", work / "store", "--runroot", work / "run"),
            *("--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"),
            *words,
        ]

    def load(self, image: BenchImage, work: Path) -> Cost:
        cost = run(self._command(work, "pull", f"oci:{image.layout}:{NAME}"))
        self._image(work).write_bytes(cost.output.splitlines()[-1])
        return cost

    def _image(self, work: Path) -> Path:
        return work / "image-id"

    @contextmanager
    def tree(self, work: Path) -> Iterator[Path]:
        image = self._image(work).read_text().strip()
        mounted = run(self._command(work, "image", "mount", image)).output.decode().strip()
        try:
            yield Path(mounted)
        finally:
            run(self._command(work, "image", "umount", image))

    def run(self, work: Path) -> Cost:
        image = self._image(work).read_text().strip()
        options = ("--rm", "--network", "host", "--cgroups", "disabled")
        return run(self._command(work, "run", *options, image, "/bin/true"))

    def clean(self, work: Path) -> None:
        # Its store is a mount point of its own while a container or a mount has been in it.
        subprocess.run(["umount", work / "store" / "overlay"], capture_output=True)
        super().clean(work)
