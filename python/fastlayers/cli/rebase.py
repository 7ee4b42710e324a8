"""`rebase`: an image's own layers on top of another base."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.commit import source_and_names
from fastlayers.cli.flags import Flag

COMMAND = Command(
    "[OPTIONS] --new-base NEW IMAGE [NAME[:TAG]...]",
    "Create a new image with an image's own layers on another base",
    (
        Flag("new-base", "", "string", "The image to put them on"),
        Flag(
            "old-base", "", "string", "The image it was built on (default: what its manifest says)"
        ),
    ),
    arguments=(1, None),
    aliases=("rebase",),
)


def run(call: Call) -> int:
    name, names = source_and_names(call)
    if not call.flags.given("new-base"):
        raise CommandError("say with --new-base which image to put the layers on")
    image = call.store.image(name)
    onto = call.store.image(call.flags.text("new-base"))
    old = call.flags.text("old-base")
    made = image.rebase(*names, onto=onto, base=call.store.image(old) if old else None)
    print(made.id)
    return 0
