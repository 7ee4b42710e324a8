"""`docker save` archives as sources, in every shape they have had since manifest.json exists.

Config and layers lie where manifest.json says: `<id>/layer.tar`, `<digest>.tar` or
`blobs/sha256/<hex>`, plain or compressed, through links, in any order, some of them repeated. What
an archive says is checked: paths stay inside, names that are digests must be the right ones.
"""

from __future__ import annotations

import json
from typing import Any

from fastlayers.errors import CorruptError, DigestMismatchError, InvalidError
from fastlayers.oci.digest import digest_of
from fastlayers.oci.document import DOCUMENT_LIMIT, ImageConfig, Manifest
from fastlayers.oci.reference import Reference

from .file_layer import FileLayer, Files
from .oci_layout import blob_path_of, layers_of, manifest_of_config
from .source import ImageSource, LayerSource

_BLOB_FOLDER = "blobs/sha256/"
_HEX = frozenset("0123456789abcdef")


def read_docker_archive(files: Files) -> list[ImageSource]:
    """The images of an archive with a manifest.json, in its order."""
    entries = load_json(files, "manifest.json")
    if not isinstance(entries, list) or not entries:
        raise CorruptError(f"{files.label}: manifest.json is not a list of images")
    return [_image(files, entry) for entry in entries]


def load_json(files: Files, path: str) -> Any:
    """A JSON file of an archive, of any shape."""
    try:
        return json.loads(files.read(path, DOCUMENT_LIMIT))
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"{files.label}: {path!r} is not valid JSON: {error}") from None


def full_name(files: Files, text: object) -> str:
    """The normalised name of a RepoTags entry or the like."""
    if not isinstance(text, str):
        raise CorruptError(f"{files.label}: the image name {text!r} is not a string")
    try:
        reference = Reference.parse(text)
    except InvalidError as error:
        raise CorruptError(f"{files.label}: bad image name {text!r}: {error}") from None
    if reference.digest:
        raise CorruptError(f"{files.label}: bad image name {text!r}: it has a digest, not a tag")
    return reference.name


def _image(files: Files, entry: object) -> ImageSource:
    if not isinstance(entry, dict) or not isinstance(entry.get("Config"), str):
        raise CorruptError(f"{files.label}: manifest.json has an entry without a Config")
    config_path: str = entry["Config"]
    paths = _strings(files, entry, "Layers")
    names = list(dict.fromkeys(full_name(files, tag) for tag in _strings(files, entry, "RepoTags")))
    raw = files.read(config_path, DOCUMENT_LIMIT)
    digest = digest_of(raw)
    claimed = _claimed_hex(config_path)
    if claimed and digest != f"sha256:{claimed}":
        raise DigestMismatchError(f"{files.label}: config {config_path!r} has the digest {digest}")
    config = ImageConfig.parse(raw)
    if len(paths) != len(config.diff_ids):
        raise CorruptError(
            f"{files.label}: manifest.json names {len(paths)} layers, config {config_path!r} "
            f"{len(config.diff_ids)}"
        )
    subject = names[0] if names else f"{files.label}: {digest}"
    kept = manifest_of_config(files, digest) if files.exists("index.json") else None
    if kept is not None and _agrees(files, kept, paths):
        return ImageSource(
            subject,
            manifest=kept.raw,
            manifest_media_type=kept.media_type,
            config=raw,
            layers=layers_of(files, kept, config),
            names=names,
        )
    layers: list[LayerSource] = [
        _layer(files, path, diff_id) for path, diff_id in zip(paths, config.diff_ids, strict=True)
    ]
    return ImageSource(subject, config=raw, layers=layers, names=names)


def _agrees(files: Files, manifest: Manifest, paths: list[str]) -> bool:
    """Whether an OCI manifest says the same as manifest.json, which is the one that engines load:
    some writers left layers out of the other, turned them round, or gave wrong sizes
    (moby/moby#47065, #47150, #47072)."""
    if len(manifest.layers) != len(paths):
        return False
    for layer, path in zip(manifest.layers, paths, strict=True):
        blob = blob_path_of(layer.digest)
        if path != blob and (path.startswith(_BLOB_FOLDER) or not files.exists(blob)):
            return False
        if files.exists(blob):  # else it was saved without what the other side has
            with files.open(blob) as part:
                if part.size != layer.size:
                    return False
    return True


def _layer(files: Files, path: str, diff_id: str) -> FileLayer:
    size = -1
    if files.exists(path):
        with files.open(path) as part:
            size = part.size
    digest = f"sha256:{_claimed_hex(path)}" if path.startswith(_BLOB_FOLDER) else ""
    return FileLayer(files, path, digest=digest, size=size, diff_id=diff_id)


def _claimed_hex(path: str) -> str:
    """The digest that a path claims for its contents, as hex digits; "" if it does not.

    For layers only the blob folder counts: other writers name them after something else.
    """
    name = path.removeprefix(_BLOB_FOLDER).removeprefix("sha256:").removesuffix(".json")
    if len(name) == 64 and _HEX.issuperset(name):
        return name
    if path.startswith(_BLOB_FOLDER):
        raise CorruptError(f"{path!r} is not the path of a blob")
    return ""


def _strings(files: Files, entry: dict[str, Any], key: str) -> list[str]:
    """A list of strings of a manifest.json entry; null and missing are the empty list."""
    value = entry.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CorruptError(f"{files.label}: {key} in manifest.json is not a list of strings")
    return value
