"""`start`, `container start`: starts containers that were created or have exited."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.each import each
from fastlayers.cli.flags import Flag
from fastlayers.cli.run import check_terminal

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Start one or more stopped containers",
    (
        Flag("attach", "a", "bool", "Attach STDOUT/STDERR and forward signals"),
        Flag("interactive", "i", "bool", "Attach container's STDIN"),
    ),
    arguments=(1, None),
    aliases=("container start", "start"),
)


def run(call: Call) -> int:
    interactive = call.flags.enabled("interactive")
    if call.flags.enabled("attach") or interactive:
        if len(call.args) > 1:
            raise CommandError("you cannot start and attach multiple containers at once")
        container = call.store.container(call.args[0])
        check_terminal(interactive, container.tty)
        return container.start(attach=True, interactive=interactive)

    def start(name: str) -> None:
        call.store.container(name).start(attach=False)
        print(name, flush=True)

    failed = each(call.args, start)
    if failed:
        raise CommandError(f"failed to start containers: {', '.join(failed)}")
    return 0
