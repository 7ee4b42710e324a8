"""`save`, `image save`: images as one tar archive."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fastlayers.cli import progress
from fastlayers.cli.command import Call, Command
from fastlayers.cli.export import refuse_terminal
from fastlayers.cli.flags import Flag
from fastlayers.errors import InvalidError

if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.oci.reference import Reference
    from fastlayers.store import Store

_FORMATS = {
    "docker": "docker",
    "docker-archive": "docker",
    "oci": "oci",
    "oci-archive": "oci",
}


def _check_format(text: str) -> str:
    return "" if text in _FORMATS else f"must be one of {', '.join(_FORMATS)}"


COMMAND = Command(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Save one or more images to a tar archive (streamed to STDOUT by default)",
    (
        Flag(
            "format",
            "",
            "string",
            'Format of the archive ("docker", "oci")',
            default="docker",
            check=_check_format,
        ),
        Flag("output", "o", "string", "Write to a file, instead of STDOUT"),
        progress.FLAG,
        Flag("since", "", "list", "Leave out the layers of an image that the other side has"),
    ),
    arguments=(1, None),
    aliases=("image save", "save"),
)


def run(call: Call) -> int:
    from fastlayers import transports

    output = call.flags.text("output")
    if not output:
        refuse_terminal("save")
    wanted = [pair for text in call.args for pair in _wanted(call.store, text)]
    since = [call.store.image(name) for name in call.flags.all("since")]
    kind = call.flags.text("progress")
    with progress.reporter(sys.stderr, words=progress.SAVE_WORDS, kind=kind, lines=False) as report:
        transports.save(
            call.store,
            wanted,
            output or sys.stdout.buffer,
            format=_FORMATS[call.flags.text("format")],
            since=since,
            progress=report,
        )
    return 0


def _wanted(store: Store, text: str) -> list[tuple[Image, list[str]]]:
    """Images and the names to save them with: a repository means all its tags, an ID no name."""
    reference = _parse(text)
    if reference is not None and not reference.tag and not reference.digest:
        prefix = reference.repository_name + ":"
        found = [
            (image, [name for name in image.names if name.startswith(prefix)])
            for image in store.images()
        ]
        named = [pair for pair in found if pair[1]]
        if named:
            return named
    image = store.image(text)
    if reference is not None and reference.name in image.names:
        return [(image, [reference.name])]
    return [(image, [])]


def _parse(text: str) -> Reference | None:
    from fastlayers.oci.reference import Reference

    try:
        return Reference.parse(text)
    except InvalidError:
        return None
