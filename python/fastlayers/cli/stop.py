"""`stop`, `container stop`: asks containers to end, and kills them after a while."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.each import each
from fastlayers.cli.flags import Flag

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Stop one or more running containers",
    (Flag("timeout", "t", "int", "Seconds to wait before killing the container", default=10),),
    arguments=(1, None),
    aliases=("container stop", "stop"),
)


def run(call: Call) -> int:
    def stop(name: str) -> None:
        call.store.container(name).stop(timeout=call.flags.number("timeout"))
        print(name, flush=True)

    return 1 if each(call.args, stop) else 0
