"""umoci: skopeo copies the image into an OCI layout, umoci unpacks that."""

from __future__ import annotations

import shutil

from .. import tree
from ..layout import BenchImage
from ..measure import Cost, run
from .base import Contestant


class Umoci(Contestant):
    name = "umoci"
    program = "umoci"

    def missing(self) -> str | None:
        return super().missing() or (None if shutil.which("skopeo") else "skopeo is not installed")

    def pull(self, reference: str, image: BenchImage) -> Cost:
        layout = self.place / "layout"
        copied = run(
            [
                "skopeo",
                "copy",
                "-q",
                "--insecure-policy",
                "--src-tls-verify=false",
                f"docker://{reference}",
                f"oci:{layout}:x",
            ]
        )
        made = run(["umoci", "unpack", "--image", f"{layout}:x", self.place / "bundle"])
        return Cost(
            copied.seconds + made.seconds,
            copied.cpu_seconds + made.cpu_seconds,
            max(copied.peak_bytes, made.peak_bytes),
            made.output,
        )

    def tree(self, reference: str) -> tree.Tree:
        return tree.of_directory(self.place / "bundle/rootfs")
