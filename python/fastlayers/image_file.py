"""ImageFile: a file of an image, open for reading where it lies in its layer's tar."""

from __future__ import annotations

import io
import os

from fastlayers.errors import InvalidError
from fastlayers.file_reader import open_data, read_into

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

    from typing_extensions import Buffer

    from fastlayers import _core
    from fastlayers.file_reader import Entry
    from fastlayers.image import Image


class ImageFile(io.RawIOBase):
    """The contents of one regular file. Holds one descriptor until it is closed."""

    def __init__(self, image: Image, table: _core.Table, entry: Entry) -> None:
        super().__init__()
        self._start = entry.data_offset
        self._size = entry.size
        self._diff_id = table.layers[entry.layer]
        self._position = 0
        self._descriptor = open_data(image, table, entry) if entry.size else -1

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        self._check_open()
        with memoryview(buffer).cast("B") as view:
            count: int = max(0, min(len(view), self._size - self._position))
            with view[:count] as room:
                read_into(self._descriptor, room, self._start + self._position, self._diff_id)
        self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._check_open()
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed and self._descriptor >= 0:
            os.close(self._descriptor)
        super().close()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")


def opened(
    image: Image,
    table: _core.Table,
    entry: Entry,
    mode: str,
    *,
    encoding: str | None,
    errors: str | None,
) -> IO[Any]:
    """A regular file as `open` gives it: mode "r" for text (UTF-8 unless another encoding is
    named) or "rb" for bytes, buffered. InvalidError for other modes."""
    if mode not in ("r", "rt", "rb"):
        raise InvalidError(f"files of an image can only be read: mode {mode!r}")
    raw = io.BufferedReader(ImageFile(image, table, entry))
    if mode == "rb":
        return raw
    return io.TextIOWrapper(raw, encoding=encoding or "utf-8", errors=errors)
