"""`logs`, `container logs`: what a container has written."""

from __future__ import annotations

import sys
import time
from typing import IO, TYPE_CHECKING

from fastlayers.cli.command import Call, Command
from fastlayers.cli.flags import Flag
from fastlayers.errors import InvalidError

if TYPE_CHECKING:
    from fastlayers.container_log import Piece

_PAUSE_SECONDS = 0.1
_BILLION = 1_000_000_000


def _check_tail(text: str) -> str:
    return "" if text == "all" or text.isdecimal() else "must be a number or all"


COMMAND = Command(
    "[OPTIONS] CONTAINER",
    "Fetch the logs of a container",
    (
        Flag("details", "", "bool", "Show extra details provided to logs (there are none)"),
        Flag("follow", "f", "bool", "Follow log output"),
        Flag(
            "since",
            "",
            "string",
            'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m")',
        ),
        Flag(
            "tail",
            "n",
            "string",
            "Number of lines to show from the end of the logs",
            default="all",
            check=_check_tail,
        ),
        Flag("timestamps", "t", "bool", "Show timestamps"),
        Flag(
            "until",
            "",
            "string",
            'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m")',
        ),
    ),
    arguments=(1, 1),
    aliases=("container logs", "logs"),
)


def run(call: Call) -> int:
    from fastlayers.container_log import ContainerLog

    flags = call.flags
    container = call.store.container(flags.args[0])
    since, until = _moment(flags.text("since")), _moment(flags.text("until"))
    printer = _Printer(flags.enabled("timestamps"), flags.enabled("details"))
    with ContainerLog(container.logs_path) as log:
        if flags.text("tail") != "all":
            log.skip_to_last(int(flags.text("tail")))
        while True:
            # Asked before it is read: what it wrote before its end is not missed.
            over = not flags.enabled("follow") or container.status != "running"
            over = over or bool(until and time.time_ns() > until)
            for piece in log.pieces(since, until):
                printer.show(piece)
            printer.flush()
            if over:
                return 0
            time.sleep(_PAUSE_SECONDS)


class _Printer:
    """Each stream to ours of the same name; what is asked for at the beginning of each line."""

    def __init__(self, with_times: bool, with_details: bool) -> None:
        self._details = b" " if with_details else b""  # what stands before lines without any
        self._with_times = with_times
        self._mid_line = {False: False, True: False}

    def show(self, piece: Piece) -> None:
        out: IO[bytes] = (sys.stderr if piece.error else sys.stdout).buffer
        before = self._details
        if self._with_times:
            from fastlayers.oci.timestamp import from_ns

            # All digits, so that lines lie below one another.
            moment = from_ns(piece.at).rstrip("Z").partition(".")[0]
            before = f"{moment}.{piece.at % _BILLION:09d}Z ".encode() + before
        if not before:
            out.write(piece.data)
            return
        for line in piece.data.splitlines(keepends=True):
            if not self._mid_line[piece.error]:
                out.write(before)
            out.write(line)
            self._mid_line[piece.error] = not line.endswith(b"\n")

    def flush(self) -> None:
        sys.stdout.buffer.flush()
        sys.stderr.buffer.flush()


def _moment(text: str) -> int:
    """Nanoseconds since 1970; 0 if there is none."""
    from fastlayers.cli import moment

    if not text:
        return 0
    found = moment.point_ns(text)
    if found is None:
        raise InvalidError(f"invalid time: {text[:60]!r}: write 2013-01-02T13:23:37Z, or 10m")
    return found
