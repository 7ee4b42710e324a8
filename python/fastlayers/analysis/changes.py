"""What the layers of an image changed: all of it, or at one path and below."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastlayers.analysis.files import Files, counted, files
from fastlayers.analysis.stack import Stack
from fastlayers.file_reader import table_of
from fastlayers.oci.history import instructions

if TYPE_CHECKING:
    from fastlayers.analysis.files import Array
    from fastlayers.image import Image


@dataclass(frozen=True, slots=True)
class LayerChanges:
    """One layer: how many paths it added, modified and deleted, the bytes of the files in its tar,
    and how many of them the image shows nowhere."""

    index: int  # of Image.layers
    diff_id: str
    created_by: str
    added: int
    modified: int
    deleted: int
    size: int
    wasted: int


@dataclass(frozen=True, slots=True)
class BlameStep:
    """What one layer did at a path: `change` to the path itself ("added", "modified", "deleted",
    "" for nothing), the counts to it and all below. `size` is the bytes that its tar has for
    them, `shown` those of them that the image shows there."""

    index: int  # of Image.layers
    created_by: str
    change: str
    added: int
    modified: int
    deleted: int
    size: int
    shown: int


def layer_changes(image: Image) -> list[LayerChanges]:
    """Every layer of an image, base first."""
    return changes_in(Stack.of(image), image, files(table_of(image)))


def changes_in(stack: Stack, image: Image, rows: Files) -> list[LayerChanges]:
    """The same, where the image's stack and files are known."""
    shown = _shown_bytes(rows, len(image.layers))
    counts = _counts(stack, np.ones(len(stack.layer), dtype=bool), len(image.layers))
    columns = zip(image.layers, instructions(image.config), counts.tolist(), shown, strict=True)
    return [
        LayerChanges(
            index=number,
            diff_id=layer.diff_id,
            created_by=created_by,
            added=added,
            modified=modified,
            deleted=deleted,
            size=layer.content_size,
            wasted=layer.content_size - int(seen),
        )
        for number, (layer, created_by, (added, modified, deleted), seen) in enumerate(columns)
    ]


def blame(image: Image, path: str | bytes) -> list[BlameStep]:
    """The layers that did something at a path or below, base first; the path may be deleted.
    Links on the way are followed, one at its end is what is meant. NotFoundError if no layer has
    the path."""
    stack = Stack.of(image)
    number = stack.locate(table_of(image), os.fsencode(path))
    paths = stack.event_path
    inside = (paths >= number) & (paths < stack.end[number])
    total = len(image.layers)
    counts = _counts(stack, inside, total)
    sizes = np.bincount(stack.layer[inside], stack.size[inside], total).astype(np.int64)
    live = stack.live[number : stack.end[number]]
    live = live[live >= 0]
    shown = _shown_bytes(stack.rows[live], total)
    own = _words(stack, number)
    made = instructions(image.config)
    return [
        BlameStep(
            n, made[n], own.get(n, ""), added, modified, deleted, int(sizes[n]), int(shown[n])
        )
        for n, (added, modified, deleted) in enumerate(counts.tolist())
        if added or modified or deleted
    ]


def _words(stack: Stack, number: int) -> dict[int, str]:
    """What each layer did to one path, in a word."""
    at = np.flatnonzero(stack.event_path == number)
    return {
        int(stack.layer[event]): "added"
        if stack.before[event] < 0
        else "deleted"
        if stack.after[event] < 0
        else "modified"
        for event in at
    }


def _counts(stack: Stack, chosen: Array, layers: int) -> Array:
    """int64, shape (layers, 3): paths added, modified and deleted by the chosen events."""
    kind = np.where(stack.before < 0, 0, np.where(stack.after < 0, 2, 1))[chosen]
    index = stack.layer[chosen] * 3 + kind
    return np.bincount(index, minlength=3 * layers).reshape(layers, 3)


def _shown_bytes(rows: Files, layers: int) -> Array:
    """int64: of each layer, the bytes of its files that the rows show, each once."""
    chosen = counted(rows)
    return np.bincount(rows["layer"][chosen], rows["size"][chosen], layers).astype(np.int64)
