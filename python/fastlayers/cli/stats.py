"""`stats`, `container stats`: what containers use, again and again."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from fastlayers.cli import human
from fastlayers.cli.command import Call, Command
from fastlayers.cli.flags import Flag
from fastlayers.cli.listing import Listing, format_flag

if TYPE_CHECKING:
    from fastlayers.container import Container
    from fastlayers.measuring import Use

COMMAND = Command(
    "[OPTIONS] [CONTAINER...]",
    "Display a live stream of container(s) resource usage statistics",
    (
        Flag("all", "a", "bool", "Show all containers (default shows just running)"),
        format_flag(),
        Flag("no-stream", "", "bool", "Disable streaming stats and only pull the first result"),
        Flag("no-trunc", "", "bool", "Do not truncate output"),
    ),
    arguments=(0, None),
    aliases=("container stats", "stats"),
)
_HEADINGS: dict[str, object] = {
    "BlockIO": "BLOCK I/O",
    "CPUPerc": "CPU %",
    "Container": "CONTAINER",
    "ID": "CONTAINER ID",
    "MemPerc": "MEM %",
    "MemUsage": "MEM USAGE / LIMIT",
    "Name": "NAME",
    "NetIO": "NET I/O",
    "PIDs": "PIDS",
}
_COLUMNS = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
_INTERVAL_SECONDS = 1.0
_CLEAR = "\033[2J\033[H"


def run(call: Call) -> int:
    from fastlayers.measuring import measure

    flags = call.flags
    named = [call.store.container(name) for name in call.args]
    listing = Listing("stats", _HEADINGS, _COLUMNS)
    before: dict[str, Use] = {}
    rounds = 0
    while True:
        containers = named or call.store.containers(all=flags.enabled("all"))
        now = {container.id: measure(container) for container in containers}
        # The first numbers are those of a second: of an instant there is no share of a processor.
        if rounds:
            rows = [
                _row(container, now[container.id], before.get(container.id, now[container.id]),
                     full=flags.enabled("no-trunc"))
                for container in containers
            ]  # fmt: skip
            if sys.stdout.isatty() and not flags.enabled("no-stream"):
                print(_CLEAR, end="")
            listing.print(rows, flags.text("format"), quiet=False)
            sys.stdout.flush()
            if flags.enabled("no-stream"):
                return 0
        rounds += 1
        before = now
        time.sleep(_INTERVAL_SECONDS)


def _row(container: Container, use: Use, before: Use, *, full: bool) -> dict[str, object]:
    share = 100 * use.memory / use.memory_limit if use.memory_limit else 0.0
    return {
        "BlockIO": f"{human.size(use.read)} / {human.size(use.written)}",
        "CPUPerc": f"{use.cpu_percent(before):.2f}%",
        "Container": container.name,
        "ID": container.id if full else container.short_id,
        "MemPerc": f"{share:.2f}%",
        "MemUsage": f"{human.binary_size(use.memory)} / {human.binary_size(use.memory_limit)}",
        "Name": container.name,
        "NetIO": f"{human.size(use.received)} / {human.size(use.sent)}",
        "PIDs": str(use.processes),
    }
