"""`volume create`: a volume without a container."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.flags import Flag
from fastlayers.errors import InvalidError, UnsupportedError

COMMAND = Command(
    "[OPTIONS] [VOLUME]",
    "Create a volume",
    (
        Flag("driver", "d", "string", "Specify volume driver name", default="local"),
        Flag("label", "", "list", "Set metadata for a volume"),
        Flag("opt", "o", "list", "Set driver specific options", value_name="map"),
    ),
    arguments=(0, 1),
)


def run(call: Call) -> int:
    flags = call.flags
    name = call.args[0] if call.args else ""
    driver = flags.text("driver")
    if driver != "local":
        raise InvalidError(
            f"create {name}: error looking up volume plugin {driver}: "
            f'plugin "{driver}" not found: there is local'
        )
    if flags.all("opt"):
        raise UnsupportedError(f"volume option {flags.all('opt')[0]} is not supported")
    labels = (label.partition("=") for label in flags.all("label"))
    volume = call.store.create_volume(name, labels={key: value for key, _, value in labels})
    print(volume.name)
    return 0
