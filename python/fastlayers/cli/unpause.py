"""`unpause`, `container unpause`: ends a pause."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.each import each

COMMAND = Command(
    "CONTAINER [CONTAINER...]",
    "Unpause all processes within one or more containers",
    arguments=(1, None),
    aliases=("container unpause", "unpause"),
)


def run(call: Call) -> int:
    def unpause(name: str) -> None:
        call.store.container(name).unpause()
        print(name, flush=True)

    return 1 if each(call.args, unpause) else 0
