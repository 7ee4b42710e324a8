"""Writes an image of a store as an OCI layout whose layers are level-6 gzip, as registries serve
them."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from fastlayers import Image, _core

from ..layout import GZIP_LAYER, SUMMARY, BenchImage, blob_folder, complete_layout


def write_layout(image: Image, target: BenchImage) -> None:
    """The layout appears when it is complete, or not at all."""
    folder = target.layout.with_suffix(".partial")
    shutil.rmtree(folder, ignore_errors=True)
    blobs = blob_folder(folder)
    root = image.store.root
    layers = [
        {"mediaType": GZIP_LAYER, **_put_layer(Path(_core.blob_path(root, layer.digest)), blobs)}
        for layer in image.layers
    ]
    raw_config = Path(_core.blob_path(root, image.id)).read_bytes()
    complete_layout(folder, raw_config, layers, target.tag)
    tars = [os.stat(_core.blob_path(root, layer.diff_id)).st_size for layer in image.layers]
    figures = {
        "layers": len(layers),
        "entries": len(image.files()),
        "tar_bytes": sum(tars),
        "blob_bytes": sum(int(layer["size"]) for layer in layers),
    }
    (folder / SUMMARY).write_text(json.dumps(figures, indent=1))
    folder.rename(target.layout)


def _put_layer(blob: Path, blobs: Path) -> dict[str, Any]:
    """The base's layer is gzip already and keeps its digest; those that were committed are not."""
    partial = blobs / "partial"
    with blob.open("rb", buffering=0) as source, partial.open("wb") as sink:
        compressed = source.read(2) == b"\x1f\x8b"
        source.seek(0)
        if not compressed and shutil.which("pigz"):
            subprocess.run(["pigz", "-6", "-n", "-c"], stdin=source, stdout=sink, check=True)
        elif not compressed:
            with gzip.GzipFile("", "wb", 6, sink, mtime=0) as packed:
                shutil.copyfileobj(source, packed, 1 << 20)
        else:
            shutil.copyfileobj(source, sink, 1 << 20)
    with partial.open("rb") as body:
        digest = hashlib.file_digest(body, "sha256").hexdigest()
    size = partial.stat().st_size
    partial.rename(blobs / digest)
    return {"digest": f"sha256:{digest}", "size": size}
