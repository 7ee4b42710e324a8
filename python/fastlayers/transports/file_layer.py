"""A layer that lies in a file: a member of an archive, or a file of a layout directory."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Protocol

from fastlayers import _core
from fastlayers.errors import DigestMismatchError

from .source import OnBytes

if TYPE_CHECKING:
    from fastlayers._core import LayerInfo

    from .archive import Slice


class Files(Protocol):
    """What an archive and a folder have in common."""

    label: str

    def exists(self, path: str) -> bool: ...
    def read(self, path: str, limit: int) -> bytes: ...
    def open(self, path: str) -> contextlib.AbstractContextManager[Slice]: ...


class FileLayer:
    """One layer in a file (a `LayerSource`); its bytes go from the file to the core directly."""

    def __init__(
        self,
        files: Files,
        path: str,
        *,
        digest: str = "",
        size: int = -1,
        diff_id: str = "",
        media_type: str = "",
    ) -> None:
        self._files = files
        self.path = path
        self.digest = digest
        self.size = size
        self.diff_id = diff_id
        self.media_type = media_type

    def ingest(self, root: str, on_bytes: OnBytes | None) -> LayerInfo:
        """Ingests the file in place."""
        with self._files.open(self.path) as part:
            if self.size not in (-1, part.size):
                raise DigestMismatchError(
                    f"{self._files.label}: {self.path!r} has {part.size} bytes instead of "
                    f"{self.size}"
                )
            # Its own descriptor: an interrupted main thread may close the archive before this ends.
            descriptor = os.dup(part.descriptor)
            try:
                info = _core.ingest_fd(
                    root,
                    descriptor,
                    part.offset,
                    part.size,
                    digest=self.digest,
                    diff_id=self.diff_id,
                    on_bytes=on_bytes,
                )
            finally:
                os.close(descriptor)
            if on_bytes is not None:
                on_bytes(part.size)
            return info

    @property
    def lacking(self) -> str:
        """See LayerSource."""
        if self._files.exists(self.path):
            return ""
        return f"{self._files.label}: {self.path!r} is missing, and the store has no such layer"

    def abort(self) -> None:
        """Nothing to wake: a local file makes nobody wait, and on_bytes ends its ingest."""
