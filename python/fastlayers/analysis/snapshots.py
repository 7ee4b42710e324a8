"""The tree of an image as each of its layers left it, and what of it changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from fastlayers.analysis.files import DIRECTORY, FILE, Files, firsts, places
from fastlayers.analysis.stack import Stack

if TYPE_CHECKING:
    from fastlayers.analysis.files import Array
    from fastlayers.image import Image

UNMODIFIED, ADDED, MODIFIED, DELETED = range(4)


class Snapshots:
    """All paths that any layer has, by their numbers in path order (0 is the root)."""

    def __init__(self, image: Image) -> None:
        self.stack = Stack.of(image)
        count = len(self.stack.first)
        self.end = self.stack.end
        # Of each path, how many directories it is in.
        opened = np.zeros(count + 1, dtype=np.int64)
        np.add.at(opened, self.end, -1)
        opened[1:] += 1
        self.depth = np.cumsum(opened)[:count]
        self.parent = _parents(self.depth, self.end)

    def __len__(self) -> int:
        return len(self.stack.first)

    def at(self, layer: int, *, aggregated: bool = False) -> Snapshot:
        """The tree up to a layer and what that layer changed, or all layers but the base; the base
        itself adds all that it has."""
        return Snapshot(self, layer, 0 if aggregated and layer else layer - 1)

    def matching(self, pattern: re.Pattern[bytes]) -> Array:
        """bool, of paths: which a regular expression finds something in ("/usr/bin/env")."""
        paths = self.stack.rows[self.stack.first].paths().tolist()
        return np.array([pattern.search(path) is not None for path in paths], dtype=bool)

    def below(self, values: Array) -> Array:
        """int64, of paths: the sum of a column over each path and all below it."""
        sums = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
        total: Array = sums[self.end] - sums[: len(self)]
        return total

    def inside(self, directories: Array) -> Array:
        """bool, of paths: which lie in one of the directories that a bool column chooses."""
        opened = np.zeros(len(self) + 1, dtype=np.int64)
        chosen = np.flatnonzero(directories)
        opened[chosen + 1] += 1
        np.add.at(opened, self.end[chosen], -1)
        return np.asarray(np.cumsum(opened)[: len(self)] > 0)


class Snapshot:
    """One tree. Columns are of all paths; those of what is neither there nor deleted mean nothing.

    `row` is what there is to be seen of a path, a row of the stack: what it had if it is deleted.
    """

    shown: Array  # bool: there, or deleted
    row: Array  # int64
    change: Array  # uint8: UNMODIFIED, ... ; a directory is MODIFIED if anything in it is changed
    size: Array  # int64: bytes of a file, and of the files in a directory; what is deleted had it

    def __init__(self, snapshots: Snapshots, layer: int, base: int) -> None:
        stack = snapshots.stack
        rows = stack.rows
        before, after = _live(stack, base), _live(stack, layer)
        there = after >= 0
        self.shown = there | (before >= 0)
        self.row = np.where(there, after, before)
        touched = np.zeros(len(snapshots), dtype=bool)
        touched[stack.event_path[(stack.layer > base) & (stack.layer <= layer)]] = True
        self.change = np.zeros(len(snapshots), dtype=np.uint8)
        self.change[touched & there] = MODIFIED
        self.change[there & (before < 0)] = ADDED
        self.change[~there & (before >= 0)] = DELETED
        self.is_directory = self.shown & (rows["kind"][self.row] == DIRECTORY)
        below = snapshots.below(self.change != UNMODIFIED) > 0
        self.change[self.is_directory & (self.change == UNMODIFIED) & below] = MODIFIED
        sizes = (snapshots.below(_sizes(rows, live)) for live in (before, after))
        self.size = np.where(self.change == DELETED, *sizes)


def _live(stack: Stack, layer: int) -> Array:
    """int64, of paths: the row that each has when a layer is done, -1 for none."""
    live = np.full(len(stack.first), -1, dtype=np.int64)
    done = stack.layer <= layer
    live[stack.event_path[done]] = stack.after[done]  # in the order of layers: the last one counts
    return live


def _sizes(rows: Files, live: Array) -> Array:
    """int64, of paths: bytes of files, those of an inode once."""
    there = np.flatnonzero(live >= 0)
    there = there[(rows["kind"][live[there]] == FILE) & (rows["size"][live[there]] > 0)]
    found = live[there]
    # A name that a layer gives to a file of one below it is in no group with the others: that they
    # have the same contents shows by where these lie.
    layers = np.arange(int(rows["layer"][found].max(initial=0)) + 1)
    first = firsts(places(rows, found, layers))
    sizes = np.zeros(len(live), dtype=np.int64)
    sizes[there[first]] = rows["size"][found[first]]
    return sizes


def _parents(depth: Array, end: Array) -> Array:
    """int64, of paths: the number of the directory that each is in; -1 for the root."""
    parent = np.full(len(depth), -1, dtype=np.int64)
    for level in range(int(depth.max(initial=0))):
        directories = np.flatnonzero(depth == level)
        children = np.flatnonzero(depth == level + 1)
        parent[children] = directories[np.searchsorted(directories, children) - 1]
    return parent
