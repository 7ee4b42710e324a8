"""umoci: skopeo copies the image into an OCI layout, umoci unpacks that and repacks it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import tree
from ..layout import BenchImage
from ..measure import Cost, run, total
from .base import Contestant, Unable
from .skopeo import COPY


class Umoci(Contestant):
    name = "umoci"
    program = "umoci"

    def missing(self) -> str | None:
        return super().missing() or (None if shutil.which("skopeo") else "skopeo is not installed")

    @property
    def _bundle(self) -> Path:
        return self.place / "bundle"

    def pull(self, reference: str, image: BenchImage) -> Cost:
        copied = run([*COPY, f"docker://{reference}", f"oci:{self.place}/layout:x"])
        return total([copied, self._unpack("x", self._bundle)])

    def _unpack(self, tag: str, bundle: Path) -> Cost:
        return run(["umoci", "unpack", "--image", f"{self.place}/layout:{tag}", bundle])

    def run(self, reference: str, command: list[str], name: str = "") -> Cost:
        """In the unpacked root: umoci itself starts nothing."""
        if not name:
            raise Unable
        return run(["chroot", self._bundle / "rootfs", *command])

    def commit(self, container: str, reference: str) -> Cost:
        return run(["umoci", "repack", "--image", self._image(reference), self._bundle])

    def _image(self, reference: str) -> str:
        return f"{self.place}/layout:{_tag(reference)}"

    def push(self, reference: str, target: str) -> Cost:
        command = ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false"]
        return run([*command, f"oci:{self._image(reference)}", f"docker://{target}"])

    def remove_container(self, name: str) -> None:
        subprocess.run(["rm", "-rf", self._bundle / "rootfs/copy"], check=True)

    def remove(self, reference: str) -> Cost:
        if not reference.startswith("bench/"):
            raise Unable  # it would be rm -r of the bundle
        return run(["umoci", "rm", "--image", self._image(reference)])

    def tree(self, reference: str) -> tree.Tree:
        with self._root(reference) as root:
            return tree.of_directory(root)

    def read(self, reference: str, path: str) -> bytes:
        with self._root(reference) as root:
            return (root / path).read_bytes()

    @contextmanager
    def _root(self, reference: str) -> Iterator[Path]:
        """What was pulled is unpacked already, what was committed is unpacked for now."""
        if not reference.startswith("bench/"):
            yield self._bundle / "rootfs"
            return
        bundle = self.place / "checked"
        self._unpack(_tag(reference), bundle)
        yield bundle / "rootfs"
        subprocess.run(["rm", "-rf", bundle], check=True)


def _tag(reference: str) -> str:
    return reference.replace("/", "-").replace(":", "-")
