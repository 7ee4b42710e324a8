"""`stop`, `container stop`: asks containers to end, and kills them after a while."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.each import each
from fastlayers.cli.flags import Flag

STOP_FLAGS = (
    Flag("signal", "s", "string", "Signal to send to the container"),
    Flag("timeout", "t", "int", "Seconds to wait before killing the container"),
)
COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Stop one or more running containers",
    STOP_FLAGS,
    arguments=(1, None),
    aliases=("container stop", "stop"),
)


def stop_words(call: Call) -> tuple[int | None, str | None]:
    """Seconds and signal of the flags; None is for what the container was made with."""
    flags = call.flags
    seconds = flags.number("timeout") if flags.given("timeout") else None
    return seconds, flags.text("signal") or None


def run(call: Call) -> int:
    def stop(name: str) -> None:
        call.store.container(name).stop(*stop_words(call))
        print(name, flush=True)

    return 1 if each(call.args, stop) else 0
