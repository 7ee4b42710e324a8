"""A tar archive written front to back, to a file or a pipe; big files never pass through Python.

Headers carry no time, no owner and no host's names: the same contents give the same archive.
"""

from __future__ import annotations

import errno
import os
import tarfile
from collections.abc import Callable, Iterable
from typing import IO

from fastlayers import _core
from fastlayers.errors import CorruptError, FastlayersError, HostError

from .input import CHUNK_BYTES, host_error, open_regular

_BLOCK = 512
_RECORD = 20 * _BLOCK
# What the kernel answers when it cannot copy between two descriptors of these kinds.
_NOT_POSSIBLE = (errno.EINVAL, errno.ENOSYS, errno.EXDEV, errno.EOPNOTSUPP, errno.EBADF)
_KERNEL_COPY_BYTES = 16 << 20


class TarStream:
    """Writes members one after the other; the output stays open."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._written = 0
        self._descriptor = -1
        try:
            out.flush()
            self._descriptor = out.fileno()
        except (OSError, ValueError, AttributeError):
            pass  # not a file of the system: everything goes through write()
        self._by_kernel = self._descriptor >= 0

    def add_directory(self, name: str) -> None:
        """A directory's entry."""
        self._header(name + "/", tarfile.DIRTYPE, 0o755, 0)

    def add_bytes(self, name: str, data: bytes) -> None:
        """A file from memory."""
        self._header(name, tarfile.REGTYPE, 0o644, len(data))
        self._write(memoryview(data))
        self._pad(_BLOCK)

    def add_file(
        self, name: str, path: str, size: int, on_bytes: Callable[[int], None] = lambda _: None
    ) -> None:
        """A file from the file at `path`, which must have the expected size. `on_bytes` is told now
        and then how many bytes were written."""
        source = open_regular(path)
        try:
            found = os.fstat(source).st_size
            if found != size:
                raise CorruptError(f"{path} has {found} bytes instead of {size}")
            self._header(name, tarfile.REGTYPE, 0o644, size)
            with _core.ProfileTimer("write") as timer:
                timer.add_bytes(size)
                copied = self._copy_by_kernel(source, size, on_bytes)
                self._copy(source, path, copied, size, on_bytes)
        finally:
            os.close(source)
        self._pad(_BLOCK)

    def add_pieces(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """A file from its pieces, which must have the expected size together."""
        self._header(name, tarfile.REGTYPE, 0o644, size)
        left = size
        for piece in pieces:
            left -= len(piece)
            if left < 0:
                break
            self._write(memoryview(piece))
        if left:
            raise CorruptError(f"{name} has not the {size} bytes it should have")
        self._pad(_BLOCK)

    def finish(self) -> None:
        """The end of the archive."""
        self._write(memoryview(bytes(2 * _BLOCK)))
        self._pad(_RECORD)
        try:
            self._out.flush()
        except OSError as error:
            raise self._failed(error) from None

    def _header(self, name: str, kind: bytes, mode: int, size: int) -> None:
        info = tarfile.TarInfo(name)
        info.type = kind
        info.mode = mode
        info.size = size
        self._write(memoryview(info.tobuf(tarfile.PAX_FORMAT)))

    def _pad(self, block: int) -> None:
        self._write(memoryview(bytes(-self._written % block)))

    def _write(self, data: memoryview) -> None:
        self._written += len(data)
        try:
            while data:
                count = self._out.write(data)
                data = data[len(data) if count is None else count :]
        except OSError as error:
            raise self._failed(error) from None

    def _copy_by_kernel(self, source: int, size: int, on_bytes: Callable[[int], None]) -> int:
        """Copies as much as the kernel can without the bytes passing through this process."""
        if not self._by_kernel:
            return 0
        try:
            self._out.flush()  # what is buffered comes first
            copied = self._try(os.copy_file_range, source, 0, size, on_bytes)
            return self._try(os.sendfile, source, copied, size, on_bytes)
        except OSError as error:
            raise self._failed(error) from None

    def _try(
        self, call: object, source: int, offset: int, size: int, on_bytes: Callable[[int], None]
    ) -> int:
        while offset < size:
            count = min(_KERNEL_COPY_BYTES, size - offset)
            try:
                if call is os.copy_file_range:
                    done = os.copy_file_range(source, self._descriptor, count, offset)
                else:
                    done = os.sendfile(self._descriptor, source, offset, count)
            except OSError as error:
                if error.errno in _NOT_POSSIBLE:
                    return offset
                raise
            if done == 0:
                return offset
            offset += done
            self._written += done
            on_bytes(offset)
        return offset

    def _copy(
        self, source: int, path: str, offset: int, size: int, on_bytes: Callable[[int], None]
    ) -> None:
        while offset < size:
            data = os.pread(source, min(CHUNK_BYTES, size - offset), offset)
            if not data:
                raise CorruptError(f"{path} became shorter while it was read")
            self._write(memoryview(data))
            offset += len(data)
            on_bytes(offset)

    def _failed(self, error: OSError) -> FastlayersError:
        made = host_error("cannot write the archive", error)
        assert isinstance(made, HostError)
        return made
