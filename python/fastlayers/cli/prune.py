"""What the prunes share: the question before, the filters, what is said afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastlayers.cli import human, moment
from fastlayers.cli.command import Call
from fastlayers.cli.filters import Filters, has_label
from fastlayers.cli.flags import Flag
from fastlayers.errors import InvalidError

if TYPE_CHECKING:
    from fastlayers.container import Container
    from fastlayers.image import Image
    from fastlayers.volume import Volume

    Matches = Callable[[Container | Image | Volume], bool]

_FORCE = Flag("force", "f", "bool", "Do not prompt for confirmation")
ALL = "all images without at least one container associated to them"
DANGLING = "all dangling images"


def flags(*more: Flag) -> tuple[Flag, ...]:
    """The flags of a prune."""
    help = 'Provide filter values (e.g. "until=<timestamp>")'
    return (*more, Flag("filter", "", "list", help, value_name="filter"), _FORCE)


def all_flag() -> Flag:
    """The --all of those that remove images."""
    return Flag("all", "a", "bool", "Remove all unused images, not just dangling ones")


def confirm(call: Call, warning: str) -> bool:
    """Asks, unless --force; whether the answer is yes."""
    if call.flags.enabled("force"):
        return True
    print(f"{warning}\nAre you sure you want to continue? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def matches(call: Call) -> Matches:
    """What the filters (until, label, label!) accept."""
    filters = Filters(call.flags.all("filter"), ("until", "label", "label!"))
    until = [_until(text) for text in filters.values("until")]

    def accepts(thing: Container | Image | Volume) -> bool:
        created = moment.parse(thing.created) or 0.0
        if any(created > limit for limit in until):
            return False
        if any(has_label(thing.labels, wanted) for wanted in filters.values("label!")):
            return False
        return filters.labels(thing.labels)

    return accepts


def _until(text: str) -> float:
    """Seconds since 1970."""
    found = moment.point_ns(text)
    if found is None:
        raise InvalidError(f'invalid filter "until={text[:40]}": no time and no span')
    return found / 1e9


def report(heading: str, lines: list[str]) -> None:
    """A list of what went, if anything did."""
    if lines:
        print(f"{heading}:", *lines, sep="\n", end="\n\n")


def report_images(lines: list[str]) -> None:
    """The same for images; docker writes these words small."""
    report("Deleted Images", [line[:1].lower() + line[1:] for line in lines])


def report_bytes(freed: int) -> None:
    """The last line of each."""
    print(f"Total reclaimed space: {human.size(freed, 4)}")
