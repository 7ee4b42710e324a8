"""A repository of a registry as what is copied to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastlayers.oci import document
from fastlayers.oci.referrer import entry_of, subject_of

from .referrers import add_to_fallback
from .upload import BlobUpload

if TYPE_CHECKING:
    from fastlayers.oci.document import Descriptor, Index, Manifest
    from fastlayers.oci.reference import Reference

    from .destination import OnBytes
    from .plan import Plan
    from .session import Session
    from .upload import BlobToSend


class RegistryDestination:
    """A `Destination`."""

    at_once = 3

    def __init__(self, session: Session, reference: Reference, source: str) -> None:
        """`source` is the repository that is copied from ("host/path"), or ""."""
        self._session = session
        self._reference = reference
        self._upload = BlobUpload(session, reference.repository)
        host, _, path = source.partition("/")
        self._source = path if host == reference.registry else ""
        self._locations: dict[str, str] = {}

    def has(self, layer: Descriptor) -> str:
        if self._upload.has(layer.digest):
            return "exists"
        there, location = self._upload.mount(layer.digest, self._source)
        if location:
            self._locations[layer.digest] = location
        return there

    def put(self, layer: Descriptor, blob: BlobToSend, on_bytes: OnBytes) -> None:
        self._upload.send(blob, self._locations.pop(layer.digest, ""), on_bytes)

    def finish(self, plan: Plan) -> None:
        reference = self._reference
        unlisted: dict[str, list[Descriptor]] = {}
        for descriptor, raw in plan.documents.values():
            if descriptor.is_document:
                found = document.parse(raw, descriptor.media_type)
                label = f"{reference.familiar_repository}@{descriptor.digest}"
                self._put(found, descriptor.digest, label, unlisted)
            elif not self._upload.has(descriptor.digest):
                self._upload.send(_Bytes(descriptor, raw), "", lambda taken: None)
        self._list(unlisted)  # before the image has its name: who finds it finds its signatures
        target = reference.digest or reference.tag_or_default
        self._put(plan.root, target, reference.familiar, unlisted)
        self._list(unlisted)

    def _put(
        self,
        found: Manifest | Index,
        target: str,
        label: str,
        unlisted: dict[str, list[Descriptor]],
    ) -> None:
        listed = self._upload.put_manifest(target, found.media_type, found.raw, label)
        subject = None if listed else subject_of(found)
        if subject is not None:
            unlisted.setdefault(subject.digest, []).append(entry_of(found))

    def _list(self, unlisted: dict[str, list[Descriptor]]) -> None:
        """Does what the registry does not do: it keeps no list of what refers to a manifest."""
        while unlisted:
            subject, entries = unlisted.popitem()
            add_to_fallback(self._session, self._upload, self._reference, subject, entries)

    def abort(self) -> None:
        self._session.abort()


class _Bytes:
    def __init__(self, descriptor: Descriptor, raw: bytes) -> None:
        self.digest, self.size, self._raw = descriptor.digest, descriptor.size, raw

    def pieces(self, offset: int) -> Iterator[bytes]:
        yield self._raw[offset:]
