"""Registries as image sources (OCI distribution specification, pull side)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastlayers.errors import (
    CorruptError,
    DigestMismatchError,
    LimitError,
    RegistryError,
    UnsupportedError,
)
from fastlayers.oci import document, fields, media_type
from fastlayers.oci.digest import digest_of, is_digest
from fastlayers.oci.document import DOCUMENT_LIMIT, ImageConfig, Index, Manifest

from .download import BlobDownload, RegistryLayer
from .selection import INDEX_DEPTH, select_manifest
from .session import Session, Step
from .source import ImageSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastlayers.oci.document import Descriptor
    from fastlayers.oci.platform import Platform
    from fastlayers.oci.reference import Reference

_TAGS_AT_ONCE = 1000
# Labels that servers put on any file; the document itself then says what it is.
_VAGUE_TYPES = ("", "application/json", "application/octet-stream", "text/plain")
_SCHEMA1 = (media_type.DOCKER_SCHEMA1 + "+json", media_type.DOCKER_SCHEMA1 + "+prettyjws")
_KNOWN_TYPES = media_type.MANIFESTS + media_type.INDEXES + _SCHEMA1
# Schema 1 is asked for, too: so that such an image is refused as what it is, not as missing.
_ACCEPT = ", ".join(_KNOWN_TYPES)


class RegistryClient:
    """A client of one registry, for one pull at a time. Use as a context manager.

    `local` gives a blob that need not be fetched because it is at hand, verified, or None.
    """

    def __init__(
        self,
        registry: str,
        *,
        session: Session | None = None,
        local: Callable[[Descriptor], bytes | None] | None = None,
    ) -> None:
        self._registry = registry
        self._local = local
        self._session = session or Session(registry)

    def __enter__(self) -> RegistryClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def tags(self, reference: Reference) -> list[str]:
        """The tags of a repository, in the registry's order (distribution specification, "Listing
        Tags")."""
        step = Step(
            f"list the tags of {reference.familiar_repository}",
            reference.repository,
            f"repository {reference.familiar_repository}",
        )
        path = f"/v2/{reference.repository}/tags/list?n={_TAGS_AT_ONCE}"
        found: dict[str, None] = {}
        while path:
            answer = self._session.get_document(path, step)
            link = answer.headers.get("Link", "")
            page = fields.parse_object(answer.body, step.missing)
            before = len(found)
            found.update(dict.fromkeys(fields.strings(page, "tags", step.missing) or ()))
            if len(found) == before:
                break  # no more, or a server that goes round in circles
            path = next_page(link)
        return list(found)

    def root(self, reference: Reference) -> Manifest | Index:
        """What a reference names: one image, or the index of several."""
        target = reference.digest or reference.tag_or_default
        return self._manifest(reference, target, reference.digest or "")

    def child(self, reference: Reference, descriptor: Descriptor) -> Manifest | Index:
        """What an index says there is."""
        found = self._manifest(reference, descriptor.digest, descriptor.digest)
        if descriptor.media_type not in ("", found.media_type):
            raise CorruptError(
                f"{reference.familiar}: {descriptor.digest} is {found.media_type}, its index "
                f"says {descriptor.media_type}"
            )
        if len(found.raw) != descriptor.size:
            raise DigestMismatchError(
                f"{reference.familiar}: manifest {descriptor.digest} has {len(found.raw)} "
                f"bytes, its index says {descriptor.size}"
            )
        return found

    def resolve(self, reference: Reference, platform: Platform | None = None) -> ImageSource:
        """The image a reference names, for a platform (None: this machine's).

        Reads the manifest and the config; the layers are read when they are ingested.
        """
        found = self.root(reference)
        served_digest = found.digest
        for _ in range(INDEX_DEPTH):
            if isinstance(found, Manifest):
                return self._image(reference, found, served_digest)
            chosen = select_manifest(found.manifests, platform, reference.familiar)
            found = self.child(reference, chosen)
        raise CorruptError(f"{reference.familiar}: its indexes are nested too deeply")

    def _image(self, reference: Reference, manifest: Manifest, served_digest: str) -> ImageSource:
        manifest.require_image(reference.familiar)
        config_raw = self.document(reference.repository, manifest.config)
        config = ImageConfig.parse(config_raw)
        if len(config.diff_ids) != len(manifest.layers):
            raise CorruptError(
                f"{reference.familiar}: the manifest has {len(manifest.layers)} layers, "
                f"the config {len(config.diff_ids)}"
            )
        return ImageSource(
            reference.familiar,
            manifest=manifest.raw,
            manifest_media_type=manifest.media_type,
            config=config_raw,
            layers=[
                RegistryLayer(self._session, reference.repository, layer, diff_id)
                for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
            ],
            names=[] if reference.digest else [reference.name],
            repo_digest=f"{reference.repository_name}@{served_digest}",
        )

    def _manifest(self, reference: Reference, target: str, digest: str) -> Manifest | Index:
        """The manifest or index behind a tag or digest."""
        step = Step(
            f"fetch the manifest of {reference.familiar}",
            reference.repository,
            f"manifest for {reference.familiar}",
        )
        _, headers, raw = self._session.get_document(
            f"/v2/{reference.repository}/manifests/{target}", step, {"Accept": _ACCEPT}
        )
        content_type = headers.get("Content-Type", "")
        promised = digest or _sha256_header(headers.get("Docker-Content-Digest", ""))
        announced = content_type.partition(";")[0].strip().lower()
        if announced in _VAGUE_TYPES:
            announced = ""
        elif announced not in _KNOWN_TYPES:
            raise RegistryError(
                f"registry {self._registry}: the answer for the manifest of {reference.familiar} "
                f"is {announced[:100]!r}, not an image manifest: is this a registry?"
            )
        if promised and digest_of(raw) != promised:
            raise DigestMismatchError(
                f"registry {self._registry}: the manifest sent for {reference.familiar} has the "
                f"digest {digest_of(raw)}, not {promised}"
            )
        try:
            return document.parse(raw, announced)
        except (CorruptError, UnsupportedError) as error:
            raise type(error)(f"{reference.familiar}: {error}") from None

    def document(self, repository: str, descriptor: Descriptor) -> bytes:
        """A small blob, verified."""
        if descriptor.size > DOCUMENT_LIMIT:
            raise LimitError(
                f"registry {self._registry}: blob {descriptor.digest} of {repository} is longer "
                f"than {DOCUMENT_LIMIT} bytes"
            )
        known = self._local(descriptor) if self._local is not None else None
        if known is not None:
            return known
        raw = b"".join(BlobDownload(self._session, repository, descriptor).chunks())
        if digest_of(raw) != descriptor.digest:
            raise DigestMismatchError(
                f"registry {self._registry}: blob {descriptor.digest} of {repository} has the "
                f"digest {digest_of(raw)}"
            )
        return raw


def next_page(link: str) -> str:
    """The target of a Link header with rel="next" (RFC 8288); "" if there is none."""
    target, _, parameters = link.partition(">")
    return target.lstrip(" <") if target.startswith("<") and "next" in parameters else ""


def _sha256_header(value: str) -> str:
    """A Docker-Content-Digest this engine can check, or ""."""
    return value.strip() if is_digest(value.strip()) else ""
