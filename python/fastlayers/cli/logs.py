"""`logs`, `container logs`: what a container has written."""

from __future__ import annotations

import os
import sys
import time
from typing import IO, TYPE_CHECKING

from fastlayers.cli.command import Call, Command
from fastlayers.cli.flags import Flag

if TYPE_CHECKING:
    from fastlayers.container import Container

_CHUNK_BYTES = 1 << 16
_PAUSE_SECONDS = 0.1


def _check_tail(text: str) -> str:
    return "" if text == "all" or text.isdecimal() else "must be a number or all"


COMMAND = Command(
    "[OPTIONS] CONTAINER",
    "Fetch the logs of a container",
    (
        Flag("follow", "f", "bool", "Follow log output"),
        Flag(
            "tail",
            "n",
            "string",
            "Number of lines to show from the end of the logs",
            default="all",
            check=_check_tail,
        ),
    ),
    arguments=(1, 1),
    aliases=("container logs", "logs"),
)


def run(call: Call) -> int:
    container = call.store.container(call.args[0])
    if not os.path.exists(container.logs_path):
        return 0  # it has never run
    with open(container.logs_path, "rb", buffering=0) as log:
        tail = call.flags.text("tail")
        if tail != "all":
            log.seek(_start_of_last(log, int(tail)))
        _copy(log)
        if call.flags.enabled("follow"):
            _follow(log, container)
    return 0


def _copy(log: IO[bytes]) -> None:
    while chunk := log.read(_CHUNK_BYTES):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def _follow(log: IO[bytes], container: Container) -> None:
    while container.status == "running":
        _copy(log)
        time.sleep(_PAUSE_SECONDS)
    _copy(log)


def _start_of_last(log: IO[bytes], lines: int) -> int:
    """Where the last lines start: read from the end, a piece at a time."""
    position = end = log.seek(0, 2)
    if not lines:
        return end
    missing = lines
    while position > 0:
        start = max(0, position - _CHUNK_BYTES)
        log.seek(start)
        chunk = log.read(position - start)
        for offset in range(len(chunk) - 1, -1, -1):
            # The newline at the very end closes the last line, it does not start another one.
            if chunk[offset] == 10 and start + offset != end - 1:
                missing -= 1
                if not missing:
                    return start + offset + 1
        position = start
    return 0
