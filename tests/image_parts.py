"""Images in memory: layers, config and manifest, for registries and archives that are made up."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.oci_layout import CONFIG, LAYER, MANIFEST, digest_of

GZIP_LAYER = LAYER + "+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """A plain layer with these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def layer_tar(seed: str, size: int = 0) -> bytes:
    """A layer that differs for each seed, and does not compress well below `size` bytes."""
    import random

    noise = random.Random(seed).randbytes(size)
    return tar_of({f"file-{seed}": seed.encode() + noise})


class Blob(NamedTuple):
    """A layer as sent, and the tar it holds."""

    data: bytes
    tar: bytes
    media_type: str

    @classmethod
    def gzip(cls, tar: bytes) -> Blob:
        """A compressed layer."""
        return cls(gzip.compress(tar, mtime=0), tar, GZIP_LAYER)

    @classmethod
    def plain(cls, tar: bytes) -> Blob:
        """A layer as it is."""
        return cls(tar, tar, LAYER)

    def descriptor(self) -> dict[str, Any]:
        """A true descriptor."""
        return {
            "mediaType": self.media_type,
            "digest": digest_of(self.data),
            "size": len(self.data),
        }


class Parts(NamedTuple):
    """An image's documents and layers."""

    config: bytes
    manifest: bytes
    layers: list[Blob]

    @property
    def id(self) -> str:
        """The image ID."""
        return digest_of(self.config)


def config_of(tars: Sequence[bytes], architecture: str = "amd64", **more: Any) -> bytes:
    """A config for layers."""
    document = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
        **more,
    }
    return json.dumps(document).encode()


def manifest_of(config: bytes, layers: Sequence[Mapping[str, Any]]) -> bytes:
    """An OCI manifest."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
            "layers": list(layers),
        }
    ).encode()


def image_of(layers: Sequence[Blob], architecture: str = "amd64", **more: Any) -> Parts:
    """A truthful image."""
    config = config_of([layer.tar for layer in layers], architecture, **more)
    return Parts(config, manifest_of(config, [x.descriptor() for x in layers]), list(layers))


def index_of(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """An OCI index."""
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(rows)}).encode()


def index_row(parts: Parts, architecture: str, **more: Any) -> dict[str, Any]:
    """An index's entry for an image."""
    return {
        "mediaType": MANIFEST,
        "digest": digest_of(parts.manifest),
        "size": len(parts.manifest),
        "platform": {"os": "linux", "architecture": architecture},
        **more,
    }


class Member(NamedTuple):
    """One member of an archive; `link` makes it a symlink, `hard` a hard link."""

    name: str
    data: bytes = b""
    link: str = ""
    hard: str = ""


def archive_of(*members: Member) -> bytes:
    """A tar archive with these members, in this order, whatever they are called."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            info = tarfile.TarInfo(member.name)
            if member.link or member.hard:
                info.type = tarfile.SYMTYPE if member.link else tarfile.LNKTYPE
                info.linkname = member.link or member.hard
            info.size = len(member.data)
            tar.addfile(info, io.BytesIO(member.data))
    return buffer.getvalue()


def docker_json(*entries: Mapping[str, Any]) -> Member:
    """The manifest.json of a `docker save` archive."""
    return Member("manifest.json", json.dumps(list(entries)).encode())


def layout_members(parts: Parts, annotations: Mapping[str, str] | None = None) -> list[Member]:
    """The members of an OCI archive with one image."""
    row = index_row(parts, "amd64", annotations=dict(annotations or {}))
    members = [
        Member("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
        Member("index.json", index_of([row])),
    ]
    for data in (parts.manifest, parts.config, *(layer.data for layer in parts.layers)):
        members.append(Member(f"blobs/sha256/{digest_of(data).partition(':')[2]}", data))
    return members
