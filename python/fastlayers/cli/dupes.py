"""`dupes`: files with the same contents, within images and across them."""

from __future__ import annotations

from fastlayers.cli import human
from fastlayers.cli.command import Call, Command
from fastlayers.cli.entries import name_fields
from fastlayers.cli.listing import Listing, format_flag

COMMAND = Command(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Find files with the same contents in images",
    (format_flag(),),
    arguments=(1, None),
    aliases=("dupes",),
)
_LISTING = Listing(
    "duplicate",
    {
        "Count": "COUNT",
        "Path": "PATH",
        "PathBase64": "PATH BASE64",
        "Places": "PLACES",
        "Reclaimable": "RECLAIMABLE",
        "Size": "SIZE",
        "XXH3": "XXH3",
    },
    ("Reclaimable", "Size", "Count", "Path"),
)


def run(call: Call) -> int:
    from fastlayers.analysis.duplicate_files import find_duplicates

    format = call.flags.text("format")
    with_places = format.strip() not in ("", "table")
    rows = (
        {
            "Count": len(group.places),
            "Places": _places(call.args, group.places) if with_places else [],
            "Reclaimable": human.Bytes(group.reclaimable),
            "Size": human.Bytes(group.size),
            "XXH3": group.xxh3,
            **name_fields(group.places[0][1]),
        }
        for group in find_duplicates([call.image(name) for name in call.args])
    )
    _LISTING.print(rows, format, quiet=False)
    return 0


def _places(names: list[str], places: tuple[tuple[int, str], ...]) -> list[dict[str, object]]:
    """The first is the one that the table names."""
    return [{"Image": names[image], **name_fields(path)} for image, path in places]
