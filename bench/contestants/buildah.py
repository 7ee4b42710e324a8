"""Buildah: shares its store's shape with podman; a container is made, used and removed in steps."""

from __future__ import annotations

import resource
from pathlib import Path

from .. import tree
from ..measure import Cost, run, total
from .podman import OverlayStore


class Buildah(OverlayStore):
    name = "buildah"
    program = "buildah"

    def argv(self, *words: str | Path) -> list[str]:
        store: list[str | Path] = ["--root", self.place / "store", "--runroot", self.place / "run"]
        return ["buildah", *map(str, [*store, "--storage-driver", "overlay", *words])]

    def load(self, archive: Path) -> Cost:
        return run(self.argv("pull", "-q", f"docker-archive:{archive}"))

    def save(self, reference: str, target: Path) -> Cost:
        return run(self.argv("push", "-q", reference, f"docker-archive:{target}:{reference}"))

    def run(self, reference: str, command: list[str], name: str = "") -> Cost:
        box = name or "once"
        made = run(self.argv("from", "--pull-never", *_limits(), "--name", box, reference))
        ran = run(self.argv("run", "--isolation", "chroot", box, "--", *command))
        if name:
            return ran
        return total([made, run(self.argv("rm", box)), ran])

    def references(self) -> list[str]:
        done = run(self.argv("images", "--format", "{{.Name}}:{{.Tag}}"))
        return done.output.decode().split()

    def tree(self, reference: str) -> tree.Tree:
        run(self.argv("from", "--pull-never", "--name", "checked", reference))
        mounted = run(self.argv("mount", "checked")).output.decode().split()[-1]
        try:
            return tree.of_directory(Path(mounted))
        finally:
            run(self.argv("umount", "checked"))
            run(self.argv("rm", "checked"))


def _limits() -> list[str]:
    """Its own defaults may be more than this process may set."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    pairs = (("nofile", files), ("nproc", processes))
    return [f"--ulimit={name}={hard}:{hard}" for name, hard in pairs if hard != -1]
