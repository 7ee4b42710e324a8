"""`port`, `container port`: where the ports of a container are published."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.port_option import sort_key

COMMAND = Command(
    "CONTAINER [PRIVATE_PORT[/PROTO]]",
    "List port mappings or a specific mapping for the container",
    arguments=(1, 2),
    aliases=("container port", "port"),
)


def run(call: Call) -> int:
    name = call.args[0]
    published = call.store.container(name).ports()
    if len(call.args) == 1:
        lines = [(sort_key(port.name), f"{port.name} -> {port.place}") for port in published]
        for _, line in sorted(lines):
            print(line)
        return 0
    wanted = call.args[1]
    number, _, protocol = wanted.partition("/")
    if not (number.isascii() and number.isdigit()):
        complaint = f'strconv.ParseUint: parsing "{number}": invalid syntax'
        raise CommandError(f"Error: invalid port ({number}): {complaint}")
    found = [port.place for port in published if port.name == f"{number}/{protocol or 'tcp'}"]
    if not found:
        raise CommandError(f"Error: No public port '{wanted}' published for {name}")
    for place in sorted(found):
        print(place)
    return 0
