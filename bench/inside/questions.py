"""The questions, and what says whether an answer is right."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from .layer_history import LayerHistory
from .mounted_tree import Found, MountedTree

IMAGE, CHANGED = "bench/inside:old", "bench/inside:new"
FOLDER = "srv/app/node_modules"
_KINDS = {
    "file": "f",
    "directory": "d",
    "symlink": "l",
    "character": "c",
    "block": "b",
    "fifo": "p",
}
_LETTERS = "".join(_KINDS.values())
_KIND_BITS = 15  # of a page's kind
_CODES = {"u1": "B", "i4": "i", "u2": "H", "u4": "I", "f8": "d"}
_NUMBERS = ("kind", "mode", "uid", "gid", "size")


@dataclass
class World:
    """What is known of the images without fastlayers."""

    old: MountedTree
    new: MountedTree
    layers: list[Path]  # the tars of the newer one
    free: Callable[[str], int]  # removes an image; bytes that are free then

    @cached_property
    def history(self) -> LayerHistory:
        """Of the newer image."""
        return LayerHistory(self.layers)


Rows = list[dict[str, Any]]


class Question(NamedTuple):
    """What is asked, what the rows of the answer say, and what they should."""

    name: str
    words: tuple[str, ...]
    told: Callable[[bytes], object]  # of JSON, or of a page
    true: Callable[[World], object]


def _name(row: dict[str, Any], key: str = "Path") -> bytes:
    exact = row[f"{key}Base64"]
    name = base64.b64decode(exact) if exact else os.fsencode(row[key])
    return name.removeprefix(b"/")


def _names(rows: Rows) -> set[bytes]:
    return {_name(row) for row in rows} - {b""}


def _listed(rows: Rows) -> object:
    return {
        _name(row, "Name"): (_KINDS[row["Type"]], row["Mode"][1:], row["Owner"], row["Size"])
        for row in rows
    }


def _folder(world: World) -> object:
    """What is in FOLDER. The file systems' sizes of directories are their own."""
    start = FOLDER.encode() + b"/"
    return {
        path.removeprefix(start): (
            found.kind,
            stat.filemode(stat.S_IFREG | found.mode)[1:],
            f"{found.uid}:{found.gid}",
            found.size if found.kind in "fl" else 0,
        )
        for path, found in world.old.files.items()
        if path.startswith(start) and b"/" not in path.removeprefix(start)
    }


def _lines(rows: Rows) -> object:
    return {(_name(r), r["Number"], _name(r, "Line") if r["Number"] else b"") for r in rows}


def _sums(rows: Rows) -> object:
    return {_name(row, "Name"): row["Size"] for row in rows}


def _types(rows: Rows) -> object:
    return {row["Name"]: (row["Size"], row["Files"]) for row in rows}


def _true_types(world: World) -> object:
    types = world.old.types()
    return {**types, "directory": (0, types["directory"][1] + 1)}  # the root is one


def _shares(rows: Rows) -> object:
    return {int(row["Name"]) - 1: (row["Size"], row["Files"]) for row in rows}


def _true_shares(world: World) -> object:
    shown = Counter(entry.layer for entry in world.history.end.values())
    return {n: (world.history.shown(n), count) for n, count in shown.items()}


def _steps(rows: Rows) -> object:
    columns = ("Added", "Modified", "Deleted", "Size", "Shown")
    return [(row["Layer"] - 1, *(row[column] for column in columns)) for row in rows]


def _blamed(path: str) -> Callable[[World], object]:
    def true(world: World) -> object:
        history = world.history
        layers = range(len(history.layer_bytes))
        return [
            (n, *history.counts(n, path), history.bytes_of(n, path), history.shown(n, path))
            for n in layers
            if any(history.counts(n, path))
        ]

    return true


def _layers(rows: Rows) -> object:
    columns = ("Added", "Modified", "Deleted", "Size", "Wasted")
    return [tuple(row[column] for column in columns) for row in rows]


def _true_layers(world: World) -> object:
    history = world.history
    return [
        (*history.counts(n), size, size - history.shown(n))
        for n, size in enumerate(history.layer_bytes)
    ]


def _efficiency(rows: Rows) -> object:
    (row,) = rows
    files = {_name(file).decode(): (file["Count"], file["Size"]) for file in row["Files"]}
    return round(row["Score"], 12), files


def _hidden(rows: Rows) -> object:
    return Counter((_name(r).decode(), r["Layer"] - 1, r["HiddenBy"] - 1) for r in rows)


def _groups(rows: Rows) -> object:
    return {frozenset(map(_name, row["Places"])) for row in rows}


def _true_groups(world: World) -> object:
    """Names of one file are one; which of them is told is the first in the order of paths."""
    firsts: dict[int, bytes] = {}
    for path in sorted(world.old.sums, key=lambda path: path.split(b"/")):
        firsts.setdefault(world.old.files[path].inode, path)
    groups = defaultdict(set)
    for path in firsts.values():
        groups[world.old.sums[path]].add(path)
    return {frozenset(group) for group in groups.values() if len(group) > 1}


def _differences(rows: Rows) -> object:
    of_files = (row for row in rows if row["Type"] in _KINDS)
    told = {(_name(r, "Name"), r["Change"], frozenset(r["Aspects"].split(","))) for r in of_files}
    return {row for row in told if row[0]}


def _true_differences(world: World) -> set[tuple[bytes, str, frozenset[str]]]:
    old, new = world.old.files, world.new.files
    none = frozenset({""})
    found = {(path, "removed", none) for path in old.keys() - new.keys()}
    found |= {(path, "added", none) for path in new.keys() - old.keys()}
    for path in old.keys() & new.keys():
        aspects = _aspects(world, path, old[path], new[path])
        if aspects:
            found.add((path, "changed", aspects))
    return found


def _aspects(world: World, path: bytes, old: Found, new: Found) -> frozenset[str]:
    sums = [tree.sums.get(path) for tree in (world.old, world.new)]
    different = {
        "kind": old.kind != new.kind,
        "content": old.kind == new.kind == "f" and sums[0] != sums[1],
        "mode": old.mode != new.mode,
        "owner": (old.uid, old.gid) != (new.uid, new.gid),
        "time": old.mtime != new.mtime,
        "target": old.target != new.target,
    }
    return frozenset(name for name, differs in different.items() if differs)


def _freed(rows: Rows) -> object:
    return {row["Names"]: row["Freed"] for row in rows}[CHANGED]


def _page(page: bytes) -> tuple[list[bytes], dict[str, list[Any]]]:
    """The paths in a report's page, and the columns of numbers beside them."""
    packed = re.findall(rb'id="data">([A-Za-z0-9+/=]*)</script>', page)[0]
    data = zlib.decompress(base64.b64decode(packed))
    document = json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")])
    columns: dict[str, list[Any]] = {}
    for name, (kind, offset, count) in document["columns"].items():
        column = array(_CODES[kind])
        column.frombytes(data[offset : offset + count * column.itemsize])
        columns[name] = column.tolist()
    paths: list[bytes] = []
    names = bytes(columns["names"]).split(b"\0")[:-1]
    for name, above in zip(names, columns["parent"], strict=True):
        paths.append(paths[above] + b"/" + name if above >= 0 else b"")
    return [path[1:] for path in paths], columns


def _entries(output: bytes) -> object:
    paths, columns = _page(output)
    numbers = zip(*(columns[name] for name in _NUMBERS), strict=True)
    found = {}
    for path, (kind, mode, uid, gid, size) in zip(paths, numbers, strict=True):
        letter = _LETTERS[kind & _KIND_BITS]
        found[path] = (letter, 0 if letter == "l" else mode, uid, gid, int(size))
    del found[b""]
    return found


def _true_entries(world: World) -> object:
    return {
        path: (
            found.kind,
            0 if found.kind == "l" else found.mode,
            found.uid,
            found.gid,
            found.size if found.kind == "f" else 0,
        )
        for path, found in world.old.files.items()
    }


def _changes(output: bytes) -> object:
    paths, columns = _page(output)
    told = zip(paths, columns["change"], strict=True)
    return {(path, ("", "changed", "added", "removed")[c]) for path, c in told if c and path}


def _of(rows: Callable[[Rows], object]) -> Callable[[bytes], object]:
    """The same of --format json."""
    return lambda output: rows([json.loads(line) for line in output.splitlines()])


def _blame(name: str, path: str) -> Question:
    return Question(f"blame, {name}", ("blame", CHANGED, f"/{path}"), _of(_steps), _blamed(path))


def _find(name: str, words: str, tests: str) -> Question:
    return Question(
        name,
        ("find", IMAGE, *words.split()),
        _of(_names),
        lambda world: world.old.names(name, *tests.split()),
    )


def _grep(name: str, pattern: str, path: str) -> Question:
    return Question(
        name,
        ("grep", IMAGE, pattern, f"/{path}"),
        _of(_lines),
        lambda world: world.old.matches(name, pattern, path),
    )


QUESTIONS = (
    Question("ls", ("ls", IMAGE, f"/{FOLDER}"), _of(_listed), _folder),
    _find("find, by name", "--name lib*", "-name lib*"),
    _find(
        "find, by size and mode", "--size +102400 --mode -0100", "-type f -size +102400c -perm -100"
    ),
    _find("find, all there is", "", ""),
    _grep("grep, in /etc", "root", "etc"),
    _grep("grep, in all files", "password *=", ""),
    Question("du", ("du", IMAGE, "/"), _of(_sums), lambda world: world.old.disk_usage("du")),
    Question("du --by layer", ("du", "--by", "layer", CHANGED), _of(_shares), _true_shares),
    Question("du --by type", ("du", "--by", "type", IMAGE), _of(_types), _true_types),
    Question(
        "packages",
        ("packages", IMAGE),
        _of(lambda rows: {(row["Type"], row["Name"], row["Version"]) for row in rows}),
        lambda world: world.old.packages("packages"),
    ),
    _blame("a file", "var/lib/dpkg/status"),
    _blame("a folder", "var"),
    Question("layers", ("layers", CHANGED), _of(_layers), _true_layers),
    Question(
        "efficiency",
        ("efficiency", CHANGED),
        _of(_efficiency),
        lambda world: (round(world.history.score(), 12), world.history.wasted()),
    ),
    Question(
        "find --deleted",
        ("find", "--deleted", CHANGED),
        _of(_hidden),
        lambda world: world.history.hidden(),
    ),
    Question("dupes", ("dupes", IMAGE), _of(_groups), _true_groups),
    Question("diff", ("diff", IMAGE, CHANGED), _of(_differences), _true_differences),
    Question("report", ("report", "-o", "-", IMAGE), _entries, _true_entries),
    Question(
        "report of two",
        ("report", "-o", "-", IMAGE, CHANGED),
        _changes,
        lambda world: {row[:2] for row in _true_differences(world)},
    ),
    # The last one: what says whether it is right is that the image is removed.
    Question("shared", ("shared",), _of(_freed), lambda world: world.free(CHANGED)),
)
