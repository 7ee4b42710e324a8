"""`explore`: an image on the terminal, layer by layer, with the keys of dive."""

from __future__ import annotations

import sys

from fastlayers.cli.command import Call, Command, CommandError

COMMAND = Command(
    "IMAGE",
    "Look at an image layer by layer on the terminal, with the keys of dive",
    arguments=(1, 1),
    aliases=("explore",),
)


def run(call: Call) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandError(
            "explore needs a terminal: layers, find and blame tell the same to scripts"
        )
    image = call.image(call.args[0])
    try:
        import textual  # noqa: F401
    except ModuleNotFoundError:
        raise CommandError(
            "explore needs textual, which is not installed: pip install 'fastlayers[explore]'"
        ) from None
    from fastlayers.cli.explorer.app import Explorer

    Explorer(image, call.args[0]).run()
    return 0
