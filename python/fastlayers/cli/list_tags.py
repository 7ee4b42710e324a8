"""`list-tags`: the tags of a repository in its registry."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command
from fastlayers.cli.flags import Flag

COMMAND = Command(
    "[OPTIONS] REPOSITORY",
    "List the tags of a repository in its registry",
    (
        Flag(
            "format",
            "",
            "string",
            'How they are printed ("json", or one a line)',
            check=lambda text: "" if text == "json" else "must be json",
        ),
    ),
    arguments=(1, 1),
    aliases=("list-tags",),
)


def run(call: Call) -> int:
    from fastlayers import transports
    from fastlayers.oci.reference import Reference

    name = call.args[0].removeprefix("docker://")
    found = transports.tags(name)
    if call.flags.text("format"):
        import json

        repository = Reference.parse(name).repository_name
        print(json.dumps({"Repository": repository, "Tags": found}, indent=4))
    else:
        for tag in found:
            print(tag)
    return 0
