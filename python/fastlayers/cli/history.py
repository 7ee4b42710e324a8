"""`history`, `image history`: how an image came to be, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastlayers.cli import human, moment
from fastlayers.cli.command import Call, Command
from fastlayers.cli.elsewhere import image_or_remote
from fastlayers.cli.flags import Flag
from fastlayers.cli.listing import Listing, format_flag

if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.transports.remote import RemoteImage

COMMAND = Command(
    "[OPTIONS] IMAGE",
    "Show the history of an image",
    (
        format_flag(),
        Flag("human", "H", "bool", "Print sizes and dates in human readable format", default=True),
        Flag("no-trunc", "", "bool", "Don't truncate output"),
        Flag("quiet", "q", "bool", "Only show image IDs"),
    ),
    arguments=(1, 1),
    aliases=("image history", "history"),
)

_HEADINGS = {
    "Comment": "COMMENT",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "CreatedSince": "CREATED",
    "ID": "IMAGE",
    "Size": "SIZE",
}
_COMMAND_WIDTH = 45


def run(call: Call) -> int:
    image = image_or_remote(call.store, call.args[0])
    readable = call.flags.enabled("human")
    when = "CreatedSince" if readable else "CreatedAt"
    listing = Listing("history", _HEADINGS, ("ID", when, "CreatedBy", "Size", "Comment"))
    rows = _rows(image, readable=readable, full=call.flags.enabled("no-trunc"))
    listing.print(rows, call.flags.text("format"), quiet=call.flags.enabled("quiet"))
    return 0


def _rows(image: Image | RemoteImage, *, readable: bool, full: bool) -> Iterator[dict[str, object]]:
    for step in image.history():
        created = moment.parse(step.created)
        command = step.created_by.replace("\t", " ")
        yield {
            "Comment": step.comment,
            "CreatedAt": moment.rfc3339(created),
            "CreatedBy": command if full else human.shorten(command, _COMMAND_WIDTH),
            "CreatedSince": moment.since(created) if readable else moment.rfc3339(created),
            "ID": step.id if full else step.id.removeprefix("sha256:")[:12],
            "Size": human.size(step.size) if readable else str(step.size),
        }
