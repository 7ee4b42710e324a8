"""`copy`: an image from any place to any other."""

from __future__ import annotations

import sys

from fastlayers.cli import progress
from fastlayers.cli.command import Call, Command
from fastlayers.cli.compression import COMPRESSION, compression_level
from fastlayers.cli.flags import Flag
from fastlayers.errors import InvalidError

COMMAND = Command(
    "[OPTIONS] SOURCE DESTINATION",
    "Copy an image between registries, archives, layouts and the store\n\n"
    "SOURCE and DESTINATION are docker://NAME, docker-archive:FILE:NAME,\n"
    "oci:FOLDER:NAME, oci-archive:FILE:NAME, or the NAME of an image in the store",
    (
        Flag("all", "a", "bool", "Copy the images for all platforms, and what is attached"),
        Flag("platform", "", "string", "Platform of the image, if there are several"),
        Flag(
            "referrers", "", "bool", "Copy what refers to it, too: signatures, SBOMs, attestations"
        ),
        *COMPRESSION,
        progress.FLAG,
        Flag("quiet", "q", "bool", "Suppress verbose output"),
    ),
    arguments=(2, 2),
    aliases=("copy",),
)


def run(call: Call) -> int:
    from fastlayers import transports

    source, target = call.args
    everything, platform = call.flags.enabled("all"), call.flags.text("platform")
    if everything and platform:
        raise InvalidError("--all and --platform exclude each other")
    kind = "none" if call.flags.enabled("quiet") else call.flags.text("progress")
    with progress.reporter(sys.stdout, words=progress.COPY_WORDS, kind=kind) as report:
        digest = transports.copy(
            call.store,
            source,
            target,
            platform=platform or None,
            every_platform=everything,
            compression=call.flags.text("compression-format") or None,
            level=compression_level(call),
            referrers=call.flags.enabled("referrers"),
            progress=report,
        )
    if kind != "json":
        print(digest)
    return 0
