"""Catalog: which image a text means, by the names in index.json and by the IDs behind them."""

from __future__ import annotations

from fastlayers import _core
from fastlayers.errors import CorruptError, FastlayersError, InvalidError
from fastlayers.index_file import IndexFile, name_of, repo_digest_of
from fastlayers.oci import digest as digests
from fastlayers.oci.config import ImageConfig
from fastlayers.oci.descriptor import Descriptor
from fastlayers.oci.fields import DOCUMENT_LIMIT
from fastlayers.oci.manifest import Index, Manifest, parse
from fastlayers.oci.platform import Platform, select
from fastlayers.oci.reference import Reference

_DEEPEST_INDEX = 4


class Catalog:
    """The images of a store. Documents never change, so what was read once is kept."""

    __slots__ = ("_manifests", "_root", "index")

    def __init__(self, root: str) -> None:
        self._root = root
        self._manifests: dict[str, Manifest] = {}
        self.index = IndexFile(root)

    def manifest(self, descriptor: Descriptor) -> Manifest:
        """The manifest a descriptor stands for; of several platforms, this machine's."""
        known = self._manifests.get(descriptor.digest)
        if known is None:
            known = self._read_manifest(descriptor, 0)
            self._manifests[descriptor.digest] = known
        return known

    def _read_manifest(self, descriptor: Descriptor, depth: int) -> Manifest:
        raw = _core.read_blob(self._root, descriptor.digest, DOCUMENT_LIMIT)
        parsed = parse(raw, descriptor.media_type, digest=descriptor.digest)
        if isinstance(parsed, Manifest):
            return parsed
        return self._of_platform(parsed, depth)

    def _of_platform(self, index: Index, depth: int) -> Manifest:
        if depth >= _DEEPEST_INDEX:
            raise CorruptError(f"index {index.digest}: indexes are nested too deeply")
        return self._read_manifest(select(index.manifests, Platform.host()), depth + 1)

    def config(self, manifest: Manifest, subject: str) -> ImageConfig:
        """The config of a manifest, checked to fit it; `subject` names the image in errors."""
        manifest.require_image(subject)
        digest = manifest.config.digest
        raw = _core.read_blob(self._root, digest, DOCUMENT_LIMIT)
        config = ImageConfig.parse(raw, digest=digest)
        if len(config.diff_ids) != len(manifest.layers):
            raise CorruptError(
                f"{subject} has {len(manifest.layers)} layers, "
                f"its config names {len(config.diff_ids)}"
            )
        return config

    def documents(self, manifest_digest: str) -> tuple[Manifest, ImageConfig]:
        """The manifest with this digest and its config."""
        manifest = self.manifest(Descriptor("", manifest_digest, 0))
        return manifest, self.config(manifest, f"image {manifest_digest}")

    def image_id(self, descriptor: Descriptor) -> str:
        """The image ID a descriptor stands for; "" if its documents cannot be read."""
        try:
            return self.manifest(descriptor).config.digest
        except FastlayersError:
            return ""

    def entries(self, image_id: str) -> list[Descriptor]:
        """The descriptors of one image."""
        return [entry for entry in self.index.read() if self.image_id(entry) == image_id]

    def find_name(self, text: str) -> Descriptor | None:
        """The descriptor a name means: as the index writes it, or as a person does."""
        entries = self.index.read()
        for entry in entries:
            if name_of(entry) == text:
                return entry
        try:
            name = Reference.parse(text).name
        except InvalidError:
            return None
        for entry in entries:
            if name in (name_of(entry), repo_digest_of(entry)):
                return entry
        return None

    def find_id(self, text: str) -> Descriptor | None:
        """The descriptor of the image with this ID or beginning of one, with or without
        "sha256:". InvalidError if several images' IDs begin so."""
        prefix = text.removeprefix(digests.PREFIX)
        if not digests.is_hex(prefix) or len(prefix) > digests.HEX_LENGTH:
            return None
        found: dict[str, Descriptor] = {}
        for entry in self.index.read():
            image_id = self.image_id(entry)
            if image_id.startswith(digests.PREFIX + prefix):
                found.setdefault(image_id, entry)
        if len(found) > 1:
            raise InvalidError(f"Multiple IDs found with provided prefix: {text}")
        return next(iter(found.values()), None)

    def find(self, text: str) -> tuple[Descriptor, bool] | None:
        """The descriptor a text means, and whether it was a name. A whole ID comes before names,
        a name before the beginning of an ID."""
        whole = len(text.removeprefix(digests.PREFIX)) == digests.HEX_LENGTH
        named = None if whole else self.find_name(text)
        if named is not None:
            return named, True
        by_id = self.find_id(text)
        if by_id is not None:
            return by_id, False
        named = self.find_name(text) if whole else None
        return None if named is None else (named, True)
