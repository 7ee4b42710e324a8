"""`pause`, `container pause`: holds all processes of containers still."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.each import each

COMMAND = Command(
    "CONTAINER [CONTAINER...]",
    "Pause all processes within one or more containers",
    arguments=(1, None),
    aliases=("container pause", "pause"),
)


def run(call: Call) -> int:
    def pause(name: str) -> None:
        call.store.container(name).pause()
        print(name, flush=True)

    return 1 if each(call.args, pause) else 0
