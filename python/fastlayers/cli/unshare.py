"""`unshare`: a command in the user namespace that the store's containers are in."""

from __future__ import annotations

import os

from fastlayers.cli.command import Call, Command, VerbError
from fastlayers.errors import CommandNotFoundError, NotExecutableError

COMMAND = Command(
    "COMMAND [ARG...]",
    "Run a command as root of the user namespace of rootless containers",
    arguments=(1, None),
    interspersed=False,
)


def run(call: Call) -> int:
    from fastlayers import rootless

    if not rootless.entered:
        raise VerbError("unshare is for ordinary users: you are root already")
    try:
        os.execvpe(call.args[0], call.args, os.environ)
    except OSError as error:
        kind = CommandNotFoundError if isinstance(error, FileNotFoundError) else NotExecutableError
        raise kind(f"exec: {call.args[0]}: {(error.strerror or '').lower()}") from None
