"""The packages that are installed in an image, as their managers' files say, and what differs
between two images."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastlayers.analysis import package_format
from fastlayers.analysis.contents import Contents
from fastlayers.analysis.files import FILE, Files, files
from fastlayers.errors import InvalidError, NotFoundError
from fastlayers.file_reader import DIRECTORY, resolve, table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastlayers import _core
    from fastlayers.analysis.package_format import Named
    from fastlayers.image import Image

_DATABASE_BYTES = 256 << 20
_DOCUMENT_BYTES = 4 << 20

# Where one file or folder has all packages of a type. Links on the way are followed.
_RPM_FOLDERS = (b"var/lib/rpm", b"usr/lib/sysimage/rpm")
_DATABASES = (
    (b"var/lib/dpkg/status", "deb"),
    (b"var/lib/dpkg/status.d", "deb"),
    (b"lib/apk/db/installed", "apk"),
    (b"usr/lib/apk/db/installed", "apk"),
    *(
        (folder + b"/" + name, "rpm")
        for folder in _RPM_FOLDERS
        for name in (b"rpmdb.sqlite", b"Packages.db", b"Packages")
    ),
)
_RPM_LOG = b"/rpmdb.sqlite-wal"
_LOG_IS_UNREAD = "it has changes that the database beside it lacks, and no log is read"
# Where each package has a file of its own: how its path ends, and what the whole looks like.
_DOCUMENTS = (
    (b"/package.json", re.compile(rb"(?:^|/)node_modules/((?:@[^/]+/)?[^/@.][^/]*)/[^/]+$"), "npm"),
    (b".dist-info/METADATA", re.compile(rb""), "pypi"),
    (b".egg-info/PKG-INFO", re.compile(rb""), "pypi"),
    (b".egg-info", re.compile(rb""), "pypi"),
)


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package. `type` is deb, apk, rpm, pypi or npm (package URLs' words); `version`
    and `architecture` are as its manager spells them, "" where it names none; `path` is of the
    file that says that it is there."""

    type: str
    name: str
    version: str
    architecture: str
    path: str


@dataclass(frozen=True, slots=True)
class UnreadFile:
    """A file that should tell of packages and was not read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class PackageList:
    """What is installed, by type and name, and the files that should have told more."""

    packages: tuple[Package, ...]
    unread: tuple[UnreadFile, ...]


@dataclass(frozen=True, slots=True)
class PackageDifference:
    """A package with copies that only one of two images has: those of the old one and of the new
    one, by version. A copy that only moved is no difference."""

    type: str
    name: str
    old: tuple[Package, ...]
    new: tuple[Package, ...]

    @property
    def change(self) -> str:
        """ "added", "removed" or "changed"."""
        return "changed" if self.old and self.new else "removed" if self.old else "added"

    @property
    def versions(self) -> tuple[str, str]:
        """Those of the old copies and of the new ones, "1.0, 2.0"; with the architecture, "1.0
        (amd64)", where that is not the same of all."""
        one = len({copy.architecture for copy in (*self.old, *self.new)}) == 1
        old, new = (
            ", ".join(dict.fromkeys(c.version if one else _with_architecture(c) for c in copies))
            for copies in (self.old, self.new)
        )
        return old, new


def _with_architecture(copy: Package) -> str:
    return f"{copy.version} ({copy.architecture})"


class _Place(NamedTuple):
    """A file that tells of packages: its row of the table, the type of them, and the name of one
    that does not say it itself. Why it is not read, if it is not."""

    row: int
    type: str
    name: str = ""
    refusal: str = ""


def find_packages(image: Image) -> PackageList:
    """The packages of dpkg, apk and rpm, and those of Python and npm wherever they lie."""
    table = table_of(image)
    return _read(image, table, _places(table))


def compare_packages(
    old: Image, new: Image
) -> tuple[tuple[PackageDifference, ...], tuple[UnreadFile, ...]]:
    """What differs, by type and name, and what could not be read to know more. Files that both
    images have the same are not read."""
    tables = table_of(old), table_of(new)
    sides = [_places(table) for table in tables]
    before, after = sides
    contents = [_digests(table, side) for table, side in zip(tables, sides, strict=True)]
    for path in before.keys() & after.keys():
        if contents[0][path] == contents[1][path]:
            del before[path], after[path]
    lists = [
        _read(image, table, side)
        for image, table, side in zip((old, new), tables, sides, strict=True)
    ]
    counts = [Counter(map(_identity, found.packages)) for found in lists]
    groups: dict[tuple[str, str], tuple[list[Package], list[Package]]] = defaultdict(
        lambda: ([], [])
    )
    for side in (0, 1):
        surplus = counts[side] - counts[1 - side]
        for package in reversed(lists[side].packages):
            if surplus[_identity(package)]:
                surplus[_identity(package)] -= 1
                groups[package.type, package.name][side].insert(0, package)
    differences = (
        PackageDifference(*key, tuple(olds), tuple(news))
        for key, (olds, news) in sorted(groups.items())
    )
    unread = dict.fromkeys((*lists[0].unread, *lists[1].unread))
    return tuple(differences), tuple(unread)


def _identity(package: Package) -> tuple[str, str, str, str]:
    return package.type, package.name, package.version, package.architecture


def _digests(table: _core.Table, places: dict[bytes, _Place]) -> dict[bytes, tuple[bytes, int]]:
    rows = files(table)[[place.row for place in places.values()]]
    columns = zip(rows["xxh3"].tolist(), rows["size"].tolist(), strict=True)
    return dict(zip(places, columns, strict=True))


def _places(table: _core.Table) -> dict[bytes, _Place]:
    """The files that tell of packages, by path; each once, whatever links lead to it."""
    found: dict[bytes, _Place] = {}
    rows = files(table)
    for path, type in _DATABASES:
        for place, row in _files_at(table, path):
            if not place.endswith(b".md5sums"):
                found[place] = _Place(row, type)
    for folder in _RPM_FOLDERS:
        for place, row in _files_at(table, folder + _RPM_LOG):
            if rows["size"][row]:
                found[place] = _Place(row, "rpm", refusal=_LOG_IS_UNREAD)
    for end, pattern, type in _DOCUMENTS:
        chosen = _ending(rows, end)
        for path, row in zip(rows[chosen].paths().tolist(), chosen.tolist(), strict=True):
            match = pattern.search(path)
            if match:
                own_name = os.fsdecode(match.group(1)) if match.groups() else ""
                found[path[1:]] = _Place(row, type, own_name)
    return found


def _files_at(table: _core.Table, path: bytes) -> Iterator[tuple[bytes, int]]:
    """The regular file at a path, or those in the directory there: paths without links, rows."""
    try:
        entry, place = resolve(table, path)
    except (NotFoundError, InvalidError):
        return
    if entry.kind == FILE:
        yield place, entry.index
    elif entry.kind == DIRECTORY:
        rows = files(table)[entry.index : table.subtree_end(entry.index)]
        inside = np.flatnonzero(
            (rows["kind"] == FILE) & (rows["name_offset"] == len(place) + 1)
        ).tolist()
        for row, name in zip(inside, rows[inside].names().tolist(), strict=True):
            yield place + b"/" + name, entry.index + row


def _ending(rows: Files, end: bytes) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The rows of the regular files whose path ends like this, compared byte by byte from the
    last: one column tells for nearly all of them that they do not."""
    heap = np.frombuffer(rows.heap, dtype=np.uint8)
    chosen = np.flatnonzero((rows["kind"] == FILE) & (rows["path_length"] > len(end)))
    last = (rows["path_offset"] + rows["path_length"]).astype(np.int64)[chosen] - 1
    for distance, byte in enumerate(reversed(end)):
        same = heap[last - distance] == byte
        chosen, last = chosen[same], last[same]
    return chosen


def _read(image: Image, table: _core.Table, places: dict[bytes, _Place]) -> PackageList:
    packages: list[Package] = []
    unread: list[UnreadFile] = []
    with Contents(image, table) as contents:
        for key, place in sorted(places.items()):
            path = "/" + os.fsdecode(key)
            try:
                for name, version, architecture in _told(contents, place):
                    packages.append(
                        Package(place.type, name or place.name, version, architecture, path)
                    )
            except ValueError as error:
                unread.append(UnreadFile(path, str(error)))
    packages.sort(key=lambda p: (p.type, p.name, p.version, p.architecture, p.path))
    return PackageList(tuple(packages), tuple(unread))


def _told(contents: Contents, place: _Place) -> list[Named]:
    """All that a file tells, or ValueError."""
    if place.refusal:
        raise ValueError(place.refusal)
    with contents.of(place.row) as data:
        bound = _DOCUMENT_BYTES if place.type in ("npm", "pypi") else _DATABASE_BYTES
        if len(data) > bound:
            raise ValueError(f"it has more than {bound} bytes")
        if place.type == "rpm":
            from fastlayers.analysis.rpm_database import rpm

            return list(rpm(data))  # where it lies: it may be large, and little of it is asked for
        parser: Callable[[bytes], Iterator[Named]] = getattr(package_format, place.type)
        return list(parser(bytes(data)))
