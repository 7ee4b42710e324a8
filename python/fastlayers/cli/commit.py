"""`commit`, `container commit`: makes an image of a container and what it changed."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.flags import Flag
from fastlayers.errors import InvalidError

COMMAND = Command(
    "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    "Create a new image from a container's changes",
    (
        Flag("author", "a", "string", 'Author (e.g., "Jane Doe <jane@example.org>")'),
        Flag("change", "c", "list", "Apply Dockerfile instruction to the created image"),
        Flag("message", "m", "string", "Commit message"),
        Flag("no-pause", "", "bool", "Disable pausing container during commit"),
        Flag("pause", "p", "bool", "Pause container during commit", default=True),
    ),
    arguments=(1, 2),
    aliases=("container commit", "commit"),
)


def run(call: Call) -> int:
    name = call.args[1] if len(call.args) == 2 else None
    check_name(name)
    image = call.store.container(call.args[0]).commit(
        name,
        message=call.flags.text("message"),
        author=call.flags.text("author"),
        changes=call.flags.all("change"),
        pause=call.flags.enabled("pause") and not call.flags.enabled("no-pause"),
    )
    print(image.id)
    return 0


def source_and_names(call: Call) -> tuple[str, list[str]]:
    """Of a verb that makes an image of one: which, and what the new one is to be called."""
    source, *names = call.args
    for name in names:
        check_name(name)
    return source, names


def check_name(name: str | None) -> None:
    """A name for a new image: known to be one before the work starts."""
    from fastlayers.oci.reference import Reference

    if not name:
        return
    try:
        digest = Reference.parse(name).digest
    except InvalidError as error:
        raise CommandError(str(error)) from None
    if digest:
        raise CommandError(f"invalid reference format: {name} names a digest, not a tag")
