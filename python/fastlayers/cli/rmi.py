"""`rmi`, `image rm`, `image remove`: removes names, and images that have none left."""

from __future__ import annotations

import sys

from fastlayers.cli import one_line
from fastlayers.cli.command import Call, Command
from fastlayers.cli.each import each
from fastlayers.cli.flags import Flag
from fastlayers.errors import NotFoundError

COMMAND = Command(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Remove one or more images",
    (Flag("force", "f", "bool", "Force removal of the image"),),
    arguments=(1, None),
    aliases=("image rm", "image remove", "rmi"),
)


def run(call: Call) -> int:
    force = call.flags.enabled("force")

    def remove(name: str) -> None:
        try:
            for line in call.store.remove_image(name, force=force):
                print(line, flush=True)
        except NotFoundError as error:
            if not force:
                raise
            print(f"Error: {one_line(str(error))}", file=sys.stderr, flush=True)

    return 1 if each(call.args, remove) else 0
