"""An image as `docker save` wrote it before version 25: uncompressed layers and manifest.json."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
import tempfile
from pathlib import Path

from .layout import BenchImage


def docker_archive(image: BenchImage) -> Path:
    """The archive of an image, from the cache or written now."""
    target = image.archive
    if target.exists():
        return target
    partial = target.with_suffix(".partial")
    config = image.manifest["config"]["digest"].removeprefix("sha256:") + ".json"
    names = [f"{layer.diff_id.removeprefix('sha256:')}/layer.tar" for layer in image.layers]
    row = {"Config": config, "RepoTags": [image.tag], "Layers": names}
    with tarfile.open(partial, "w") as archive:
        for name, data in ((config, image.config_bytes), ("manifest.json", json.dumps([row]))):
            body = data if isinstance(data, bytes) else data.encode()
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
        for name, layer in zip(names, image.layers, strict=True):
            with tempfile.TemporaryFile(dir=target.parent) as plain:
                with gzip.open(layer.path) as packed:
                    shutil.copyfileobj(packed, plain, 1 << 20)
                member = tarfile.TarInfo(name)
                member.size = plain.tell()
                plain.seek(0)
                archive.addfile(member, plain)
    partial.rename(target)
    return target
