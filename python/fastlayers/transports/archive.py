"""An image archive as a tree of files read in place: nothing is ever extracted.

One pass over the headers notes where each member's bytes lie; layers are then ingested from these
ranges. Names and links are resolved inside the archive, as if it were a root directory of its own.
"""

from __future__ import annotations

import contextlib
import os
import tarfile
from collections.abc import Iterator
from typing import Final, NamedTuple

from fastlayers.errors import CorruptError, LimitError, TraversalError

from .input import host_error, read_at

_BLOCK: Final = 512
_MEMBER_LIMIT: Final = 100_000
# What one member's headers (long names, extended attributes) may take together.
_HEADER_LIMIT: Final = 16 << 10
_GLOBAL_LIMIT: Final = 256
_LINK_LIMIT: Final = 32
_NAME_LIMIT: Final = 4096


class Slice(NamedTuple):
    """Bytes of an open file; the descriptor belongs to whoever made the slice."""

    descriptor: int
    offset: int
    size: int


class _Member(NamedTuple):
    kind: str  # "file", "directory", "symlink" or "other"
    offset: int
    size: int
    target: str


class _Headers:
    """The reading side of `tarfile`, with a bound on what one member's headers may take.

    tarfile trusts sizes: a header that claims a huge or negative extension would make it read the
    whole archive into memory, or run in circles.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self._at = 0
        self.room = 0

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or not 0 <= offset <= self._size:
            raise CorruptError(f"a header points to byte {offset} of {self._size}")
        self._at = offset
        return offset

    def read(self, count: int = -1) -> bytes:
        if not 0 <= count <= self.room:
            raise CorruptError(f"the headers of one member are longer than {_HEADER_LIMIT} bytes")
        self.room -= count
        data = read_at(self._descriptor, count, self._at)
        self._at += len(data)
        return data


def _split(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]


class Archive:
    """The members of an uncompressed tar file, by path."""

    def __init__(self, descriptor: int, label: str) -> None:
        self.label = label
        self._descriptor = descriptor
        self._members: dict[str, _Member] = {}
        self._size = os.fstat(descriptor).st_size
        try:
            self._scan()
        except CorruptError as error:
            raise type(error)(f"{label}: {error}") from None
        except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
            # ValueError: what tarfile lets through of a header with impossible numbers.
            raise CorruptError(f"{label}: not a tar archive: {error}") from None
        except OSError as error:
            raise host_error(f"cannot read {label}", error) from None

    def exists(self, path: str) -> bool:
        """Whether a path names a file or directory of the archive, links followed."""
        return self._find(path) is not None

    def read(self, path: str, limit: int) -> bytes:
        """The contents of a small file."""
        with self.open(path) as part:
            if part.size > limit:
                raise LimitError(f"{self.label}: {path!r} is longer than {limit} bytes")
            data = read_at(part.descriptor, part.size, part.offset)
        if len(data) != part.size:
            raise CorruptError(f"{self.label}: {path!r} ends too early")
        return data

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[Slice]:
        """Where the bytes of a file lie."""
        member = self._find(path)
        if member is None:
            raise CorruptError(f"{self.label}: {path!r} is missing from the archive")
        if member.kind != "file":
            raise CorruptError(f"{self.label}: {path!r} is not a regular file")
        yield Slice(self._descriptor, member.offset, member.size)

    def _scan(self) -> None:
        headers = _Headers(self._descriptor, self._size)
        headers.room = _HEADER_LIMIT
        with tarfile.TarFile(
            fileobj=headers,  # type: ignore[arg-type]
            mode="r",
            errors="surrogateescape",
        ) as tar:
            previous = -1
            while True:
                headers.room = _HEADER_LIMIT
                info = tar.next()
                if info is None:
                    break
                if info.size < 0 or info.offset <= previous:
                    raise CorruptError(f"bad header at byte {info.offset}")
                previous = info.offset
                self._add(info)
                tar.members.clear()  # type: ignore[attr-defined]  # kept here, in less memory
                if len(self._members) > _MEMBER_LIMIT:
                    raise LimitError(f"{self.label} has more than {_MEMBER_LIMIT} members")
                if len(tar.pax_headers) > _GLOBAL_LIMIT:  # copied for each member
                    raise LimitError(f"{self.label} has too many global headers")
            self._check_end(tar.offset)

    def _check_end(self, offset: int) -> None:
        """tarfile takes any damaged header for the end; the end is a block of NULs or nothing."""
        block = read_at(self._descriptor, _BLOCK, offset)
        if block.strip(b"\0"):
            raise CorruptError(f"damaged at byte {offset}")

    def _add(self, info: tarfile.TarInfo) -> None:
        parts = _split(info.name)
        if ".." in parts:
            raise TraversalError(f"the member name {info.name!r} leaves the archive")
        if len(info.name) > _NAME_LIMIT or len(info.linkname) > _NAME_LIMIT:
            raise LimitError(f"{self.label}: a member name is longer than {_NAME_LIMIT} bytes")
        if not parts:
            return
        path = "/".join(parts)
        if info.issym():
            member = _Member("symlink", 0, 0, info.linkname)
        elif info.islnk():
            # Names the same bytes as an earlier member; from the archive's root, not from here.
            member = _Member("symlink", 0, 0, "/" + info.linkname.lstrip("/"))
        elif info.isreg() and not info.issparse():
            if info.offset_data + info.size > self._size:
                raise CorruptError(f"the archive ends in the middle of {path!r}")
            member = _Member("file", info.offset_data, info.size, "")
        else:
            member = _Member("directory" if info.isdir() else "other", 0, 0, "")
        if member.target == "/" + path:
            return  # a link to itself says nothing
        self._members[path] = member

    def _find(self, path: str) -> _Member | None:
        """The member at a path; every link on the way is followed inside the archive."""
        if len(path) > _NAME_LIMIT:
            raise LimitError(f"{self.label}: a path is longer than {_NAME_LIMIT} bytes")
        pending = _split(path)[::-1]
        done: list[str] = []
        links = 0
        member: _Member | None = _Member("directory", 0, 0, "")
        while pending:
            part = pending.pop()
            if part == "..":
                if not done:
                    raise TraversalError(f"{self.label}: {path!r} leaves the archive")
                done.pop()
                continue
            done.append(part)
            member = self._members.get("/".join(done))
            if member is None:
                if not pending:
                    return None
                continue  # a directory without an entry of its own
            if member.kind == "symlink":
                links += 1
                if links > _LINK_LIMIT or len(done) > _NAME_LIMIT:
                    raise CorruptError(f"{self.label}: {path!r} is a loop of links")
                if member.target.startswith("/"):
                    done = []
                else:
                    done.pop()
                pending.extend(_split(member.target)[::-1])
        return member
