"""skopeo: copies the blobs from the registry, and makes no tree of them."""

from __future__ import annotations

import json
from pathlib import Path

from .. import tree
from ..layout import BenchImage
from ..measure import Cost, run
from .base import Contestant

# A plain registry on loopback, and no policy file needed.
COPY = ("skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false")


class Skopeo(Contestant):
    name = "skopeo copy"
    program = "skopeo"
    is_engine = False

    def pull(self, reference: str, image: BenchImage) -> Cost:
        return run([*COPY, f"docker://{reference}", f"oci:{self.place}/layout:x"])

    def load(self, archive: Path) -> Cost:
        # To a folder of blobs: in an OCI layout they would have to be compressed.
        self._loaded = archive
        return run([*COPY, f"docker-archive:{archive}", f"dir:{self.place}/loaded"])

    def save(self, reference: str, target: Path) -> Cost:
        return run([*COPY, f"oci:{self.place}/layout:x", f"docker-archive:{target}:{reference}"])

    def references(self) -> list[str]:
        return [f"bench/{self._loaded.stem}:latest"]

    def tree(self, reference: str) -> tree.Tree:
        manifest, blobs = self.place / "loaded/manifest.json", self.place / "loaded"
        if not manifest.exists():
            blobs = self.place / "layout/blobs/sha256"
            index = json.loads((self.place / "layout/index.json").read_text())
            manifest = blobs / _hex(index["manifests"][0]["digest"])
        layers = json.loads(manifest.read_text())["layers"]
        return tree.of_layers(blobs / _hex(layer["digest"]) for layer in layers)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
