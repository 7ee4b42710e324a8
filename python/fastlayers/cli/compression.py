"""The flags that say how layers are compressed on their way to a registry."""

from __future__ import annotations

from fastlayers.cli.command import Call
from fastlayers.cli.flags import Flag

LEVEL = Flag("compression-level", "", "int", "Level of that compression (default: a fast one)")
COMPRESSION = (
    Flag(
        "compression-format",
        "",
        "string",
        'Compression of layers that have none yet ("gzip", "zstd", "none"; default gzip)',
    ),
    LEVEL,
)


def compression_level(call: Call) -> int | None:
    """The level that was given, if one was."""
    given = call.flags.given("compression-level")
    return call.flags.number("compression-level") if given else None
