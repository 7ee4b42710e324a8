"""`port`, `container port`: where the ports of a container are published."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.errors import InvalidError
from fastlayers.port_option import parse_port, sort_key

COMMAND = Command(
    "CONTAINER [PRIVATE_PORT[/PROTO]]",
    "List port mappings or a specific mapping for the container",
    arguments=(1, 2),
    aliases=("container port", "port"),
)


def run(call: Call) -> int:
    name, wanted = [*call.args, ""][:2]
    published = call.store.container(name).ports()
    if not wanted:
        lines = [(sort_key(port.name), f"{port.name} -> {port.place}") for port in published]
        for _, line in sorted(lines):
            print(line)
        return 0
    number, _, protocol = wanted.partition("/")
    try:
        port = parse_port(number)
    except InvalidError as error:
        raise CommandError(str(error)) from None
    found = [each.place for each in published if each.name == f"{port}/{protocol or 'tcp'}"]
    if not found:
        raise CommandError(f"no public port '{wanted}' published for {name}")
    for place in sorted(found):
        print(place)
    return 0
