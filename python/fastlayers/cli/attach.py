"""`attach`, `container attach`: joins the streams of a container that runs in the background."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.flags import Flag
from fastlayers.cli.options import DETACH_KEYS, detach_keys
from fastlayers.cli.run import check_terminal
from fastlayers.errors import ConflictError, DetachedError

COMMAND = Command(
    "[OPTIONS] CONTAINER",
    "Attach local standard input, output, and error streams to a running container",
    (
        DETACH_KEYS,
        Flag("no-stdin", "", "bool", "Do not attach STDIN"),
        Flag("sig-proxy", "", "bool", "Proxy all received signals to the process", default=True),
    ),
    arguments=(1, 1),
    aliases=("container attach", "attach"),
)


def run(call: Call) -> int:
    from fastlayers.attachment import check_attachable

    keys = detach_keys(call)
    container = call.store.container(call.args[0])
    try:
        check_attachable(container)
        interactive = container.interactive and not call.flags.enabled("no-stdin")
        check_terminal(interactive, container.tty)
        return container.attach(
            interactive=interactive,
            forward_signals=call.flags.enabled("sig-proxy"),
            detach_keys=keys,
        )
    except (ConflictError, DetachedError) as error:
        raise CommandError(str(error)) from None
