"""`cat`: contents of files of an image, straight from its layers."""

from __future__ import annotations

import sys

from fastlayers.cli.command import Call, Command

COMMAND = Command(
    "IMAGE PATH [PATH...]",
    "Print files of an image",
    arguments=(2, None),
    aliases=("cat",),
)
_PIECE_BYTES = 1 << 20


def run(call: Call) -> int:
    name, *paths = call.args
    root = call.image(name).path()
    sys.stdout.flush()
    for path in paths:
        with root.joinpath(path).open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    return 0
