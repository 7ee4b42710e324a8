"""`exec`, `container exec`: runs a command in a container that runs."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.flags import Flag
from fastlayers.cli.options import DETACH_KEYS, ENV_FLAGS, detach_keys, env_of
from fastlayers.cli.run import check_terminal
from fastlayers.errors import DetachedError

COMMAND = Command(
    "[OPTIONS] CONTAINER COMMAND [ARG...]",
    "Execute a command in a running container",
    (
        Flag("detach", "d", "bool", "Detached mode: run command in the background"),
        DETACH_KEYS,
        *ENV_FLAGS,
        Flag("interactive", "i", "bool", "Keep STDIN open even if not attached"),
        Flag("privileged", "", "bool", "Give extended privileges to the command"),
        Flag("tty", "t", "bool", "Allocate a pseudo-TTY"),
        Flag("user", "u", "string", "Username or UID (format: <name|uid>[:<group|gid>])"),
        Flag("workdir", "w", "string", "Working directory inside the container"),
    ),
    arguments=(2, None),
    aliases=("container exec", "exec"),
    interspersed=False,
)


def run(call: Call) -> int:
    from fastlayers.container_exec import execute
    from fastlayers.launcher import Streams

    flags, keys = call.flags, detach_keys(call)
    detached, tty = flags.enabled("detach"), flags.enabled("tty")
    interactive = flags.enabled("interactive") and not detached
    if not detached:
        check_terminal(interactive, tty)
    name, *command = call.args
    container, env = call.store.container(name), env_of(call)
    try:
        return execute(
            container,
            command,
            Streams(attach=not detached, interactive=interactive),
            env=env,
            user=flags.text("user") or None,
            workdir=flags.text("workdir") or None,
            privileged=flags.enabled("privileged"),
            tty=tty,
            detach_keys=keys,
        )
    except DetachedError as error:
        raise CommandError(str(error)) from None
