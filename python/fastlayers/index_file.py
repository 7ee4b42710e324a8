"""index.json: which images the store has, and their names (OCI image-layout).

One descriptor for each name, in `org.opencontainers.image.ref.name`; an image without a name has
one descriptor without it. The file is replaced by rename; writers take turns on locks/index.
"""

from __future__ import annotations

import os

from fastlayers.errors import CorruptError
from fastlayers.host import host_error, read_file, write_file
from fastlayers.lock import FileLock
from fastlayers.oci import fields, media_type
from fastlayers.oci.descriptor import Descriptor
from fastlayers.oci.fields import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAME = "org.opencontainers.image.ref.name"
# The name by digest under which a registry gave the image.
REPO_DIGEST = "org.fastlayers.repo-digest"
_LIMIT_BYTES = 64 << 20


class IndexFile:
    """The index of a store's root. Reads are cached until the file is replaced."""

    __slots__ = ("_cached", "_document", "_lock_path", "_signature", "path")

    def __init__(self, root: str) -> None:
        self.path = os.path.join(root, "index.json")
        self._lock_path = os.path.join(root, "locks", "index")
        self._signature: tuple[int, int, int] | None = None
        self._cached: tuple[Descriptor, ...] = ()
        self._document: Json = {}

    def read(self) -> tuple[Descriptor, ...]:
        """The descriptors; none where there is no store yet."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            self._signature, self._cached, self._document = None, (), {}
            return ()
        except OSError as error:
            raise host_error("cannot read", error) from None
        signature = (status.st_ino, status.st_mtime_ns, status.st_size)
        if signature != self._signature:
            raw = read_file(self.path)
            self._document = self._parse(raw) if raw is not None else {}
            self._cached = tuple(
                Descriptor.from_json(entry, f"{self.path}: entry {number}")
                for number, entry in enumerate(
                    fields.objects(self._document, "manifests", self.path)
                )
            )
            self._signature = signature
        return self._cached

    def _parse(self, raw: bytes) -> Json:
        try:
            return fields.parse_object(raw, self.path, limit=_LIMIT_BYTES)
        except CorruptError as error:
            raise CorruptError(f"{error}: the store's list of images is damaged") from None

    def update(
        self, change: Callable[[Sequence[Descriptor]], Sequence[Descriptor]]
    ) -> tuple[Descriptor, ...]:
        """Replaces the descriptors by what `change` makes of them; on disk when this returns."""
        with FileLock(self._lock_path, exclusive=True):
            before = self.read()
            after = tuple(change(before))
            if after != before:
                self.write(after)
            return after

    def write(self, descriptors: Sequence[Descriptor]) -> None:
        """Writes the file; the caller holds the lock."""
        document: Json = {
            "schemaVersion": 2,
            "mediaType": media_type.OCI_INDEX,
            **self._document,
            "manifests": [descriptor.to_json() for descriptor in descriptors],
        }
        write_file(self.path, fields.dump(document), sync=True)


def name_of(descriptor: Descriptor) -> str:
    """The image name that a descriptor gives; "" if it gives none."""
    return descriptor.annotations.get(NAME, "")


def repo_digest_of(descriptor: Descriptor) -> str:
    """The name by digest that a descriptor records; "" if none."""
    return descriptor.annotations.get(REPO_DIGEST, "")


def renamed(descriptor: Descriptor, name: str, repo_digest: str) -> Descriptor:
    """The descriptor with another name and repo digest ("": none)."""
    annotations = {
        key: value
        for key, value in descriptor.annotations.items()
        if key not in (NAME, REPO_DIGEST)
    }
    if name:
        annotations[NAME] = name
    if repo_digest:
        annotations[REPO_DIGEST] = repo_digest
    return descriptor.with_annotations(annotations)
