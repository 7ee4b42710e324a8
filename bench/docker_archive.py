"""Docker archives: one as `docker save` wrote it before version 25, with uncompressed layers, and
what any of them holds."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import IO

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


def diff_ids_of(path: Path) -> list[str]:
    """The digests of the uncompressed layers of an archive's one image, hashed anew."""
    with tarfile.open(path) as archive:
        body = archive.extractfile("manifest.json")
        assert body is not None
        return [_diff_id(archive, name) for name in json.load(body)[0]["Layers"]]


def _diff_id(archive: tarfile.TarFile, name: str) -> str:
    member = archive.getmember(name)
    while member.issym():  # a layer that the image has twice
        name = os.path.normpath(os.path.join(os.path.dirname(name), member.linkname))
        member = archive.getmember(name)
    body = archive.extractfile(member)
    assert body is not None
    packed = body.read(2) == b"\x1f\x8b"
    body.seek(0)
    plain: IO[bytes] = gzip.GzipFile(fileobj=body) if packed else body  # type: ignore[assignment]
    whole = hashlib.sha256()
    while data := plain.read(1 << 20):
        whole.update(data)
    return f"sha256:{whole.hexdigest()}"
