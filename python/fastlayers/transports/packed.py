"""What a layer is called when it is compressed: ROOT/layers/HEX/packed.

A push that has compressed a layer writes down what came of it. The next push asks the registry for
that blob before it compresses anything. It is a hint: what a push really sent is what it names.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from fastlayers.errors import CorruptError, FastlayersError
from fastlayers.host import read_file
from fastlayers.oci import fields
from fastlayers.oci.digest import hex_of, validate

if TYPE_CHECKING:
    from fastlayers.oci.fields import Json

_FILE = "packed"


class PackedLayer(NamedTuple):
    """A compressed form of a layer."""

    digest: str
    size: int


def known(root: str, diff_id: str, compression: str, level: int) -> PackedLayer | None:
    """What a layer was called when it was last compressed like this; None if nobody knows."""
    path = _path(root, diff_id)
    try:
        entry = fields.mapping(_read(path), f"{compression}-{level}", path)
        if entry:
            return PackedLayer(
                validate(fields.text(entry, "digest", path)), fields.size(entry, "size", path)
            )
    except FastlayersError:  # damaged: it is written anew
        pass
    return None


def remember(root: str, diff_id: str, compression: str, level: int, digest: str, size: int) -> None:
    """Writes down what came of compressing a layer, if it is still there."""
    path = _path(root, diff_id)
    try:
        document = _read(path)
    except CorruptError:
        document = {}
    document[f"{compression}-{level}"] = {"digest": digest, "size": size}
    try:
        with open(path, "wb", buffering=0) as file:  # torn by a crash it is no more than unreadable
            file.write(fields.dump(document))
    except OSError:
        pass  # the layer has gone, or the disk is full: then nobody remembers


def _path(root: str, diff_id: str) -> str:
    return os.path.join(root, "layers", hex_of(diff_id), _FILE)


def _read(path: str) -> Json:
    raw = read_file(path)
    return {} if raw is None else fields.parse_object(raw, path)
