"""`tag`, `image tag`: gives an image one more name."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.errors import InvalidError

COMMAND = Command(
    "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    arguments=(2, 2),
    aliases=("image tag", "tag"),
)


def run(call: Call) -> int:
    from fastlayers.oci.reference import Reference

    source, target = call.args
    try:
        reference = Reference.parse(target)
    except InvalidError as error:
        what = f'error parsing reference: "{target}" is not a valid repository/tag'
        raise CommandError(f"{what}: {error}") from None
    if reference.digest:
        raise CommandError("refusing to create a tag with a digest reference")
    call.store.tag(call.store.image(source), target)
    return 0
