"""`cp`, `container cp`: files between a container (or an image) and the host."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from fastlayers.cli import human
from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.flags import Flag
from fastlayers.errors import InvalidError

if TYPE_CHECKING:
    from fastlayers.container import Container
    from fastlayers.image import Image

COMMAND = Command(
    "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n"
    "\tfastlayers cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    "Copy files/folders between a container and the local filesystem\n\n"
    "Use '-' as the source to read a tar archive from stdin\n"
    "and extract it to a directory destination in a container.\n"
    "Use '-' as the destination to stream a tar archive of a\n"
    "container source to stdout. Where no container has the name,\n"
    "an IMAGE:SRC_PATH can be copied from.",
    (
        Flag("archive", "a", "bool", "Archive mode (copy all uid/gid information)"),
        Flag("follow-link", "L", "bool", "Always follow symbol link in SRC_PATH"),
        Flag("quiet", "q", "bool", "Suppress the line that says what was copied"),
    ),
    arguments=(2, 2),
    aliases=("container cp", "cp"),
)


def run(call: Call) -> int:
    source, target = call.args
    if not source:
        raise CommandError("source can not be empty")
    if not target:
        raise CommandError("destination can not be empty")
    from_name, from_path = split(source)
    to_name, to_path = split(target)
    if from_name and to_name:
        raise CommandError("copying between containers is not supported")
    if from_name:
        return _copy_out(call, from_name, from_path, to_path)
    if to_name:
        return _copy_in(call, from_path, to_name, to_path)
    raise CommandError("must specify at least one container source")


def split(text: str) -> tuple[str, str]:
    """The container (or "") and the path that an argument names: "box:/etc", "./a:b", "/a:b". An
    image's name may have a tag, and a port of its registry, before the last colon."""
    if text.startswith("/"):
        return "", text
    name, colon, path = text.partition(":")
    if not colon or name.startswith("."):
        return "", text
    if path.startswith("/") or ":/" not in path:
        return name, path
    longer, _, rest = path.partition(":/")
    return f"{name}:{longer}", f"/{rest}"


def _copy_out(call: Call, name: str, path: str, target: str) -> int:
    origin = _origin(call, name)
    to_stdout = target == "-"
    if to_stdout and sys.stdout.isatty():
        raise CommandError("cowardly refusing to copy a tar to a terminal: redirect it")
    copied = origin.copy_out(
        path,
        sys.stdout.buffer if to_stdout else target,
        follow_link=call.flags.enabled("follow-link"),
        keep_owners=call.flags.enabled("archive"),
    )
    if not to_stdout:
        _report(call, copied, os.path.abspath(target))
    return 0


def _origin(call: Call, name: str) -> Container | Image:
    container = call.store.try_container(name)
    image = call.store.try_image(name) if container is None else None
    return image or call.store.container(name)


def _copy_in(call: Call, source: str, name: str, path: str) -> int:
    container = call.store.container(name)
    from_stdin = source == "-"
    if not from_stdin and not os.path.lexists(source):
        raise CommandError(f"lstat {os.path.abspath(source)}: no such file or directory")
    try:
        copied = container.copy_in(
            sys.stdin.buffer if from_stdin else source,
            path,
            follow_link=call.flags.enabled("follow-link"),
        )
    except InvalidError as error:
        if from_stdin:  # of these docker's client complains itself
            raise CommandError(str(error)) from None
        raise
    _report(call, copied, f"{name}:{path}")
    return 0


def _report(call: Call, copied: int, where: str) -> None:
    """Only people want to know; as docker's, unless it is asked for."""
    quiet = call.flags.enabled("quiet") if call.flags.given("quiet") else not sys.stdout.isatty()
    if not quiet:
        print(f"Successfully copied {human.size(copied)} to {where}", file=sys.stderr)
