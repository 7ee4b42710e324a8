"""`import`, `image import`: an image of one layer from the tar of a root file system."""

from __future__ import annotations

import sys

from fastlayers.cli import progress
from fastlayers.cli.command import Call, Command, existing
from fastlayers.cli.commit import check_name
from fastlayers.cli.flags import Flag

COMMAND = Command(
    "[OPTIONS] file|- [REPOSITORY[:TAG]]",
    "Import the contents from a tarball to create a filesystem image",
    (
        Flag("change", "c", "list", "Apply Dockerfile instruction to the created image"),
        Flag("message", "m", "string", "Set commit message for imported image"),
        Flag("platform", "", "string", "Platform the files are for, if not this one"),
        progress.FLAG,
    ),
    arguments=(1, 2),
    aliases=("image import", "import"),
)


def run(call: Call) -> int:
    from fastlayers import transports

    name = call.args[1] if len(call.args) == 2 else None
    check_name(name)
    source = sys.stdin.buffer if call.args[0] == "-" else existing(call.args[0])
    kind = call.flags.text("progress")
    # The ID alone is what is printed on stdout.
    with progress.reporter(sys.stderr, words=progress.LOAD_WORDS, kind=kind, lines=False) as report:
        image = transports.import_rootfs(
            call.store,
            source,
            name,
            changes=call.flags.all("change"),
            message=call.flags.text("message"),
            platform=call.flags.text("platform") or None,
            progress=report,
        )
    print(image.id)
    return 0
