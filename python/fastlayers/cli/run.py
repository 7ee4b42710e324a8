"""`run`, `container run`: makes a container from an image and runs it.

The way to here and through here is measured in milliseconds: nothing is imported that a run of an
image in the store does not use.
"""

from __future__ import annotations

import sys

from fastlayers.cli.command import Call, Command, CommandError, VerbError
from fastlayers.cli.flags import Flag
from fastlayers.cli.obtain import image_to_run
from fastlayers.cli.options import (
    DETACH_KEYS,
    SIGNAL_PROXY,
    CidFile,
    check_pull_policy,
    container_options,
    detach_keys,
    flags_with,
    warn_of,
)
from fastlayers.errors import DetachedError, FastlayersError, LaunchError

COMMAND = Command(
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create and run a new container from an image",
    flags_with(
        Flag("detach", "d", "bool", "Run container in background and print container ID"),
        DETACH_KEYS,
        SIGNAL_PROXY,
    ),
    arguments=(1, None),
    aliases=("container run", "run"),
    interspersed=False,
)


def run(call: Call) -> int:
    check_pull_policy(call)
    detached = call.flags.enabled("detach")
    if detached and call.flags.all("attach"):
        raise CommandError("conflicting options: cannot specify both --attach and --detach")
    if not detached:
        check_terminal(call.flags.enabled("interactive"), call.flags.enabled("tty"))
    try:
        return _run(call, detached)
    except (CommandError, VerbError):
        raise
    except FastlayersError as error:
        code = error.exit_code if isinstance(error, LaunchError) else 125
        raise VerbError(str(error), code) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        from fastlayers.cli import describe

        raise VerbError(describe(error)) from None


def check_terminal(interactive: bool, tty: bool) -> None:
    """A terminal inside that is fed from here needs one here."""
    if interactive and tty and not sys.stdin.isatty():
        raise CommandError(
            "cannot attach stdin to a TTY-enabled container because stdin is not a terminal"
        )


def _run(call: Call, detached: bool) -> int:
    options, keys = container_options(call, detached=detached), detach_keys(call)
    with CidFile(call.flags.text("cidfile")) as cid_file:
        image = image_to_run(call, call.args[0])
        container = call.store.create_container(image, options, image_name=call.args[0], sync=False)
        cid_file.write(container.id)
    warn_of(options)
    try:
        code = container.start(
            attach=not detached,
            interactive=options.interactive,
            detach_keys=keys,
            forward_signals=call.flags.enabled("sig-proxy"),
            stdout_fd=1 if options.attaches("stdout") else -1,
            stderr_fd=2 if options.attaches("stderr") else -1,
        )
    except DetachedError:
        return 0
    except KeyboardInterrupt:
        if container.status == "created":
            container.remove(force=True, volumes=True)
        raise
    if detached:
        print(container.id)
        return 0
    return code
