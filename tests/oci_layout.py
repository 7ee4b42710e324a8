"""Writes OCI image layouts by hand, also ones that lie, for the engine to load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
NAME = "org.opencontainers.image.ref.name"


def digest_of(data: bytes) -> str:
    """The sha256 digest of some bytes, as OCI spells it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class LayerBlob:
    """A blob and what the documents claim about it; by default the truth of a plain tar."""

    blob: bytes
    diff_id: str
    digest: str
    size: int
    media_type: str = LAYER

    @classmethod
    def of_tar(cls, tar: bytes) -> LayerBlob:
        """An uncompressed layer, described truthfully."""
        digest = digest_of(tar)
        return cls(tar, digest, digest, len(tar))

    @classmethod
    def of_gzip(cls, blob: bytes, tar: bytes) -> LayerBlob:
        """A compressed layer, described truthfully."""
        return cls(blob, digest_of(tar), digest_of(blob), len(blob), LAYER + "+gzip")


def write_layout(
    directory: Path,
    layers: Sequence[LayerBlob],
    *,
    name: str = "case:latest",
    extra_diff_ids: Sequence[str] = (),
    runtime: Mapping[str, Any] | None = None,
) -> Path:
    """Writes a layout with one image. A blob lies under the digest that the manifest claims."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes) -> dict[str, Any]:
        digest = digest_of(data)
        (blobs / digest.partition(":")[2]).write_bytes(data)
        return {"digest": digest, "size": len(data)}

    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": dict(runtime or {}),
        "rootfs": {"type": "layers", "diff_ids": [x.diff_id for x in layers] + [*extra_diff_ids]},
    }
    described = []
    for layer in layers:
        (blobs / layer.digest.partition(":")[2]).write_bytes(layer.blob)
        described.append(
            {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
        )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, **put(json.dumps(config).encode())},
        "layers": described,
    }
    row = {"mediaType": MANIFEST, **put(json.dumps(manifest).encode()), "annotations": {NAME: name}}
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [row]}))
    return directory
