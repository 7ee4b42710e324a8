"""A folder with an image in it, read as an archive is: by path, trusting nothing in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from fastlayers.errors import CorruptError, LimitError, NotFoundError, TraversalError

from .archive import Slice
from .input import open_regular


class Directory:
    """The files below a folder, with the interface of `Archive`.

    Links are followed as the file system does (layouts made by build tools consist of them): what
    is read must match its digest anyway.
    """

    def __init__(self, path: str) -> None:
        self.label = path
        self._path = path

    def exists(self, path: str) -> bool:
        """Whether a path names a file or directory."""
        return os.path.exists(self._full(path))

    def read(self, path: str, limit: int) -> bytes:
        """The contents of a small file."""
        with self.open(path) as part, os.fdopen(os.dup(part.descriptor), "rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise LimitError(f"{self.label}: {path!r} is longer than {limit} bytes")
        return data

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[Slice]:
        """The file, open."""
        try:
            descriptor = open_regular(self._full(path))
        except NotFoundError:
            raise CorruptError(f"{self.label}: {path!r} is missing") from None
        try:
            yield Slice(descriptor, 0, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)

    def _full(self, path: str) -> str:
        if "\0" in path:
            raise CorruptError(f"{self.label}: {path!r} is not a path")
        if ".." in path.split("/"):
            raise TraversalError(f"{self.label}: {path!r} leaves the folder")
        return os.path.join(self._path, path.lstrip("/"))
