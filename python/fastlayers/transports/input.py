"""What a person hands to load and import: a path, or an open binary file such as standard input."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from typing import IO, TypeAlias

from fastlayers.errors import CorruptError, FastlayersError, HostError, InvalidError, NotFoundError

Source: TypeAlias = "str | os.PathLike[str] | IO[bytes]"

CHUNK_BYTES = 1 << 20
HEAD_BYTES = 64
_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
)


def compression_of(head: bytes) -> str:
    """ "gzip", "zstd", "xz", "bzip2" or "none", by the first bytes of a file."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    # A zstd stream may begin with frames to be skipped: magic numbers 184d2a50 to 184d2a5f.
    if len(head) >= 4 and head[0] & 0xF0 == 0x50 and head[1:4] == b"\x2a\x4d\x18":
        return "zstd"
    return "none"


def host_error(what: str, error: OSError) -> FastlayersError:
    """A failed system call as an error of this package."""
    made = HostError(f"{what}: {error.strerror or error}")
    made.errno = error.errno or 0
    return made


def read_at(descriptor: int, count: int, offset: int) -> bytes:
    """The bytes at a place of a file, fewer only at its end."""
    data = os.pread(descriptor, count, offset)
    while len(data) < count:
        more = os.pread(descriptor, count - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def label_of(source: Source) -> str:
    """How errors call an input."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and not name.startswith("<") else "standard input"


def open_path(path: str) -> int:
    """Opens a file a person named, for reading: a regular file, a named pipe or a device."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"{path}: no such file or directory") from None
    except OSError as error:
        raise host_error(f"cannot open {path}", error) from None
    except ValueError:
        raise InvalidError(f"{path!r} is not a valid path") from None
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidError(f"{path} is a directory")
    return descriptor


def open_regular(path: str) -> int:
    """Opens a regular file inside something untrusted; never waits for a pipe's other end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"{path}: no such file or directory") from None
    except OSError as error:
        raise host_error(f"cannot open {path}", error) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CorruptError(f"{path} is not a regular file")
    return descriptor


def regular_descriptor(file: IO[bytes]) -> int:
    """The descriptor of a regular file that stands at its beginning, or -1 for anything else."""
    try:
        descriptor = file.fileno()
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and file.tell() == 0:
            return descriptor
    except (OSError, ValueError, AttributeError):
        pass  # not a file of the system (BytesIO), or one without a position (a pipe)
    return -1


class Replay(io.RawIOBase):
    """A file whose first bytes were read already, with those bytes put back in front."""

    def __init__(self, file: IO[bytes], label: str) -> None:
        super().__init__()
        self._file = file
        self._label = label
        self._head = b""
        while len(self._head) < HEAD_BYTES:
            data = self._read(HEAD_BYTES - len(self._head))
            if not data:
                break
            self._head += data
        self.head = self._head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._head:
            count = min(len(buffer), len(self._head))
            buffer[:count] = self._head[:count]
            self._head = self._head[count:]
            return count
        into = getattr(self._file, "readinto", None)
        if into is not None:
            try:
                return into(buffer) or 0
            except OSError as error:
                raise host_error(f"cannot read {self._label}", error) from None
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _read(self, count: int) -> bytes:
        try:
            return self._file.read(count) or b""
        except OSError as error:
            raise host_error(f"cannot read {self._label}", error) from None


def each_chunk(file: io.RawIOBase, take: Callable[[memoryview], object], label: str) -> None:
    """Hands the rest of a file to `take`, in big pieces that are valid during the call only.

    What the core does not know, xz and bzip2, is decompressed on the way.
    """
    compression = compression_of(file.head) if isinstance(file, Replay) else "none"
    if compression in ("xz", "bzip2"):
        _each_expanded(file, compression, take, label)
        return
    buffer = memoryview(bytearray(CHUNK_BYTES))
    while count := file.readinto(buffer):
        take(buffer[:count])


def _each_expanded(
    file: io.RawIOBase, compression: str, take: Callable[[memoryview], object], label: str
) -> None:
    import bz2
    import lzma

    opener = lzma.LZMAFile if compression == "xz" else bz2.BZ2File
    expanded: lzma.LZMAFile | bz2.BZ2File = opener(file)  # type: ignore[arg-type]
    buffer = memoryview(bytearray(CHUNK_BYTES))
    while True:
        try:
            count = expanded.readinto(buffer)
        except (lzma.LZMAError, EOFError, ValueError) as error:
            raise CorruptError(f"{label}: bad {compression} data: {error}") from None
        except OSError as error:
            if error.errno:
                raise host_error(f"cannot read {label}", error) from None
            raise CorruptError(f"{label}: bad {compression} data: {error}") from None
        if not count:
            return
        take(buffer[:count])
