"""`volume ls`, `volume list`: the volumes, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastlayers.cli.command import Call, Command
from fastlayers.cli.filters import Filters, filter_flag
from fastlayers.cli.flags import Flag
from fastlayers.cli.listing import Listing, format_flag

if TYPE_CHECKING:
    from fastlayers.volume import Volume

COMMAND = Command(
    "[OPTIONS]",
    "List volumes",
    (
        filter_flag(),
        format_flag(),
        Flag("quiet", "q", "bool", "Only display volume names"),
    ),
    arguments=(0, 0),
    aliases=("volume ls", "volume list"),
)
_HEADINGS: dict[str, object] = {
    "Availability": "AVAILABILITY",
    "Driver": "DRIVER",
    "Group": "GROUP",
    "Label": lambda name: name.rpartition(".")[2],
    "Labels": "LABELS",
    "Links": "LINKS",
    "Mountpoint": "MOUNTPOINT",
    "Name": "VOLUME NAME",
    "Scope": "SCOPE",
    "Size": "SIZE",
    "Status": "STATUS",
}
_FILTERS = ("dangling", "driver", "label", "name")
_NOT_KNOWN = "N/A"


def run(call: Call) -> int:
    flags = call.flags
    filters = Filters(flags.all("filter"), _FILTERS)
    dangling = filters.flag("dangling")
    used: set[str] = set()
    if dangling is not None:
        from fastlayers.volume_store import users

        used = set(users(call.store))
    found = [
        volume
        for volume in call.store.volumes()
        if filters.any("name", lambda part, name=volume.name: part in name)  # type: ignore[misc]
        and filters.any("driver", lambda driver: driver == "local")
        and filters.labels(volume.labels)
        and (dangling is None or dangling == (volume.name not in used))
    ]
    if flags.enabled("quiet") and not flags.text("format"):
        for volume in found:
            print(volume.name)
        return 0
    Listing("volume", _HEADINGS, ("Driver", "Name")).print(
        map(_row, found), flags.text("format"), quiet=False
    )
    return 0


def _row(volume: Volume) -> dict[str, object]:
    labels = volume.labels
    return {
        "Availability": _NOT_KNOWN,
        "Driver": "local",
        "Group": _NOT_KNOWN,
        "Label": lambda name: labels.get(name, ""),
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        "Links": _NOT_KNOWN,
        "Mountpoint": volume.mountpoint,
        "Name": volume.name,
        "Scope": "local",
        "Size": _NOT_KNOWN,
        "Status": _NOT_KNOWN,
    }
