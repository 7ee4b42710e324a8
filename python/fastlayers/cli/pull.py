"""`pull`, `image pull`: downloads an image."""

from __future__ import annotations

import sys

from fastlayers.cli import progress
from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.flags import Flag
from fastlayers.cli.obtain import is_there, pull
from fastlayers.errors import InvalidError, NotFoundError

_POLICIES = ("always", "missing", "never")


def _check_policy(text: str) -> str:
    return "" if text in _POLICIES else f"must be one of {', '.join(_POLICIES)}"


COMMAND = Command(
    "[OPTIONS] NAME[:TAG|@DIGEST]",
    "Download an image from a registry",
    (
        Flag("platform", "", "string", "Platform of the image, if there are several"),
        Flag(
            "policy",
            "",
            "string",
            'When to ask the registry ("always", "missing", "never")',
            default="always",
            check=_check_policy,
        ),
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
    policy = call.flags.text("policy")
    platform = call.flags.text("platform")
    if policy != "always" and is_there(call.store, reference, platform):
        print(reference.name)
        return 0
    if policy == "never":
        raise NotFoundError(f"No such image: {reference.familiar}")
    if not reference.tag and not reference.digest and kind in ("auto", "plain"):
        print(f"Using default tag: {reference.tag_or_default}", flush=True)
    pull(call, reference, platform, stream=sys.stdout, kind=kind)
    if kind != "json":
        print(reference.name)
    return 0
