"""`convert`: an image with its layers compressed in another way."""

from __future__ import annotations

import sys

from fastlayers.cli import progress
from fastlayers.cli.command import Call, Command
from fastlayers.cli.commit import source_and_names
from fastlayers.cli.compression import LEVEL, compression_level
from fastlayers.cli.flags import Flag
from fastlayers.errors import InvalidError

COMMAND = Command(
    "[OPTIONS] IMAGE [NAME[:TAG]...]",
    "Compress the layers of an image in another way\n\n"
    "The image ID stays what it is. Without a NAME, IMAGE itself is what is converted",
    (
        Flag("compression-format", "", "string", 'Compression wanted ("gzip", "zstd", "none")'),
        LEVEL,
        progress.FLAG,
        Flag("quiet", "q", "bool", "Suppress verbose output"),
    ),
    arguments=(1, None),
    aliases=("convert",),
)


def run(call: Call) -> int:
    from fastlayers import rewriting

    if not call.flags.given("compression-format"):
        raise InvalidError("say with --compression-format which compression: gzip, zstd or none")
    name, names = source_and_names(call)
    image = call.store.image(name)
    kind = "none" if call.flags.enabled("quiet") else call.flags.text("progress")
    with progress.reporter(sys.stdout, words=progress.CONVERT_WORDS, kind=kind) as report:
        made = rewriting.convert(
            image,
            names,
            compression=call.flags.text("compression-format"),
            level=compression_level(call),
            progress=report,
        )
    if kind != "json":
        print(made.digest)
    return 0
