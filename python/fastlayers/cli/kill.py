"""`kill`, `container kill`: sends a signal to the commands of containers."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.each import each
from fastlayers.cli.flags import Flag
from fastlayers.errors import InvalidError, NotFoundError

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Kill one or more running containers",
    (Flag("signal", "s", "string", "Signal to send to the container", default="KILL"),),
    arguments=(1, None),
    aliases=("container kill", "kill"),
)


def run(call: Call) -> int:
    def kill(name: str) -> None:
        try:
            container = call.store.container(name)
        except NotFoundError as error:
            raise NotFoundError(f"cannot kill container: {name}: {error}") from None
        try:
            container.kill(call.flags.text("signal"))
        except InvalidError as error:
            raise InvalidError(f"cannot kill container: {name}: {error}") from None
        print(name, flush=True)

    return 1 if each(call.args, kill) else 0
