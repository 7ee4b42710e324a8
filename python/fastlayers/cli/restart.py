"""`restart`, `container restart`: stops containers and starts them again."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.each import each
from fastlayers.cli.flags import Flag

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Restart one or more containers",
    (Flag("timeout", "t", "int", "Seconds to wait before killing the container", default=10),),
    arguments=(1, None),
    aliases=("container restart", "restart"),
)


def run(call: Call) -> int:
    def restart(name: str) -> None:
        call.store.container(name).restart(timeout=call.flags.number("timeout"))
        print(name, flush=True)

    return 1 if each(call.args, restart) else 0
