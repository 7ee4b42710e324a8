"""`pull`, `image pull`: downloads an image."""

from __future__ import annotations

import sys

from fastlayers.cli import progress
from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.flags import Flag
from fastlayers.cli.obtain import pull
from fastlayers.errors import InvalidError

COMMAND = Command(
    "[OPTIONS] NAME[:TAG|@DIGEST]",
    "Download an image from a registry",
    (
        Flag("platform", "", "string", "Platform of the image, if there are several"),
        progress.FLAG,
        Flag("quiet", "q", "bool", "Suppress verbose output"),
    ),
    arguments=(1, 1),
    aliases=("image pull", "pull"),
)


def run(call: Call) -> int:
    from fastlayers.oci.reference import Reference

    try:
        reference = Reference.parse(call.args[0])
    except InvalidError as error:
        raise CommandError(str(error)) from None
    kind = "none" if call.flags.enabled("quiet") else call.flags.text("progress")
    if not reference.tag and not reference.digest and kind in ("auto", "plain"):
        print(f"Using default tag: {reference.tag_or_default}", flush=True)
    pull(call, reference, call.flags.text("platform"), stream=sys.stdout, kind=kind)
    if kind != "json":
        print(reference.name)
    return 0
