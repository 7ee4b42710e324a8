"""The shape every place an image can come from has: documents, and layers that ingest themselves.

A registry, an archive and a layout directory each make an `ImageSource`, and
`store_writer.store_image` puts it into a store. Transports never print: they tell a progress
callable what happens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from fastlayers._core import LayerInfo


class Event(NamedTuple):
    """One step of a layer's way into the store, or out of it.

    `kind` is "exists" (already there), "mounted" (there, from the repository `source`), "start",
    "transfer" (`current` of `total` bytes as sent) or "done". `layer` is the layer's digest, or
    its diff_id where the source does not say the digest, and in a push. `total` is -1 where it is
    not known.
    """

    kind: str
    layer: str
    current: int
    total: int
    source: str = ""


Progress = Callable[[Event], None]


def reporter(progress: Progress | None, layer: str) -> Callable[[str, int, int], None]:
    """Tells `progress`, if there is one, of a layer: called with kind, current and total."""

    def report(kind: str, current: int, total: int) -> None:
        if progress is not None:
            progress(Event(kind, layer, current, total))

    return report


OnBytes = Callable[[int], None]


class Cancelled(Exception):
    """Work given up because other work failed or the user interrupted: never seen by callers."""


class LayerSource(Protocol):
    """One layer that can be brought into a store, as often as asked."""

    digest: str  # of the blob as it is sent; "" if the source does not say
    size: int  # of that blob in bytes; -1 if the source does not say
    diff_id: str  # of the uncompressed tar; "" if not known before it is read
    media_type: str

    def ingest(self, root: str, on_bytes: OnBytes | None) -> LayerInfo:
        """Brings the layer into the store at `root`, verified.

        `on_bytes` gets the number of bytes taken so far; whatever it raises ends the work.
        """
        ...

    @property
    def lacking(self) -> str:
        """Why it cannot be brought, where that is known beforehand; else ""."""
        ...

    def abort(self) -> None:
        """Makes an ingest() that runs in another thread fail soon. Idempotent."""
        ...


class ImageSource:
    """One image as a source offers it.

    `manifest` is the manifest's raw bytes, or None where the source has none and one is to be
    built. `layers` are base first, one for each diff_id of the config (a layer that occurs twice is
    listed twice). Where the config can only be written once the diff_ids are known (archives of
    the first Docker versions), `config` is empty and `build_config` makes it from the diff_ids.
    """

    __slots__ = (
        "build_config",
        "config",
        "layers",
        "manifest",
        "manifest_media_type",
        "names",
        "repo_digest",
        "subject",
    )

    def __init__(
        self,
        subject: str,
        *,
        layers: list[LayerSource],
        config: bytes = b"",
        manifest: bytes | None = None,
        manifest_media_type: str = "",
        names: list[str] | None = None,
        repo_digest: str | None = None,
        build_config: Callable[[list[str]], bytes] | None = None,
    ) -> None:
        self.subject = subject  # how errors call the image
        self.layers = layers
        self.config = config
        self.manifest = manifest
        self.manifest_media_type = manifest_media_type
        self.names = names or []
        self.repo_digest = repo_digest
        self.build_config = build_config
