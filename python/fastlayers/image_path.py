"""ImagePath: a path in an image, with the reading methods of pathlib: no mount, no privileges."""

from __future__ import annotations

import os
import stat as mode_bits

from fastlayers.errors import InvalidError, NotFoundError
from fastlayers.file_reader import DIRECTORY, FILE, SYMLINK, Entry, regular, resolve, table_of
from fastlayers.oci.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO, Any

    from fastlayers import _core
    from fastlayers.image import Image

    # "**", "..", or what says whether a name matches.
    _Step = str | Callable[[str], object]

_TYPE_BITS = (
    mode_bits.S_IFREG,
    mode_bits.S_IFDIR,
    mode_bits.S_IFLNK,
    mode_bits.S_IFCHR,
    mode_bits.S_IFBLK,
    mode_bits.S_IFIFO,
)


class _Root:
    """The merged tree of an image, read once for all paths that are made of one."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.table: _core.Table = table_of(image)
        self._link_counts: dict[int, int] = {}

    def links(self, entry: Entry) -> int:
        """How many names an inode has."""
        if not entry.link_group:
            return 1
        if not self._link_counts:
            groups = self.table.entries.cast("B").cast("I")[26::30].tolist()
            for group in groups:
                self._link_counts[group] = self._link_counts.get(group, 0) + 1
        return self._link_counts[entry.link_group]

    def children(self, directory: Entry) -> Iterator[Entry]:
        """What is in a directory, in the order of the names' bytes."""
        at, end = directory.index + 1, self.table.subtree_end(directory.index)
        while at < end:
            child = Entry(self.table, at)
            yield child
            at = self.table.subtree_end(at) if child.kind == DIRECTORY else at + 1


class ImagePath(Frozen):
    """A path from the root of an image; relative ones mean the same. Symbolic links are followed
    inside the root. Names that are not UTF-8 are spelled with surrogates, as by os.fsdecode.

    What is asked of a path that is not there raises NotFoundError, a loop of links InvalidError.
    """

    __slots__ = ("_bytes", "_root")

    _root: _Root
    _bytes: bytes  # "/" or "/a/b": never with "." or a slash too many; ".." is kept

    def __init__(self, root: _Root | Image, path: str | bytes = "/") -> None:
        """Made by Image.path."""
        raw = os.fsencode(path)
        parts = [part for part in raw.split(b"/") if part not in (b"", b".")]
        self._set(
            _root=root if isinstance(root, _Root) else _Root(root), _bytes=b"/" + b"/".join(parts)
        )

    # The path itself

    def __str__(self) -> str:
        return os.fsdecode(self._bytes)

    def __bytes__(self) -> bytes:
        return self._bytes

    def __repr__(self) -> str:
        return f"ImagePath({self._root.image.short_id}, {str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImagePath) and other._identity() == self._identity()

    def __lt__(self, other: ImagePath) -> bool:
        return self._identity() < other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, tuple[bytes, ...]]:
        return self._root.image.id, tuple(self._bytes.split(b"/"))

    @property
    def parts(self) -> tuple[str, ...]:
        """("/", "usr", "bin")"""
        return ("/", *(part for part in str(self).split("/") if part))

    @property
    def name(self) -> str:
        """The last component; "" for the root."""
        return str(self).rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The end of the name from its last dot; "" if it has none."""
        name = self.name
        dot = name.rfind(".")
        return name[dot:] if 0 < dot < len(name) - 1 else ""

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return self.name.removesuffix(self.suffix) if self.suffix else self.name

    @property
    def parent(self) -> ImagePath:
        """The path without its last component; of the root the root."""
        return ImagePath(self._root, self._bytes.rpartition(b"/")[0])

    def joinpath(self, *others: str | bytes) -> ImagePath:
        """With more components; one that begins with "/" begins anew."""
        path = self._bytes
        for other in map(os.fsencode, others):
            path = other if other.startswith(b"/") else path + b"/" + other
        return ImagePath(self._root, path)

    def __truediv__(self, other: str | bytes) -> ImagePath:
        return self.joinpath(other)

    # What is there

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """As os.stat. st_ino is the same for all names of an inode and for nothing else in this
        image; times other than the modification's, blocks and st_dev are 0."""
        entry, _ = self._look(follow=follow_symlinks)
        seconds = entry.mtime_ns // 1_000_000_000
        # Groups of names are numbered apart from records.
        inode = len(self._root.table) + entry.link_group if entry.link_group else entry.index
        values = (
            _TYPE_BITS[entry.kind] | entry.mode, inode, 0, self._root.links(entry), entry.uid,
            entry.gid, entry.size, 0, seconds, 0,
        )  # fmt: skip
        return os.stat_result(
            values,
            {
                "st_mtime": entry.mtime_ns / 1e9,
                "st_mtime_ns": entry.mtime_ns,
                "st_rdev": os.makedev(entry.dev_major, entry.dev_minor),
            },
        )

    def lstat(self) -> os.stat_result:
        """stat of a link itself."""
        return self.stat(follow_symlinks=False)

    def entry(self) -> Entry:
        """The record of what is there; links are not followed."""
        return self._look(follow=False)[0]

    @property
    def layer(self) -> int:
        """Which layer has it: index into Image.layers. Links are not followed."""
        return self.entry().layer

    def exists(self) -> bool:
        """Whether it leads to something."""
        return self._kind(follow=True) is not None

    def is_dir(self) -> bool:
        """Whether it leads to a directory."""
        return self._kind(follow=True) == DIRECTORY

    def is_file(self) -> bool:
        """Whether it leads to a regular file."""
        return self._kind(follow=True) == FILE

    def is_symlink(self) -> bool:
        """Whether it is a symbolic link."""
        return self._kind(follow=False) == SYMLINK

    def _kind(self, *, follow: bool) -> int | None:
        try:
            return self._look(follow=follow)[0].kind
        except (NotFoundError, InvalidError):
            return None

    def _look(self, *, follow: bool = True) -> tuple[Entry, bytes]:
        return resolve(self._root.table, self._bytes, follow=follow)

    def readlink(self) -> str:
        """The target of a symbolic link, as it is written. InvalidError if it is none."""
        entry, _ = self._look(follow=False)
        if entry.kind != SYMLINK:
            raise InvalidError(f"{str(self)!r} is not a symbolic link")
        return os.fsdecode(entry.link)

    def resolve(self, strict: bool = False) -> ImagePath:
        """The same without symbolic links and "..", inside the root. Unless `strict`, what follows
        the last directory that is there is kept as it is."""
        try:
            return ImagePath(self._root, self._look()[1])
        except NotFoundError:
            if strict or self._bytes == b"/":
                raise
        name = self._bytes.rpartition(b"/")[2]
        above = self.parent.resolve()
        return above.parent if name == b".." else above / name

    # What is in it

    def iterdir(self) -> Iterator[ImagePath]:
        """What is in a directory, in the order of the names' bytes. InvalidError if it is none."""
        return (self / child.name for child in self._children())

    def entries(self) -> Iterator[tuple[ImagePath, Entry]]:
        """The same, with the records."""
        return ((self / child.name, child) for child in self._children())

    def _children(self) -> Iterator[Entry]:
        entry, _ = self._look()
        if entry.kind != DIRECTORY:
            raise InvalidError(f"{str(self)!r} is not a directory")
        return self._root.children(entry)

    def glob(self, pattern: str) -> Iterator[ImagePath]:
        """What matches a relative pattern: *, ?, [...] in a component, ** for any number of
        directories. InvalidError for one that is empty or begins with "/"."""
        parts = [part for part in pattern.split("/") if part not in ("", ".")]
        if not parts or pattern.startswith("/"):
            raise InvalidError(f"not a relative pattern: {pattern!r}")
        from fnmatch import translate
        from re import compile

        steps: list[_Step] = [
            part if part in ("**", "..") else compile(translate(part)).match for part in parts
        ]
        seen: set[bytes] = set()
        for path in self._select(steps, None):
            if path._bytes not in seen:
                seen.add(path._bytes)
                yield path

    def rglob(self, pattern: str) -> Iterator[ImagePath]:
        """glob in this directory and all below it."""
        return self.glob(f"**/{pattern}")

    def _select(self, steps: list[_Step], directory: Entry | None) -> Iterator[ImagePath]:
        """`directory`, if it is known, is what is at this path."""
        if not steps:
            yield self
            return
        first, *rest = steps
        if directory is None:
            if not self.is_dir():
                return
            directory = self._look()[0]
        if first == "..":
            yield from (self / "..")._select(rest, None)
        elif isinstance(first, str):
            yield from self._select(rest, directory)
            for child in self._root.children(directory):
                if child.kind == DIRECTORY:
                    yield from (self / child.name)._select(steps, child)
        else:
            for child in self._root.children(directory):
                if first(os.fsdecode(child.name)):
                    known = child if child.kind == DIRECTORY else None
                    yield from (self / child.name)._select(rest, known)

    # What it holds

    def open(
        self, mode: str = "r", encoding: str | None = None, errors: str | None = None
    ) -> IO[Any]:
        """Opens a regular file for reading: mode "r" gives text, "rb" bytes."""
        from fastlayers.image_file import opened

        entry = regular(self._root.table, self._bytes)
        return opened(
            self._root.image, self._root.table, entry, mode, encoding=encoding, errors=errors
        )

    def read_bytes(self) -> bytes:
        """The contents of a regular file."""
        with self.open("rb") as file:
            data: bytes = file.read()
            return data

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """The contents of a regular file as text, UTF-8 unless another encoding is named."""
        with self.open("r", encoding, errors) as file:
            text: str = file.read()
            return text
