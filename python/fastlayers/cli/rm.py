"""`rm`, `container rm`, `container remove`: removes containers and what they changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastlayers.cli.command import Call, Command
from fastlayers.cli.each import each
from fastlayers.cli.flags import Flag
from fastlayers.errors import NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastlayers.container import Container

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Remove one or more containers",
    (
        Flag("force", "f", "bool", "Force the removal of a running container (uses SIGKILL)"),
        Flag("volumes", "v", "bool", "Remove anonymous volumes associated with the container"),
    ),
    arguments=(1, None),
    aliases=("container rm", "container remove", "rm"),
)


def run(call: Call) -> int:
    force, volumes = call.flags.enabled("force"), call.flags.enabled("volumes")
    found: dict[str, Container] = {}

    def with_force(act: Callable[[str], None], name: str) -> None:
        """What is to be gone is gone: with --force that is no failure."""
        try:
            act(name)
        except NotFoundError:
            if not force:
                raise

    def find(name: str) -> None:
        found[name] = call.store.container(name)

    def remove(name: str) -> None:
        found[name].remove(force=force, volumes=volumes)
        print(name, flush=True)

    # All are found before the first goes: the list of IDs need not be read for each of them.
    missing = each(call.args, partial(with_force, find))
    failed = each(found, partial(with_force, remove))
    return 1 if missing or failed else 0
