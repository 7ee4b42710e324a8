"""`umount`: ends what `mount` began."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.each import each

COMMAND = Command(
    "TARGET [TARGET...]",
    "Unmount what mount has mounted",
    arguments=(1, None),
    aliases=("container umount", "image umount", "umount"),
)


def run(call: Call) -> int:
    return 1 if each(call.args, call.store.unmount) else 0
