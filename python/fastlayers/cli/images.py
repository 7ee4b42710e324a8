"""`images`, `image ls`, `image list`: the images of the store, newest first."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastlayers.cli import human, moment
from fastlayers.cli.command import Call, Command
from fastlayers.cli.filters import Filters, filter_flag, glob
from fastlayers.cli.flags import Flag
from fastlayers.cli.image_view import print_images, rows_of
from fastlayers.cli.listing import Listing, format_flag

if TYPE_CHECKING:
    from fastlayers.image import Image

COMMAND = Command(
    "[OPTIONS] [REPOSITORY[:TAG]]",
    "List images",
    (
        Flag("all", "a", "bool", "Show all images (default hides those without a name)"),
        Flag("digests", "", "bool", "Show digests"),
        filter_flag(),
        format_flag(),
        Flag("no-trunc", "", "bool", "Don't truncate output"),
        Flag("quiet", "q", "bool", "Only show image IDs"),
    ),
    arguments=(0, 1),
    aliases=("image ls", "image list", "images"),
)

_LISTING = Listing(
    "image",
    {
        "Containers": "CONTAINERS",
        "CreatedAt": "CREATED AT",
        "CreatedSince": "CREATED",
        "Digest": "DIGEST",
        "ID": "IMAGE ID",
        "Repository": "REPOSITORY",
        "SharedSize": "SHARED SIZE",
        "Size": "SIZE",
        "Tag": "TAG",
        "UniqueSize": "UNIQUE SIZE",
        "VirtualSize": "SIZE",
    },
    ("Repository", "Tag", "ID", "CreatedSince", "Size"),
)
_WITH_DIGESTS = ("Repository", "Tag", "Digest", "ID", "CreatedSince", "Size")
_FILTERS = ("before", "dangling", "label", "reference", "since")
_NONE = "<none>"
# What `image` can be followed by, and people write after `images`.
_VERBS = ("build", "history", "import", "inspect", "list", "load", "ls", "prune", "pull", "push",
          "rm", "save", "tag")  # fmt: skip


def run(call: Call) -> int:
    filters = Filters(call.flags.all("filter"), _FILTERS)
    wanted = _Wanted(call, filters)
    digests = call.flags.enabled("digests")
    format, full = call.flags.text("format"), call.flags.enabled("no-trunc")
    quiet = call.flags.enabled("quiet")
    images = [image for image in call.store.images() if wanted.image(image)]
    if not (format or full or quiet or digests):
        shown = [(image, [tag for tag in image.tags if wanted.name(tag)]) for image in images]
        found = print_images(call.store, [row for row in shown if row[1] or wanted.nameless()])
    else:
        listing = _LISTING
        if digests:
            listing = Listing("image", _LISTING.headings, _WITH_DIGESTS)
        by_digest = digests or ".Digest" in format
        rows = []
        for image in images:
            rows += rows_of(image, _rows(image, wanted, by_digest=by_digest, full=full))
        listing.print(rows, format, quiet=quiet)
        found = len(rows)
    if not found and call.path == "images" and call.args and call.args[0] in _VERBS:
        print(
            f'No images found matching "{call.args[0]}": '
            f'did you mean "fastlayers image {call.args[0]}"?',
            file=sys.stderr,
        )
    return 0


class _Wanted:
    """What the filters and the argument leave."""

    def __init__(self, call: Call, filters: Filters) -> None:
        self._filters = filters
        self._patterns = filters.values("reference") + call.args
        self._dangling = filters.flag("dangling")
        if self._dangling is None and not call.flags.enabled("all"):
            self._dangling = False
        self._before = [_created(call.store.image(name)) for name in filters.values("before")]
        self._since = [_created(call.store.image(name)) for name in filters.values("since")]

    def image(self, image: Image) -> bool:
        if self._dangling is not None and self._dangling == bool(image.names):
            return False
        created = _created(image) or 0.0
        if any(created >= (moment or 0.0) for moment in self._before):
            return False
        if any(created <= (moment or 0.0) for moment in self._since):
            return False
        if self._filters.values("label"):
            return self._filters.labels(image.labels)
        return True

    def nameless(self) -> bool:
        """Whether images without a name are listed: no pattern matches them."""
        return not self._patterns

    def name(self, name: str) -> bool:
        """Whether a name, "repository:tag" or "repository@digest", is among the patterns."""
        if not self._patterns:
            return True
        return any(glob(pattern, form) for pattern in self._patterns for form in _forms(name))


def _forms(name: str) -> Iterator[str]:
    """What a pattern may match: the name as listed or in full, with and without its tag."""
    from fastlayers.oci.reference import Reference

    full = Reference.parse(name).name
    for form in (name, full):
        yield form
        yield _split(form)[0]


def _rows(
    image: Image, wanted: _Wanted, *, by_digest: bool, full: bool
) -> Iterator[dict[str, object]]:
    """One row for each tag; with digests one for each pair of tag and digest."""
    created = _created(image)
    common: dict[str, object] = {
        "Containers": "N/A",
        "CreatedAt": moment.listed(created),
        "CreatedSince": moment.since(created),
        "ID": image.id if full else image.short_id,
        "SharedSize": "N/A",
        "Size": human.size(image.size),
        "UniqueSize": "N/A",
        "VirtualSize": human.size(image.size, 4),
    }
    for repository, tag, digest in _names(image, wanted, by_digest=by_digest):
        yield {**common, "Repository": repository, "Tag": tag, "Digest": digest}


def _names(image: Image, wanted: _Wanted, *, by_digest: bool) -> Iterator[tuple[str, str, str]]:
    """(repository, tag, digest) of each row of an image, "<none>" for what it does not have."""
    tags = [name for name in image.tags if wanted.name(name)]
    digests: dict[str, list[str]] = {}
    for name in image.repo_digests:
        if wanted.name(name):
            repository, _, digest = name.partition("@")
            digests.setdefault(repository, []).append(digest)
    for name in tags:
        repository, tag = _split(name)
        if not by_digest:
            yield repository, tag, _NONE
            continue
        for digest in digests.get(repository) or [_NONE]:
            yield repository, tag, digest
    tagged = {_split(name)[0] for name in image.tags}
    for repository, values in digests.items():
        if repository not in tagged:
            for digest in values if by_digest else values[:1]:
                yield repository, _NONE, digest
    if not image.tags and not image.repo_digests and wanted.nameless():
        yield _NONE, _NONE, _NONE


def _split(name: str) -> tuple[str, str]:
    """Repository and tag (or digest) of a name."""
    if "@" in name:
        repository, _, digest = name.partition("@")
        return repository, digest
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "")


def _created(image: Image) -> float | None:
    return moment.parse(image.created)
