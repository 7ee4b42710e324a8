"""Descriptor: how one document points at another blob (OCI image-spec, descriptor.md)."""

from __future__ import annotations

from fastlayers.oci import digest as digests
from fastlayers.oci import fields, media_type
from fastlayers.oci.fields import Json
from fastlayers.oci.frozen import Frozen
from fastlayers.oci.platform import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_KNOWN = ("mediaType", "digest", "size", "annotations", "platform")


class Descriptor(Frozen):
    """Media type, digest and size of a blob; fields that are not known are kept as they came."""

    __slots__ = ("_extra", "annotations", "digest", "media_type", "platform", "size")

    media_type: str
    digest: str
    size: int  # bytes
    annotations: dict[str, str]
    platform: Platform | None
    _extra: Json

    def __init__(
        self,
        media_type: str,
        digest: str,
        size: int,
        *,
        annotations: Mapping[str, str] | None = None,
        platform: Platform | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        self._set(
            media_type=media_type,
            digest=digests.validate(digest),
            size=size,
            annotations=dict(annotations or {}),
            platform=platform,
            _extra=dict(extra or {}),
        )

    @classmethod
    def from_json(cls, document: Mapping[str, object], where: str) -> Descriptor:
        """Reads and checks a descriptor; `where` says in errors which one."""
        platform = fields.mapping(document, "platform", where)
        extra = {key: value for key, value in document.items() if key not in _KNOWN}
        fields.strings(extra, "urls", where)
        fields.text(extra, "artifactType", where)
        if platform:
            extra["platform"] = platform
        return cls(
            fields.text(document, "mediaType", where),
            digests.validate(fields.text(document, "digest", where), f"{where}: digest"),
            fields.size(document, "size", where),
            annotations=fields.string_map(document, "annotations", where),
            platform=_read_platform(platform, where) if platform else None,
            extra=extra,
        )

    def to_json(self) -> Json:
        """The descriptor as a JSON object."""
        document: Json = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.platform is not None:
            document["platform"] = {
                key: value
                for key, value in (
                    ("architecture", self.platform.architecture),
                    ("os", self.platform.os),
                    ("variant", self.platform.variant),
                )
                if value
            }
        document.update(self._extra)
        return document

    def with_annotations(self, annotations: Mapping[str, str]) -> Descriptor:
        """The same descriptor with these annotations instead of its own."""
        return Descriptor(
            self.media_type,
            self.digest,
            self.size,
            annotations=annotations,
            platform=self.platform,
            extra=self._extra,
        )

    def with_media_type(self, media_type: str) -> Descriptor:
        """The same descriptor under another media type."""
        return Descriptor(
            media_type,
            self.digest,
            self.size,
            annotations=self.annotations,
            platform=self.platform,
            extra=self._extra,
        )

    @property
    def urls(self) -> tuple[str, ...]:
        """Where else the blob can be had (foreign layers)."""
        return fields.strings(self._extra, "urls", "descriptor") or ()

    @property
    def artifact_type(self) -> str:
        """What the manifest is, where it is no image; "" for images."""
        return fields.text(self._extra, "artifactType", "descriptor")

    @property
    def is_manifest(self) -> bool:
        """Whether it points at a manifest. A type that is missing counts as one."""
        return self.media_type in media_type.MANIFESTS or not self.media_type

    @property
    def is_index(self) -> bool:
        """Whether it points at an index."""
        return self.media_type in media_type.INDEXES

    @property
    def is_document(self) -> bool:
        """Whether it points at a manifest or an index."""
        return self.is_manifest or self.is_index

    def __repr__(self) -> str:
        return f"Descriptor({self.media_type!r}, {self.digest!r}, {self.size})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Descriptor) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.media_type, self.digest, self.size))


def _read_platform(document: Mapping[str, object], where: str) -> Platform:
    return Platform(
        fields.text(document, "os", f"{where}: platform"),
        fields.text(document, "architecture", f"{where}: platform"),
        fields.text(document, "variant", f"{where}: platform"),
    )
