"""ImageConfig: the document whose digest is the image ID (OCI image-spec, config.md)."""

from __future__ import annotations

from fastlayers.errors import CorruptError
from fastlayers.oci import digest as digests
from fastlayers.oci import fields
from fastlayers.oci.fields import Json
from fastlayers.oci.frozen import Frozen
from fastlayers.oci.platform import Platform
from fastlayers.oci.runtime import RuntimeConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WHAT = "image config"
# Fields of Docker's that speak of the container an image was made from, not of the image.
_OF_THE_MAKING = ("id", "parent", "container", "container_config", "docker_version", "comment")


class History(Frozen):
    """One step of an image's making."""

    __slots__ = ("author", "comment", "created", "created_by", "empty_layer")

    created: str
    created_by: str
    author: str
    comment: str
    empty_layer: bool

    def __init__(
        self,
        created: str = "",
        created_by: str = "",
        author: str = "",
        comment: str = "",
        empty_layer: bool = False,
    ) -> None:
        self._set(
            created=created,
            created_by=created_by,
            author=author,
            comment=comment,
            empty_layer=empty_layer,
        )

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> History:
        """Reads and checks one element of "history"."""
        what = f"{_WHAT}: history"
        return cls(
            fields.text(document, "created", what),
            fields.text(document, "created_by", what),
            fields.text(document, "author", what),
            fields.text(document, "comment", what),
            fields.flag(document, "empty_layer", what),
        )

    def to_json(self) -> Json:
        """The step as a JSON object."""
        pairs = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in pairs.items() if value}


class ImageConfig(Frozen):
    """Platform, runtime config, layers and history. Fields that are not known are kept.

    `history` is for people: it may be missing, and nothing may be found through its positions.
    """

    __slots__ = (
        "_digest",
        "_document",
        "architecture",
        "author",
        "comment",
        "created",
        "diff_ids",
        "docker_version",
        "history",
        "os",
        "raw",
        "runtime",
        "variant",
    )

    raw: bytes
    architecture: str
    os: str
    variant: str
    created: str  # RFC 3339; "" if the document does not say
    author: str
    comment: str
    docker_version: str
    diff_ids: tuple[str, ...]  # base first
    runtime: RuntimeConfig
    history: tuple[History, ...]  # oldest first
    _digest: str
    _document: Json

    @classmethod
    def parse(cls, raw: bytes, *, digest: str = "") -> ImageConfig:
        """Reads a config; `digest` is known to be that of `raw`, if given."""
        document = fields.parse_object(raw, _WHAT)
        if not isinstance(document.get("rootfs"), dict):
            raise CorruptError(f"{_WHAT} has no rootfs")
        rootfs = fields.mapping(document, "rootfs", _WHAT)
        if fields.text(rootfs, "type", f"{_WHAT}: rootfs") not in ("layers", ""):
            raise CorruptError(f"{_WHAT}: the rootfs does not consist of layers")
        diff_ids = fields.strings(rootfs, "diff_ids", f"{_WHAT}: rootfs") or ()
        self = cls()
        self._set(
            raw=raw,
            _digest=digest,
            _document=document,
            history=tuple(
                History.from_json(step) for step in fields.objects(document, "history", _WHAT)
            ),
            architecture=fields.text(document, "architecture", _WHAT),
            os=fields.text(document, "os", _WHAT),
            variant=fields.text(document, "variant", _WHAT),
            created=fields.text(document, "created", _WHAT),
            author=fields.text(document, "author", _WHAT),
            comment=fields.text(document, "comment", _WHAT),
            docker_version=fields.text(document, "docker_version", _WHAT),
            diff_ids=tuple(digests.validate(text, f"{_WHAT}: diff_id") for text in diff_ids),
            runtime=RuntimeConfig(fields.mapping(document, "config", _WHAT)),
        )
        return self

    @classmethod
    def build(
        cls,
        *,
        architecture: str,
        os: str,
        variant: str = "",
        created: str = "",
        author: str = "",
        runtime: RuntimeConfig | None = None,
        diff_ids: Iterable[str] = (),
        history: Iterable[History] = (),
    ) -> ImageConfig:
        """A new config."""
        document: Json = {"architecture": architecture, "os": os}
        if variant:
            document["variant"] = variant
        return cls._from_document(
            document, created, author, runtime or RuntimeConfig(), diff_ids, history
        )

    def replace(
        self,
        *,
        created: str | None = None,
        author: str | None = None,
        runtime: RuntimeConfig | None = None,
        diff_ids: Iterable[str] | None = None,
        history: Iterable[History] | None = None,
    ) -> ImageConfig:
        """The same config with what is given set anew."""
        return self._from_document(
            dict(self._document),
            self.created if created is None else created,
            self.author if author is None else author,
            self.runtime if runtime is None else runtime,
            self.diff_ids if diff_ids is None else diff_ids,
            self.history if history is None else history,
        )

    @classmethod
    def _from_document(
        cls,
        document: Json,
        created: str,
        author: str,
        runtime: RuntimeConfig,
        diff_ids: Iterable[str],
        history: Iterable[History],
    ) -> ImageConfig:
        for key, value in (("created", created), ("author", author)):
            if value:
                document[key] = value
            else:
                document.pop(key, None)
        document["config"] = runtime.to_json()
        document["rootfs"] = {"type": "layers", "diff_ids": list(diff_ids)}
        document["history"] = [step.to_json() for step in history]
        return cls.parse(fields.dump_text(document))

    def without_making(self) -> ImageConfig:
        """The same config without what Docker says of the container it was made from: no other
        image was made from that."""
        document = {k: value for k, value in self._document.items() if k not in _OF_THE_MAKING}
        return self.parse(fields.dump_text(document))

    @property
    def digest(self) -> str:
        """The digest of `raw`: the image ID."""
        if not self._digest:
            self._set(_digest=digests.digest_of(self.raw))
        return self._digest

    @property
    def platform(self) -> Platform:
        """What the image runs on."""
        return Platform(self.os or "linux", self.architecture, self.variant)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImageConfig) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)
