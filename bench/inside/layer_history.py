"""What layers did, told by Python's tarfile from their tars: the reference for layers, blame,
efficiency and find --deleted."""

from __future__ import annotations

import os
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """What a layer has at a path. Names of one file share it."""

    layer: int
    path: str  # its first name in the tar
    kind: bytes
    size: int  # bytes of a file
    attributes: tuple[int, int, int, float]  # mode, owner, group, time


class Event(NamedTuple):
    """A layer made `after` out of `before` at a path; None is nothing."""

    layer: int
    path: str
    before: Entry | None
    after: Entry | None


State = dict[str, Entry]


class LayerHistory:
    """The events, base first; the state at the end; and by path the bytes of each layer that has
    it, as dive counts them."""

    def __init__(self, layers: Iterable[Path]) -> None:
        self.events: list[Event] = []
        self.end: State = {}
        self.carried: dict[str, list[int]] = defaultdict(list)
        self.layer_bytes: list[int] = []
        for number, layer in enumerate(layers):
            self._lay_over(number, layer)

    def _lay_over(self, number: int, layer: Path) -> None:
        before = dict(self.end)
        own, gone = _members(number, layer, before)
        self.layer_bytes.append(sum(e.size for e in set(own.values()) if e.layer == number))
        for path in gone:
            below = [p for p in before if p.startswith(path + "/")]
            contents = {before[p] for p in below}
            self.carried[path].append(sum(entry.size for entry in contents))
            for victim in (path, *below):
                self.end.pop(victim, None)
        self.end.update(own)
        for path, entry in own.items():
            if entry.kind != tarfile.DIRTYPE:
                first = entry.layer == number and entry.path == path
                self.carried[path].append(entry.size if first else 0)
            same = before.get(path) == entry or (
                path in before
                and entry.kind == before[path].kind == tarfile.DIRTYPE
                and entry.attributes == before[path].attributes
            )
            if not same:
                self.events.append(Event(number, path, before.get(path), entry))
        ended = [p for p in before if p not in self.end]
        self.events += [Event(number, path, before[path], None) for path in ended]

    def counts(self, number: int, path: str = "") -> tuple[int, int, int]:
        """How many paths, here and below, a layer added, modified and deleted."""
        events = [e for e in self._below(path) if e.layer == number]
        added = sum(event.before is None for event in events)
        deleted = sum(event.after is None for event in events)
        return added, len(events) - added - deleted, deleted

    def bytes_of(self, number: int, path: str = "") -> int:
        """The bytes that a layer has, here and below."""
        entries = {e.after for e in self._below(path) if e.layer == number and e.after}
        return sum(entry.size for entry in entries if entry.layer == number)

    def shown(self, number: int, path: str = "") -> int:
        """Those of them that the image shows there."""
        inside = {entry for p, entry in self.end.items() if _is_in(p, path)}
        return sum(entry.size for entry in inside if entry.layer == number)

    def hidden(self) -> Counter[tuple[str, int, int]]:
        """(path, layer, layer that hides it) of what the image carries and does not show."""
        shown = set(self.end.values())
        found: Counter[tuple[str, int, int]] = Counter()
        for layer, path, before, after in self.events:
            if before is None or (before.size and before in shown):
                continue
            if not (after and before.kind == after.kind == tarfile.DIRTYPE):
                found[path, before.layer, layer] += 1
        return found

    def wasted(self) -> dict[str, tuple[int, int]]:
        """By path that several layers have: how many, and the bytes of all of them."""
        return {p: (len(x), sum(x)) for p, x in self.carried.items() if len(x) > 1 and sum(x)}

    def score(self) -> float:
        """dive's."""
        total = sum(map(sum, self.carried.values()))
        return sum(map(min, self.carried.values())) / total if total else 1.0

    def _below(self, path: str) -> Iterator[Event]:
        return (event for event in self.events if _is_in(event.path, path))


def _is_in(path: str, above: str) -> bool:
    return not above or path == above or path.startswith(above + "/")


def _members(number: int, layer: Path, before: State) -> tuple[State, list[str]]:
    """What a layer has, and the paths that it deletes."""
    own = {} if before else {"": Entry(0, "", tarfile.DIRTYPE, 0, (0o755, 0, 0, 0))}
    gone = []
    with tarfile.open(layer) as members:
        for member in members:
            path = os.path.normpath("/" + member.name).lstrip("/")
            folder, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                raise ValueError(f"{layer}: opaque directories are not told of here")
            if name.startswith(".wh."):
                gone.append(f"{folder}/{name[4:]}".lstrip("/"))
            elif member.islnk():
                target = os.path.normpath("/" + member.linkname).lstrip("/")
                own[path] = own.get(target) or before[target]
            else:
                attributes = (member.mode & 0o7777, member.uid, member.gid, member.mtime)
                size = member.size if member.isreg() else 0
                own[path] = Entry(number, path, member.type, size, attributes)
    return own, gone
