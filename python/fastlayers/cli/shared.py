"""`shared`: which images share layers, and what removing one would free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastlayers.cli import human
from fastlayers.cli.command import Call, Command
from fastlayers.cli.flags import Flag
from fastlayers.cli.listing import Listing, format_flag

if TYPE_CHECKING:
    from fastlayers.analysis.sharing import Sharing

COMMAND = Command(
    "[OPTIONS]",
    "Show which images share layers, and what removing one would free",
    (
        format_flag(),
        Flag("layers", "", "bool", "List the layers, and the images that have them"),
        Flag("no-trunc", "", "bool", "Don't truncate output"),
    ),
    arguments=(0, 0),
    aliases=("shared",),
)
_IMAGES = Listing(
    "image",
    {"Freed": "FREED", "ID": "IMAGE ID", "Names": "NAMES", "Shared": "SHARED", "Size": "SIZE"},
    ("ID", "Size", "Shared", "Freed", "Names"),
)
_LAYERS = Listing(
    "layer",
    {"Count": "IMAGES", "DiffID": "DIFF ID", "Images": "NAMES", "Size": "SIZE"},
    ("DiffID", "Size", "Count", "Images"),
)


def run(call: Call) -> int:
    from fastlayers.analysis.sharing import layer_sharing

    sharing = layer_sharing(call.store)
    full = call.flags.enabled("no-trunc")
    by_layer = call.flags.enabled("layers")
    listing = _LAYERS if by_layer else _IMAGES
    rows = _layer_rows(sharing, full=full) if by_layer else _image_rows(sharing, full=full)
    listing.print(rows, call.flags.text("format"), quiet=False)
    return 0


def _image_rows(sharing: Sharing, *, full: bool) -> list[dict[str, object]]:
    return [
        {
            "Freed": human.Bytes(image.freed),
            "ID": _short(image.image_id, full=full),
            "Names": ", ".join(image.tags),
            "Shared": human.Bytes(image.shared),
            "Size": human.Bytes(image.size),
        }
        for image in sharing.images
    ]


def _layer_rows(sharing: Sharing, *, full: bool) -> list[dict[str, object]]:
    tags = {image.image_id: image.tags for image in sharing.images}
    return [
        {
            "Count": len(layer.images),
            "DiffID": _short(layer.diff_id, full=full),
            "Images": ", ".join(
                name for one in layer.images for name in tags[one] or (_short(one, full=full),)
            ),
            "Size": human.Bytes(layer.size),
        }
        for layer in sharing.layers
    ]


def _short(digest: str, *, full: bool) -> str:
    return digest if full else digest.partition(":")[2][:12]
