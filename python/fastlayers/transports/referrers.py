"""What refers to an image, in registries (OCI distribution-spec, "Listing Referrers").

A registry that has no list keeps an index under a tag made of the digest instead, which its
clients write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastlayers.errors import (
    ConflictError,
    FastlayersError,
    LimitError,
    NotFoundError,
    UnsupportedError,
)
from fastlayers.oci import media_type
from fastlayers.oci.document import DOCUMENT_LIMIT, Index
from fastlayers.oci.reference import Reference
from fastlayers.oci.referrer import fallback_tag

from .registry import RegistryClient, next_page
from .session import Session, Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastlayers.oci.document import Descriptor

    from .upload import BlobUpload

# What registries that know no such list say to the question for it.
_NO_LIST = (400, 404, 405, 406)
_LIST_BYTES = 4 * DOCUMENT_LIMIT  # of all pages


def listed_in_registry(session: Session, reference: Reference, digest: str) -> list[Descriptor]:
    """What refers to a manifest of a repository. LimitError if that does not end, CorruptError if
    it is no list."""
    step = Step(f"list what refers to {digest} in {reference.familiar}", reference.repository)
    path = f"/v2/{reference.repository}/referrers/{digest}"
    found: dict[str, Descriptor] = {}
    room = _LIST_BYTES
    while path:
        answers = (200,) if found else (200, *_NO_LIST)
        status, headers, raw = session.get_document(
            path, step, {"Accept": media_type.OCI_INDEX}, answers=answers
        )
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if not found and (status != 200 or kind != media_type.OCI_INDEX):
            return list(_fallback(session, reference, digest).manifests)
        link = headers.get("Link", "")
        room -= len(raw)
        if room < 0:
            raise LimitError(
                f"registry {session.registry}: cannot {step.action}: "
                f"the list is longer than {_LIST_BYTES} bytes"
            )
        before = len(found)
        for entry in _page(session, step, raw).manifests:
            found.setdefault(entry.digest, entry)
        if len(found) == before:
            break  # no more, or a server that goes round in circles
        path = next_page(link)
    return list(found.values())


def _page(session: Session, step: Step, raw: bytes) -> Index:
    try:
        return Index.parse(raw, media_type.OCI_INDEX)
    except FastlayersError as error:
        raise type(error)(
            f"registry {session.registry}: cannot {step.action}: the answer is no list: {error}"
        ) from None


def _fallback(session: Session, reference: Reference, digest: str) -> Index:
    """The index under the tag that stands for the list. What is no index lists nothing."""
    tagged = Reference(reference.registry, reference.repository, fallback_tag(digest))
    try:
        found = RegistryClient(session.registry, session=session).root(tagged)
    except (NotFoundError, UnsupportedError):
        return Index.build([])
    return found if isinstance(found, Index) else Index.build([])


def add_to_fallback(
    session: Session,
    upload: BlobUpload,
    reference: Reference,
    digest: str,
    entries: Iterable[Descriptor],
) -> None:
    """Adds to the list of what refers to a digest, in a registry that keeps none itself; what is
    in it stays as it is. ConflictError if its tag names something else."""
    tag = fallback_tag(digest)
    tagged = Reference(reference.registry, reference.repository, tag)
    try:
        known = RegistryClient(session.registry, session=session).root(tagged)
    except NotFoundError:
        known = Index.build([])
    if not isinstance(known, Index):
        raise ConflictError(
            f"{tagged.familiar} is an image, not the list of what refers to {digest}"
        )
    there = {entry.digest for entry in known.manifests}
    new = [entry for entry in entries if entry.digest not in there]
    if new:
        merged = Index.build([*known.manifests, *new], annotations=known.annotations)
        upload.put_manifest(tag, merged.media_type, merged.raw, tagged.familiar)
