"""OCI image layouts as sources: a folder, or the same in a tar archive."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fastlayers.errors import (
    CorruptError,
    DigestMismatchError,
    InvalidError,
    LimitError,
    UnsupportedError,
)
from fastlayers.oci import document
from fastlayers.oci.digest import digest_of
from fastlayers.oci.document import DOCUMENT_LIMIT, ImageConfig, Index, Manifest
from fastlayers.oci.reference import Reference

from .file_layer import FileLayer, Files
from .selection import INDEX_DEPTH, is_image, select_manifest
from .source import ImageSource, LayerSource

if TYPE_CHECKING:
    from fastlayers.oci.document import Descriptor
    from fastlayers.oci.platform import Platform

REF_NAME = "org.opencontainers.image.ref.name"
# The full name beside a ref.name that is only a tag: what containerd, Docker and others write.
FULL_NAME = "io.containerd.image.name"


def blob_path_of(digest: str) -> str:
    """Where a layout keeps a blob; the digest has been validated by its descriptor."""
    algorithm, _, encoded = digest.partition(":")
    return f"blobs/{algorithm}/{encoded}"


def read_document(files: Files, descriptor: Descriptor) -> bytes:
    """A JSON document of a layout, verified against its descriptor."""
    if descriptor.size > DOCUMENT_LIMIT:
        raise LimitError(
            f"{files.label}: {descriptor.digest} is longer than {DOCUMENT_LIMIT} bytes"
        )
    raw = files.read(blob_path_of(descriptor.digest), DOCUMENT_LIMIT)
    found = digest_of(raw)
    if found != descriptor.digest:
        raise DigestMismatchError(f"{files.label}: blob {descriptor.digest} has the digest {found}")
    if len(raw) != descriptor.size:
        raise DigestMismatchError(
            f"{files.label}: blob {descriptor.digest} has {len(raw)} bytes instead of "
            f"{descriptor.size}"
        )
    return raw


def read_layout(files: Files, platform: Platform | None = None) -> list[ImageSource]:
    """The images of a layout: of each name, and of each nameless entry, the one for a platform.

    Entries that are no images (signatures, attestations, other artifacts) are passed over.
    """
    _check_version(files)
    index = Index.parse(files.read("index.json", DOCUMENT_LIMIT))
    sources: dict[str, ImageSource] = {}
    for name, descriptors in _by_name(index.manifests):
        for descriptor in descriptors if name is None else [_pick(descriptors, platform, files)]:
            manifest = _follow(files, descriptor, platform)
            source = sources.get(manifest.digest)
            if source is None:
                source = sources[manifest.digest] = _image(files, manifest, name)
            if name is not None and name not in source.names:
                source.names.append(name)
    if not sources:
        raise UnsupportedError(f"{files.label} holds no container image")
    return list(sources.values())


def manifest_of_config(files: Files, config_digest: str) -> Manifest | None:
    """The manifest in a layout that names a config; its layers need not be there."""
    index = Index.parse(files.read("index.json", DOCUMENT_LIMIT))
    pending = [(descriptor, 0) for descriptor in index.manifests]
    while pending:
        descriptor, depth = pending.pop(0)
        if not is_image(descriptor) or not files.exists(blob_path_of(descriptor.digest)):
            continue
        found = document.parse(read_document(files, descriptor), descriptor.media_type)
        if isinstance(found, Index):
            if depth < INDEX_DEPTH:
                pending.extend((inner, depth + 1) for inner in found.manifests)
        elif found.config.digest == config_digest:
            return found
    return None


def layers_of(files: Files, manifest: Manifest, config: ImageConfig) -> list[LayerSource]:
    """The layers of a manifest whose blobs lie in a layout."""
    if len(manifest.layers) != len(config.diff_ids):
        raise CorruptError(
            f"{files.label}: manifest {manifest.digest} has {len(manifest.layers)} layers, its "
            f"config names {len(config.diff_ids)}"
        )
    return [
        FileLayer(
            files,
            blob_path_of(layer.digest),
            digest=layer.digest,
            size=layer.size,
            diff_id=diff_id,
            media_type=layer.media_type,
        )
        for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
    ]


def _check_version(files: Files) -> None:
    try:
        marker = json.loads(files.read("oci-layout", DOCUMENT_LIMIT))
        version = marker["imageLayoutVersion"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CorruptError(f"{files.label}: its oci-layout file is not valid") from None
    if not isinstance(version, str) or not version.startswith("1."):
        raise UnsupportedError(f"{files.label}: image layout version {version!r} is not known")


def _by_name(
    descriptors: Iterable[Descriptor],
) -> list[tuple[str | None, list[Descriptor]]]:
    """The image entries of an index by name; those without a name together."""
    groups: dict[str | None, list[Descriptor]] = {}
    for descriptor in descriptors:
        if is_image(descriptor):
            groups.setdefault(_name_of(descriptor), []).append(descriptor)
    return list(groups.items())


def _name_of(descriptor: Descriptor) -> str | None:
    """The full name of an entry; None if it has none, or one that no reference can express."""
    annotations = descriptor.annotations
    text = annotations.get(FULL_NAME) or annotations.get(REF_NAME)
    if not text:
        return None
    try:
        reference = Reference.parse(text)
    except InvalidError:
        return None
    return None if reference.digest else reference.name


def _pick(descriptors: list[Descriptor], platform: Platform | None, files: Files) -> Descriptor:
    if len(descriptors) == 1:
        return descriptors[0]
    return select_manifest(descriptors, platform, files.label)


def _follow(files: Files, descriptor: Descriptor, platform: Platform | None) -> Manifest:
    """The manifest behind an entry: through indexes, by platform."""
    for _ in range(INDEX_DEPTH):
        found = document.parse(read_document(files, descriptor), descriptor.media_type)
        if isinstance(found, Manifest):
            return found
        descriptor = select_manifest(found.manifests, platform, files.label)
    raise CorruptError(f"{files.label}: its indexes are nested too deeply")


def _image(files: Files, manifest: Manifest, name: str | None) -> ImageSource:
    subject = name or f"{files.label}: {manifest.digest}"
    manifest.require_image(subject)
    config = read_document(files, manifest.config)
    return ImageSource(
        subject,
        manifest=manifest.raw,
        manifest_media_type=manifest.media_type,
        config=config,
        layers=layers_of(files, manifest, ImageConfig.parse(config)),
    )
