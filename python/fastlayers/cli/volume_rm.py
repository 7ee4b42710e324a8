"""`volume rm`, `volume remove`: removes volumes and their data."""

from __future__ import annotations

import sys

from fastlayers.cli.command import Call, Command
from fastlayers.cli.each import each
from fastlayers.cli.flags import Flag
from fastlayers.errors import NotFoundError

COMMAND = Command(
    "[OPTIONS] VOLUME [VOLUME...]",
    "Remove one or more volumes. You cannot remove a volume that is in use by a container.",
    (Flag("force", "f", "bool", "Force the removal of one or more volumes"),),
    arguments=(1, None),
    aliases=("volume rm", "volume remove"),
)


def run(call: Call) -> int:
    force = call.flags.enabled("force")

    def remove(name: str) -> None:
        try:
            call.store.volume(name).remove()
        except NotFoundError:
            if not force:
                raise
        print(name)
        sys.stdout.flush()

    return 1 if each(call.args, remove) else 0
