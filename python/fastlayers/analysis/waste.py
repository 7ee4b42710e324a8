"""How much of an image is wasted, by the measure of dive (https://github.com/wagoodman/dive)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastlayers.analysis.files import DIRECTORY, NO_PARENT, WHITEOUT, counted
from fastlayers.analysis.stack import Stack

if TYPE_CHECKING:
    from fastlayers.analysis.files import Array
    from fastlayers.image import Image


@dataclass(frozen=True, slots=True)
class WastedFile:
    """A path that several layers have: in how many, and the bytes of all of them."""

    path: str
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Efficiency:
    """dive's score, 0 to 1: for each path the smallest that any layer has of it, in relation to
    what all layers have. `wasted_bytes` is what the layers have of paths that are in more than one;
    `user_wasted_percent` (0 to 1, as dive's rule of that name) its relation to the bytes of all
    layers but the base. `files` are these paths, the largest first; those of no bytes are left
    out."""

    score: float
    wasted_bytes: int
    user_wasted_percent: float
    files: tuple[WastedFile, ...]


def efficiency(image: Image) -> Efficiency:
    """The measure of an image; of one without files the score is 1."""
    stack = Stack.of(image)
    count, total, score = weigh(stack)
    several = np.flatnonzero((count > 1) & (total > 0))
    several = several[np.argsort(-total[several], kind="stable")]
    wasted = int(total[several].sum())
    names = stack.rows[stack.first[several]].spelled()
    user = sum(layer.content_size for layer in image.layers[1:])
    return Efficiency(
        score,
        wasted,
        wasted / user if user else 0.0,
        tuple(map(WastedFile, names, count[several].tolist(), total[several].tolist())),
    )


def weigh(stack: Stack) -> tuple[Array, Array, float]:
    """int64, of paths: in how many layers it is, and the bytes of all of them; and the score."""
    placed = _leaves(stack)
    sizes = _sizes(stack)[placed]
    path = stack.path[placed]
    total = np.bincount(path, sizes, len(stack.first)).astype(np.int64)
    count = np.bincount(path, minlength=len(stack.first))
    least = np.full(len(stack.first), np.iinfo(np.int64).max)
    np.minimum.at(least, path, sizes)
    everything = int(total.sum())
    score = int(least[count > 0].sum()) / everything if everything else 1.0
    return count, total, score


def _leaves(stack: Stack) -> Array:
    """int64: the rows that dive counts: what a layer itself has (whiteouts too) and nothing of
    the layer is below."""
    rows = stack.rows
    named = np.zeros(len(rows), dtype=bool)
    named[stack.after[stack.after >= 0]] = True
    layer_of_row = np.repeat(np.arange(len(stack.bounds) - 1), np.diff(stack.bounds))
    named |= rows["layer"] == layer_of_row  # a directory that is named as it was makes no event
    named |= rows["kind"] == WHITEOUT
    parents = rows["parent"]
    has_parent = parents != NO_PARENT
    start = stack.bounds[layer_of_row[has_parent]]
    named[start + parents[has_parent]] = False
    return np.flatnonzero(named)


def _sizes(stack: Stack) -> Array:
    """int64: of each row the bytes that dive takes it for: of a file its own, of the whiteout of a
    directory those of the files that were below."""
    rows = stack.rows
    sizes = np.where(stack.written, rows["size"], 0).astype(np.int64)
    ended = np.flatnonzero(stack.after < 0)
    cause, before = stack.row[ended], stack.before[ended]
    is_own = (stack.path[cause] == stack.path[before]) & (rows["kind"][cause] == WHITEOUT)
    of_directory = np.zeros(len(rows), dtype=bool)
    of_directory[cause[is_own & (rows["kind"][before] == DIRECTORY)]] = True
    below = of_directory[cause] & counted(rows)[before]
    sizes += np.bincount(
        cause[below], rows["size"][before[below]].astype(np.int64), len(rows)
    ).astype(np.int64)
    return sizes
