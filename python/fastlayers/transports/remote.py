"""An image that is looked at where it is: its documents, without its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastlayers.oci.document import Descriptor, ImageConfig, Manifest
from fastlayers.oci.frozen import Frozen
from fastlayers.oci.history import HistoryStep, steps

from .carry import opened
from .plan import choose_manifest

if TYPE_CHECKING:
    from fastlayers.oci.platform import Platform
    from fastlayers.store import Store

    from .location import Location


class RemoteImage(Frozen):
    """An image that need not be in the store. `location` is where it was looked at, `digest` that
    of its manifest, or of the index it was chosen from."""

    __slots__ = ("config", "digest", "location", "manifest")

    config: ImageConfig
    digest: str
    location: Location
    manifest: Manifest

    def __init__(
        self, location: Location, digest: str, manifest: Manifest, config: ImageConfig
    ) -> None:
        self._set(location=location, digest=digest, manifest=manifest, config=config)

    @property
    def id(self) -> str:
        """The image ID: the digest of its config."""
        return self.config.digest

    @property
    def size(self) -> int:
        """Bytes of its layers as they lie there, mostly compressed."""
        return sum(layer.size for layer in self.manifest.layers)

    def history(self) -> list[HistoryStep]:
        """How it came about, newest step first; sizes are of the layers as they lie there."""
        return steps(self.config, [layer.size for layer in self.manifest.layers], self.id)

    def inspect(self) -> dict[str, Any]:
        """All about it, in the shape of `docker image inspect`; Size is of the layers as they lie
        there."""
        from fastlayers.inspection import image_document

        manifest = self.manifest
        by_tag: list[str] = []
        by_digest: list[str] = []
        if self.location.transport == "docker":
            reference = self.location.reference
            by_digest.append(f"{reference.familiar_repository}@{self.digest}")
            if not reference.digest:
                by_tag.append(f"{reference.familiar_repository}:{reference.tag_or_default}")
        descriptor = Descriptor(manifest.media_type, manifest.digest, len(manifest.raw))
        return image_document(self.config, descriptor, by_tag, by_digest, self.size, None)


def look(store: Store, location: Location, platform: Platform | None) -> RemoteImage:
    """Reads the documents of an image."""
    with opened(store, location, platform) as origin:
        root = origin.root()
        manifest = root if isinstance(root, Manifest) else choose_manifest(origin, platform)
        manifest.require_image(origin.label)
        config = ImageConfig.parse(origin.small(manifest.config))
        return RemoteImage(location, root.digest, manifest, config)
