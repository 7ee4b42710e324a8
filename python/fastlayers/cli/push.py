"""`push`, `image push`: uploads an image to its registry."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fastlayers.cli import progress
from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.compression import COMPRESSION, compression_level
from fastlayers.cli.flags import Flag
from fastlayers.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.oci.reference import Reference

COMMAND = Command(
    "[OPTIONS] NAME[:TAG]",
    "Upload an image to a registry",
    (
        Flag("all-tags", "a", "bool", "Push all tags of an image to the repository"),
        *COMPRESSION,
        progress.FLAG,
        Flag("quiet", "q", "bool", "Suppress verbose output"),
    ),
    arguments=(1, 1),
    aliases=("image push", "push"),
)


def run(call: Call) -> int:
    from fastlayers import transports
    from fastlayers.oci.reference import Reference

    try:
        reference = Reference.parse(call.args[0])
    except InvalidError as error:
        raise CommandError(str(error)) from None
    quiet = call.flags.enabled("quiet")
    kind = "none" if quiet else call.flags.text("progress")
    everything = call.flags.enabled("all-tags")
    if reference.digest:
        raise CommandError("cannot push a digest reference")
    if everything and reference.tag:
        raise CommandError("tag can't be used with --all-tags/-a")
    if not reference.tag and not everything and kind in ("auto", "plain"):
        print(f"Using default tag: {reference.tag_or_default}", flush=True)
    wanted = _all_tags(call, reference) if everything else [_image(call, reference)]
    heading = f"The push refers to repository [{reference.repository_name}]"
    for image, names in wanted:
        with progress.reporter(sys.stdout, heading, words=progress.PUSH_WORDS, kind=kind) as report:
            pushed = transports.push(
                call.store,
                image,
                names,
                compression=call.flags.text("compression-format") or None,
                level=compression_level(call),
                progress=report,
            )
            report.begin()
            for name in names:
                tag = name.tag_or_default
                report.say(f"{tag}: digest: {pushed.digest} size: {pushed.size}")
        heading = ""
    if quiet:
        print("\n".join(name.name for _, names in wanted for name in names))
    return 0


def _image(call: Call, reference: Reference) -> tuple[Image, list[Reference]]:
    image = call.store.try_image(reference.name)
    if image is None:
        raise NotFoundError(f"An image does not exist locally with the tag: {reference.familiar}")
    return image, [reference]


def _all_tags(call: Call, reference: Reference) -> list[tuple[Image, list[Reference]]]:
    """Each image that has names of the repository, with these names."""
    from fastlayers.oci.reference import Reference

    found = []
    for image in call.store.images():
        names = [Reference.parse(name) for name in image.names]
        ours = [name for name in names if name.repository_name == reference.repository_name]
        if ours:
            found.append((image, ours))
    if not found:
        raise NotFoundError(
            f"An image does not exist locally with the tag: {reference.familiar_repository}"
        )
    return found
