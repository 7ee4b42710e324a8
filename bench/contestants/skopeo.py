"""skopeo: copies the blobs from the registry, and makes no tree of them."""

from __future__ import annotations

from .. import tree
from ..layout import BenchImage
from ..measure import Cost, run
from .base import Contestant

# A plain registry on loopback, and no policy file needed.
COPY = ("skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false")


class Skopeo(Contestant):
    name = "skopeo copy"
    program = "skopeo"

    def __init__(self) -> None:
        super().__init__()
        self._digests: list[str] = []

    def pull(self, reference: str, image: BenchImage) -> Cost:
        self._digests = [layer.digest for layer in image.layers]
        return run(
            [
                "skopeo",
                "copy",
                "-q",
                "--insecure-policy",
                "--src-tls-verify=false",
                f"docker://{reference}",
                f"oci:{self.place}/layout:x",
            ]
        )

    def tree(self, reference: str) -> tree.Tree:
        blobs = self.place / "layout/blobs/sha256"
        return tree.of_layers(blobs / digest.removeprefix("sha256:") for digest in self._digests)
