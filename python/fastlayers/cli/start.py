"""`start`, `container start`: starts containers that were created or have exited."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.each import each
from fastlayers.cli.flags import Flag
from fastlayers.cli.options import DETACH_KEYS, detach_keys
from fastlayers.cli.run import check_terminal
from fastlayers.errors import DetachedError

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Start one or more stopped containers",
    (
        Flag("attach", "a", "bool", "Attach STDOUT/STDERR and forward signals"),
        DETACH_KEYS,
        Flag("interactive", "i", "bool", "Attach container's STDIN"),
    ),
    arguments=(1, None),
    aliases=("container start", "start"),
)


def run(call: Call) -> int:
    interactive, keys = call.flags.enabled("interactive"), detach_keys(call)
    if call.flags.enabled("attach") or interactive:
        if len(call.args) > 1:
            raise CommandError("you cannot start and attach multiple containers at once")
        container = call.store.container(call.args[0])
        check_terminal(interactive, container.tty)
        try:
            return container.start(attach=True, interactive=interactive, detach_keys=keys)
        except DetachedError:
            return 0

    def start(name: str) -> None:
        call.store.container(name).start(attach=False)
        print(name, flush=True)

    failed = each(call.args, start)
    if failed:
        raise CommandError(f"failed to start containers: {', '.join(failed)}")
    return 0
