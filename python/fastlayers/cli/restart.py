"""`restart`, `container restart`: stops containers and starts them again."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.each import each
from fastlayers.cli.stop import STOP_FLAGS, stop_words

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Restart one or more containers",
    STOP_FLAGS,
    arguments=(1, None),
    aliases=("container restart", "restart"),
)


def run(call: Call) -> int:
    def restart(name: str) -> None:
        call.store.container(name).restart(*stop_words(call))
        print(name, flush=True)

    return 1 if each(call.args, restart) else 0
