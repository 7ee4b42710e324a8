"""What a copy consists of: all documents, read before anything is written, and which layers."""

from __future__ import annotations

from collections.abc import Iterable

from fastlayers.errors import CorruptError, LimitError, UnsupportedError
from fastlayers.oci import media_type
from fastlayers.oci.document import Descriptor, Index, Manifest
from fastlayers.oci.platform import Platform
from fastlayers.oci.referrer import entry_of, subject_of

from .origin import Origin, ReferredOrigin
from .selection import INDEX_DEPTH, select_manifest

# More than anybody attaches to an image or lists in an index; documents are held in memory.
_REFERRERS = 10_000
_DOCUMENT_BYTES = 256 << 20


class Plan:
    """All of what is copied. `documents` are manifests and configs, what they name before them;
    `referrers` those of them that refer to others, as a list of referrers names them."""

    def __init__(self, label: str, root: Manifest | Index) -> None:
        self.root = root
        self.documents: dict[str, tuple[Descriptor, bytes]] = {}
        self.layers: dict[str, Descriptor] = {}
        self.referrers: dict[str, Descriptor] = {}
        self._label = label
        self._room = _DOCUMENT_BYTES

    def add_document(self, descriptor: Descriptor, raw: bytes) -> None:
        """Adds a document, if it is not in yet. LimitError if they become too large together."""
        if descriptor.digest in self.documents:
            return
        self._room -= len(raw)
        if self._room < 0:
            raise LimitError(
                f"{self._label}: its documents have more than {_DOCUMENT_BYTES} bytes together"
            )
        self.documents[descriptor.digest] = (descriptor, raw)

    def add_layers(self, layers: Iterable[Descriptor]) -> None:
        """Adds blobs that are copied unread, but for those that may not be given on."""
        for layer in layers:
            if not media_type.stays_elsewhere(layer.media_type, layer.urls):
                self.layers.setdefault(layer.digest, layer)


def plan_copy(origin: Origin, platform: Platform | None, every_platform: bool) -> Plan:
    """Reads the documents of an image, or of all that an index lists."""
    root = origin.root() if every_platform else choose_manifest(origin, platform)
    plan = Plan(origin.label, root)
    _add(plan, origin, root, 0)
    return plan


def choose_manifest(origin: Origin, platform: Platform | None) -> Manifest:
    """The image of an origin for a platform (None: this machine's)."""
    root = origin.root()
    for _ in range(INDEX_DEPTH):
        if isinstance(root, Manifest):
            return root
        root = origin.child(select_manifest(root.manifests, platform, origin.label))
    raise CorruptError(f"{origin.label}: its indexes are nested too deeply")


def _add(plan: Plan, origin: Origin, found: Manifest | Index, depth: int) -> None:
    if isinstance(found, Manifest):
        config = found.config
        if config.digest not in plan.documents:
            plan.add_document(config, origin.small(config))
        plan.add_layers(found.layers)
        return
    if depth > INDEX_DEPTH:
        raise CorruptError(f"{origin.label}: its indexes are nested too deeply")
    for descriptor in found.manifests:
        if descriptor.digest not in plan.documents:
            inner = origin.child(descriptor)
            _add(plan, origin, inner, depth + 1)
            plan.add_document(Descriptor(inner.media_type, inner.digest, len(inner.raw)), inner.raw)


def add_referrers(plan: Plan, origin: ReferredOrigin) -> None:
    """Adds what refers to the image, to each manifest of an index, and to what refers to them.
    LimitError where that is more than anybody attaches to an image; CorruptError where something
    is listed that refers to something else, UnsupportedError where it is no manifest."""
    waiting = [plan.root.digest]
    waiting += [known.digest for known, _ in plan.documents.values() if known.is_document]
    while waiting:
        subject = waiting.pop()
        for descriptor in origin.referrers(subject):
            if descriptor.digest in plan.referrers:
                continue
            if not descriptor.is_document:
                raise UnsupportedError(
                    f"{origin.label}: {descriptor.digest}, which refers to {subject}, is of a "
                    f"kind that is not supported: {descriptor.media_type[:100]!r}"
                )
            found = origin.child(descriptor)
            if len(plan.referrers) == _REFERRERS:
                raise LimitError(f"{origin.label}: more than {_REFERRERS} manifests refer to it")
            named = subject_of(found)
            if named is None or named.digest != subject:
                raise CorruptError(
                    f"{origin.label}: {found.digest} is listed as referring to {subject}, and "
                    "does not"
                )
            _add_referrer(plan, origin, found)
            waiting.append(found.digest)


def _add_referrer(plan: Plan, origin: Origin, found: Manifest | Index) -> None:
    """An artifact's config may be anything: it is copied as layers are, unread."""
    if isinstance(found, Manifest):
        plan.add_layers((found.config, *found.layers))
    else:
        _add(plan, origin, found, 1)
    plan.referrers[found.digest] = entry_of(found)
    plan.add_document(Descriptor(found.media_type, found.digest, len(found.raw)), found.raw)
