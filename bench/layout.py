"""An image to measure: an OCI image layout directory with one image and gzip layers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

SUMMARY = "summary.json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
GZIP_LAYER = f"{LAYER}+gzip"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True)
class LayerFile:
    """One layer of an image."""

    path: Path  # the gzip blob
    digest: str  # of the blob
    diff_id: str  # of the tar in it
    size: int  # bytes of the blob


@dataclass(frozen=True)
class BenchImage:
    """An image in bench/cache; all sizes are in bytes."""

    name: str
    layout: Path

    @property
    def tag(self) -> str:
        """What the image is called in the layout, and in the registry behind its address."""
        return f"bench/{self.name}:latest"

    @property
    def archive(self) -> Path:
        """Its docker archive with uncompressed layers; see docker_archive."""
        return self.layout.with_suffix(".tar")

    @cached_property
    def manifest_bytes(self) -> bytes:
        """The manifest as it lies in the layout."""
        index = json.loads((self.layout / "index.json").read_bytes())
        return self.blob(index["manifests"][0]["digest"]).read_bytes()

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest, parsed."""
        document: dict[str, Any] = json.loads(self.manifest_bytes)
        return document

    @cached_property
    def config_bytes(self) -> bytes:
        """The image configuration as it lies in the layout."""
        return self.blob(self.manifest["config"]["digest"]).read_bytes()

    @cached_property
    def layers(self) -> list[LayerFile]:
        """The layers, base first."""
        diff_ids = json.loads(self.config_bytes)["rootfs"]["diff_ids"]
        return [
            LayerFile(self.blob(layer["digest"]), layer["digest"], diff_id, layer["size"])
            for layer, diff_id in zip(self.manifest["layers"], diff_ids, strict=True)
        ]

    @cached_property
    def summary(self) -> dict[str, int]:
        """How big it is: layers, entries (of the merged tree), tar_bytes, blob_bytes."""
        figures: dict[str, int] = json.loads((self.layout / SUMMARY).read_bytes())
        return figures

    def blob(self, digest: str) -> Path:
        """Where a blob lies."""
        return self.layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


def blob_folder(folder: Path) -> Path:
    """Where the blobs of a layout lie; made if it is not there."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    return blobs


def put_blob(folder: Path, media_type: str, data: bytes) -> dict[str, Any]:
    """Writes a blob of a layout; returns its descriptor."""
    digest = hashlib.sha256(data).hexdigest()
    (blob_folder(folder) / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def complete_layout(folder: Path, config: bytes, layers: list[dict[str, Any]], name: str) -> None:
    """Makes an OCI layout with one image of a folder in which the layers lie already."""
    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": put_blob(folder, _CONFIG, config),
        "layers": layers,
    }
    row = put_blob(folder, _MANIFEST, _json(document))
    row["annotations"] = {_NAME: name}
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "manifests": [row]}))


def _json(document: object) -> bytes:
    return json.dumps(document, indent=1).encode()
