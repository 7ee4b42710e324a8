"""`flatten`: all layers of an image become one."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.commit import source_and_names

COMMAND = Command(
    "IMAGE [NAME[:TAG]...]",
    "Create a new image with all layers of another squashed into one",
    (),
    arguments=(1, None),
    aliases=("flatten",),
)


def run(call: Call) -> int:
    name, names = source_and_names(call)
    print(call.store.image(name).flatten(*names).id)
    return 0
