"""The log of a container: what it has written, when and where to (cpp/run/log.hpp)."""

from __future__ import annotations

import os
import struct

from fastlayers.host import host_error
from fastlayers.oci.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_RECORD = struct.Struct("<QQ")
_ERROR = 1 << 63
_CHUNK_BYTES = 1 << 16


class Piece(Frozen):
    """What was written at one time: `at` is nanoseconds since 1970 (0: not known), `error` whether
    it went to standard error."""

    __slots__ = ("at", "data", "error")

    at: int
    error: bool
    data: bytes

    def __init__(self, at: int, error: bool, data: bytes) -> None:
        self._set(at=at, error=error, data=data)


class ContainerLog:
    """A log, open for reading; it may grow meanwhile. Use as a context manager."""

    __slots__ = ("_bytes", "_index", "_position")

    def __init__(self, path: str) -> None:
        self._bytes = _open(path)
        self._index = _open(f"{path}.index")
        self._position = 0

    def __enter__(self) -> ContainerLog:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._bytes, self._index):
            if file is not None:
                file.close()

    def skip_to_last(self, lines: int) -> None:
        """What is read next are the last lines."""
        if self._bytes is not None:
            self._position = _start_of_last(self._bytes, lines)

    def pieces(self, since: int = 0, until: int = 0) -> Iterator[Piece]:
        """What has been written and not been read yet, in pieces of bearable size; only those
        written from one time on, and (unless it is 0) up to another, in nanoseconds since 1970."""
        if self._bytes is None:
            return
        end = os.fstat(self._bytes.fileno()).st_size
        begins = self._records(end)
        for (at, error, begin), (_, _, stop) in zip(begins, [*begins[1:], (0, False, end)],
                                                    strict=True):  # fmt: skip
            if stop <= self._position:
                continue
            start, self._position = max(begin, self._position), stop
            if at < since or (until and at > until):
                continue
            while start < stop:
                data = os.pread(self._bytes.fileno(), min(_CHUNK_BYTES, stop - start), start)
                if not data:
                    break
                yield Piece(at, error, data)
                start += len(data)

    def _records(self, end: int) -> list[tuple[int, bool, int]]:
        """Time, stream and beginning of each piece, in the order of the log."""
        found: list[tuple[int, bool, int]] = []
        if self._index is not None:
            self._index.seek(0)
            raw = self._index.read()
            whole = len(raw) - len(raw) % _RECORD.size
            found = [
                (at, bool(place & _ERROR), place & ~_ERROR)
                for at, place in _RECORD.iter_unpack(raw[:whole])
            ]
            found = sorted((one for one in found if one[2] < end), key=lambda one: one[2])
        if not found or found[0][2] > 0:
            found.insert(0, (0, False, 0))
        return found


def _open(path: str) -> IO[bytes] | None:
    try:
        return open(path, "rb", buffering=0)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise host_error(f"cannot read {path}", error) from None


def _start_of_last(log: IO[bytes], lines: int) -> int:
    """Where the last lines start: read from the end, a piece at a time."""
    position = end = log.seek(0, 2)
    if not lines:
        return end
    missing = lines
    while position > 0:
        start = max(0, position - _CHUNK_BYTES)
        log.seek(start)
        chunk = log.read(position - start)
        at = len(chunk)
        while (at := chunk.rfind(b"\n", 0, at)) >= 0:
            # The newline at the very end closes the last line, it does not start another one.
            if start + at != end - 1:
                missing -= 1
                if not missing:
                    return start + at + 1
        position = start
    return 0
