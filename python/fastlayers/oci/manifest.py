"""Manifest and Index: what an image consists of, and which images a name stands for.

Both keep the bytes they were read from, and are those bytes' digest.
"""

from __future__ import annotations

from fastlayers.errors import CorruptError, UnsupportedError
from fastlayers.oci import fields, media_type
from fastlayers.oci.descriptor import Descriptor
from fastlayers.oci.digest import digest_of
from fastlayers.oci.fields import Json
from fastlayers.oci.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class _Document(Frozen):
    """Raw bytes, and their digest, which is made when it is first asked for."""

    __slots__ = ("_digest", "annotations", "media_type", "raw")

    raw: bytes
    media_type: str
    annotations: dict[str, str]
    _digest: str

    @property
    def digest(self) -> str:
        """The digest of `raw`."""
        if not self._digest:
            self._set(_digest=digest_of(self.raw))
        return self._digest

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)


class Manifest(_Document):
    """One image: its config and its layers, base first (OCI image-spec, manifest.md)."""

    __slots__ = ("config", "layers")

    config: Descriptor
    layers: tuple[Descriptor, ...]

    @classmethod
    def parse(cls, raw: bytes, media_type: str = "", *, digest: str = "") -> Manifest:
        """Reads a manifest. `media_type` is what whoever pointed at it said it was; `digest` is
        known to be that of `raw`, if given."""
        document = _read(raw, "manifest", media_type)
        if "manifests" in document:
            raise CorruptError("manifest claims to be an index as well")
        if "config" not in document or "layers" not in document:
            raise CorruptError("manifest has no config or no layers")
        config = fields.mapping(document, "config", "manifest")
        layers = fields.objects(document, "layers", "manifest")
        self = cls()
        self._set(
            raw=raw,
            _digest=digest,
            media_type=_type_of(document, media_type, _MANIFESTS, "manifest"),
            annotations=fields.string_map(document, "annotations", "manifest"),
            config=Descriptor.from_json(config, "manifest: config"),
            layers=tuple(
                Descriptor.from_json(layer, f"manifest: layer {number}")
                for number, layer in enumerate(layers)
            ),
        )
        return self

    @classmethod
    def build(
        cls,
        config: Descriptor,
        layers: Iterable[Descriptor],
        *,
        annotations: Mapping[str, str] | None = None,
    ) -> Manifest:
        """A new OCI manifest; Docker's media types in the descriptors become OCI's."""
        document: Json = {
            "schemaVersion": 2,
            "mediaType": media_type.OCI_MANIFEST,
            "config": config.with_media_type(media_type.as_oci(config.media_type)).to_json(),
            "layers": [
                layer.with_media_type(media_type.as_oci(layer.media_type)).to_json()
                for layer in layers
            ],
        }
        if annotations:
            document["annotations"] = dict(annotations)
        return cls.parse(fields.dump_text(document))

    def require_image(self, subject: str) -> None:
        """UnsupportedError unless the manifest is that of a container image."""
        if self.config.media_type not in media_type.CONFIGS:
            raise UnsupportedError(
                f"{subject} is not a container image: its config is {self.config.media_type!r}"
            )
        for layer in self.layers:
            if not media_type.is_layer(layer.media_type):
                raise UnsupportedError(
                    f"{subject} has a layer of a kind that is not supported: {layer.media_type!r}"
                )


class Index(_Document):
    """Several manifests under one name (OCI image-spec, image-index.md)."""

    __slots__ = ("manifests",)

    manifests: tuple[Descriptor, ...]

    @classmethod
    def parse(cls, raw: bytes, media_type: str = "", *, digest: str = "") -> Index:
        """Reads an index or a manifest list; see Manifest.parse for the arguments."""
        document = _read(raw, "index", media_type)
        if "layers" in document or "config" in document:
            raise CorruptError("index claims to be a manifest as well")
        if "manifests" not in document:
            raise CorruptError("index has no manifests")
        self = cls()
        self._set(
            raw=raw,
            _digest=digest,
            media_type=_type_of(document, media_type, _INDEXES, "index"),
            annotations=fields.string_map(document, "annotations", "index"),
            manifests=tuple(
                Descriptor.from_json(entry, f"index: manifest {number}")
                for number, entry in enumerate(fields.objects(document, "manifests", "index"))
            ),
        )
        return self

    @classmethod
    def build(
        cls, manifests: Iterable[Descriptor], *, annotations: Mapping[str, str] | None = None
    ) -> Index:
        """A new OCI index."""
        document: Json = {
            "schemaVersion": 2,
            "mediaType": media_type.OCI_INDEX,
            "manifests": [entry.to_json() for entry in manifests],
        }
        if annotations:
            document["annotations"] = dict(annotations)
        return cls.parse(fields.dump_text(document))


# Bound here because the parse methods have a parameter of the module's name.
_MANIFESTS = media_type.MANIFESTS
_INDEXES = media_type.INDEXES
_SCHEMA1 = media_type.DOCKER_SCHEMA1


def parse(raw: bytes, media_type: str = "", *, digest: str = "") -> Manifest | Index:
    """Reads a document that may be either, by its media type or, failing that, by its fields."""
    document = _read(raw, "manifest", media_type)
    stated = media_type or fields.text(document, "mediaType", "manifest")
    if stated in _INDEXES or (stated not in _MANIFESTS and "manifests" in document):
        return Index.parse(raw, media_type, digest=digest)
    return Manifest.parse(raw, media_type, digest=digest)


def _read(raw: bytes, what: str, media_type: str) -> Json:
    document = fields.parse_object(raw, what, unique=True)
    version = document.get("schemaVersion")
    if (version == 1 and version is not True) or media_type.startswith(_SCHEMA1):
        raise UnsupportedError(
            f"{what} has the format of Docker's schema 1, which is no longer supported: "
            "push the image again with a current Docker"
        )
    if version != 2 or isinstance(version, bool):
        raise CorruptError(f"{what} has schemaVersion {str(version)[:40]}, not 2")
    return document


def _type_of(document: Json, stated: str, allowed: tuple[str, ...], what: str) -> str:
    embedded = fields.text(document, "mediaType", what)
    if embedded and stated and embedded != stated:
        raise CorruptError(f"{what} says it is {embedded!r} but was announced as {stated!r}")
    found = embedded or stated or allowed[0]
    if found not in allowed:
        raise CorruptError(f"{what} has the media type {found[:100]!r}")
    return found
