"""A mounted image as GNU find, du, grep and md5sum see it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ..measure import Cost, run

_FORMAT = r"%P\0%y\0%m\0%U\0%G\0%s\0%i\0%T@\0%l\0"
_FIELDS = 9
_PACKAGE = b"/package.json"
_NO_FILES = {"d": "directory", "l": "symlink", "c": "character", "b": "block", "p": "fifo"}


class Found(NamedTuple):
    """One name, as find prints it."""

    kind: str  # f, d, l, c, b or p
    mode: int
    uid: int
    gid: int
    size: int
    inode: int
    mtime: str
    target: bytes


class MountedTree:
    """The tree at a directory; paths are bytes without a leading "/"."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.costs: dict[str, Cost] = {}  # of the tools, by the question they answered

    def ask(self, question: str, *argv: str | Path) -> bytes:
        """What a tool says about the tree."""
        cost = self.costs[question] = run(argv)
        return cost.output

    @cached_property
    def files(self) -> dict[bytes, Found]:
        """Every name but the root's own."""
        words = run(["find", self.root, "-mindepth", "1", "-printf", _FORMAT]).output.split(b"\0")
        rows = (words[at : at + _FIELDS] for at in range(0, len(words) - 1, _FIELDS))
        return {
            path: Found(kind.decode(), int(mode, 8), *map(int, numbers), time.decode(), target)
            for path, kind, mode, *numbers, time, target in rows
        }

    @cached_property
    def sums(self) -> dict[bytes, bytes]:
        """The MD5 of every file that is not empty."""
        script = 'cd "$0" && find . -type f -size +0c -print0 | xargs -0r md5sum -z'
        lines = self.ask("dupes", "sh", "-c", script, self.root).split(b"\0")[:-1]
        return {line[36:]: line[:32] for line in lines}  # "SUM  ./PATH"

    def names(self, question: str, *tests: str) -> set[bytes]:
        """The paths that pass find's tests."""
        found = self.ask(question, "find", self.root, "-mindepth", "1", *tests, "-printf", r"%P\0")
        return set(found.split(b"\0")[:-1])

    def matches(self, question: str, pattern: str, path: str) -> set[tuple[bytes, int, bytes]]:
        """(path, number, line) that grep finds below a path; of a binary file, number 0."""
        place = self.root / path
        start = len(bytes(self.root)) + 1
        self.ask(question, "grep", "-raZ", "-D", "skip", pattern, place)  # for its time
        text = _grep("-rnHIZ", pattern, place)
        found = {
            (name[start:], int(number), line)
            for name, number, line in re.findall(rb"([^\0]+)\0(\d+):([^\n]*)\n", text)
        }
        named = {name[start:] for name in _grep("-rlZ", pattern, place).split(b"\0")[:-1]}
        return found | {(name, 0, b"") for name in named - {name for name, _, _ in found}}

    def packages(self, question: str) -> set[tuple[str, str, str]]:
        """(type, name, version) that dpkg tells, and each package.json of node_modules."""
        form = r"deb\t${Package}\t${Version}\n"
        lines = self.ask(question, "dpkg-query", "--root", self.root, "-Wf", form).decode()
        found = {tuple(line.split("\t")) for line in lines.splitlines()}
        place = r".*/node_modules/(@[^/]+/)?[^/@.][^/]*/package\.json"
        tests = ("-type", "f", "-regextype", "posix-extended", "-regex", place, "-print0")
        for path in run(["find", self.root, *tests]).output.split(b"\0")[:-1]:
            told = json.loads(Path(os.fsdecode(path)).read_bytes())
            name = os.fsdecode(path.rpartition(b"/node_modules/")[2].removesuffix(_PACKAGE))
            found.add(("npm", told.get("name", name), told.get("version", "")))
        return found

    def types(self) -> dict[str, tuple[int, int]]:
        """Bytes and number of the files of each suffix, and the number of all that is no file."""
        sums: dict[str, tuple[int, int]] = {}
        inodes: set[int] = set()
        for path in sorted(self.files, key=lambda path: path.split(b"/")):
            found, name = self.files[path], os.fsdecode(path.rpartition(b"/")[2])
            kind, size = _NO_FILES.get(found.kind), 0
            if kind is None:
                versions = re.search(r"\.so\..*\.?[0-9]+$|\.[^.]*$", name[1:])
                kind = versions[0] if versions else "file"
                kind = ".so" if kind.startswith(".so.") else kind if kind != "." else "file"
                size = found.size if found.inode not in inodes else 0
                inodes.add(found.inode)
            bytes_, count = sums.get(kind, (0, 0))
            sums[kind] = bytes_ + size, count + 1
        return sums

    def disk_usage(self, question: str) -> dict[bytes, int]:
        """Bytes of the files in each directory of the root, and in all of it (b"")."""
        lines = self.ask(question, "du", "-b0", "--max-depth=1", self.root).split(b"\0")[:-1]
        sums = {}
        for line in lines:
            size, _, path = line.partition(b"\t")
            sums[path[len(bytes(self.root)) + 1 :]] = int(size)
        sums[b""] -= self.root.stat().st_size
        # du also counts what directories, links and devices take.
        for path, found in self.files.items():
            if found.kind != "f":
                for above in {b"", path.partition(b"/")[0]} & sums.keys():
                    sums[above] -= found.size
        return sums


def _grep(how: str, pattern: str, place: Path) -> bytes:
    argv = ["grep", how, "-D", "skip", pattern, place]
    return subprocess.run(argv, stdout=subprocess.PIPE, env={"LC_ALL": "C"}).stdout
