"""What `images` shows without a format: names, IDs, what they take, and which are in use."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from fastlayers.cli import human
from fastlayers.cli.listing import without_controls
from fastlayers.errors import NotFoundError

if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.store import Store

_Row = TypeVar("_Row")
_UNTAGGED = "<untagged>"
_IN_USE = "U"
_LEGEND = f"i Info →   {_IN_USE}  In Use"
_GAP = "   "


def rows_of(image: Image, rows: Iterable[_Row]) -> list[_Row]:
    """The rows about an image; none if it was removed before they were made."""
    try:
        return list(rows)
    except NotFoundError:
        if image.store.try_image(image.id) is None:
            return []
        raise


def print_images(store: Store, found: Iterable[tuple[Image, list[str]]]) -> int:
    """Prints a line for each name of each image, by name, those without one last; returns how
    many there were."""
    used = {image_id for each in store.containers(all=True) for image_id in each.image_ids}
    rows = [row for image, names in found for row in rows_of(image, _rows(image, names, used))]
    rows.sort(key=lambda row: (row[0] == _UNTAGGED, row[0]))
    width = max([len("IMAGE"), *(len(row[0]) for row in rows)])
    if sys.stdout.isatty():
        from fastlayers.cli.help import columns

        print(_LEGEND.rjust(columns()))
    for name, image_id, disk, content, extra in (
        ("IMAGE", "ID", "DISK USAGE", "CONTENT SIZE", "EXTRA"),
        *rows,
    ):
        cells = (f"{name:<{width}}", f"{image_id:<12}", f"{disk:>10}", f"{content:>12}")
        print(_GAP.join((*cells, f"{extra:<5}")))
    return len(rows)


def _rows(
    image: Image, names: list[str], used: set[str]
) -> Iterator[tuple[str, str, str, str, str]]:
    sizes = human.size(image.disk_usage()), human.size(image.content_size)
    for name in names or [_UNTAGGED]:
        shown = without_controls(name) if sys.stdout.isatty() else name
        yield (shown, image.short_id, *sizes, _IN_USE if image.id in used else "")
