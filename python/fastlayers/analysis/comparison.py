"""What differs between two images: files, packages, config and history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlayers.analysis import _kernels
from fastlayers.analysis.files import FILE, KINDS, Files, files
from fastlayers.analysis.packages import PackageDifference, UnreadFile, compare_packages
from fastlayers.file_reader import table_of
from fastlayers.oci import fields

if TYPE_CHECKING:
    from fastlayers.analysis.files import Array
    from fastlayers.image import Image

# Down to which objects in a config are taken apart; a stranger's may be a thousand deep.
LEVELS = 8
# What may differ of an entry, in the order of their bits; see entry_pairs.
ASPECTS = ("kind", "content", "mode", "owner", "time", "device", "target", "xattrs")
# The columns that say so of most of them. A size alone never differs.
_COLUMNS = (
    ("kind", ("kind",)),
    ("content", ("xxh3", "size")),
    ("mode", ("mode",)),
    ("owner", ("uid", "gid")),
    ("time", ("mtime_sec", "mtime_nsec")),
    ("device", ("dev_major", "dev_minor")),
)


@dataclass(frozen=True, slots=True)
class FileDifference:
    """A path that differs. `change` is "added", "removed" or "changed", `aspects` what of it did:
    kind, content, mode, owner, time, device, target (of a symlink), xattrs. Sizes are bytes of
    files, 0 for all else and where there is nothing."""

    path: str
    kind: str  # in the new image; in the old one where it is removed
    change: str
    aspects: tuple[str, ...]
    old_size: int
    new_size: int


@dataclass(frozen=True, slots=True)
class ValueDifference:
    """A value of the config that differs; `name` is as in the config's JSON ("config.Env"), None
    stands for what is not there."""

    name: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that differs. History is told as (instruction, in the old image, in the new one) for the
    steps behind those that both begin with. `unread` are files that differ and should have told
    of packages."""

    files: tuple[FileDifference, ...]
    packages: tuple[PackageDifference, ...]
    unread: tuple[UnreadFile, ...]
    config: tuple[ValueDifference, ...]
    old_history: tuple[str, ...]
    new_history: tuple[str, ...]

    def __bool__(self) -> bool:
        differing = (self.files, self.packages, self.config, self.old_history, self.new_history)
        return any(differing)


def compare(old: Image, new: Image) -> Comparison:
    """What must change for `old` to become `new`; files in path order. When the images were made
    is no difference, and their layers are none if the files are the same."""
    return Comparison(
        tuple(_files(files(table_of(old)), files(table_of(new)))),
        *compare_packages(old, new),
        compare_config(old, new),
        *compare_history(old, new),
    )


def compare_config(old: Image, new: Image) -> tuple[ValueDifference, ...]:
    """The values of the config that differ."""
    return tuple(_values("", settings(old), settings(new)))


def compare_history(old: Image, new: Image) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The steps of each behind those that both begin with."""
    before, after = _history(old), _history(new)
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    return (
        tuple(step for step, _ in before[same:]),
        tuple(step for step, _ in after[same:]),
    )


def _history(image: Image) -> list[tuple[str, bool]]:
    return [(step.created_by, step.empty_layer) for step in image.config.history]


def settings(image: Image) -> dict[str, Any]:
    """The config without history, layers and the time it was made."""
    document = fields.parse_object(image.config.raw, "image config")
    return {k: v for k, v in document.items() if k not in ("history", "rootfs", "created")}


def _values(name: str, old: Any, new: Any, levels: int = LEVELS) -> list[ValueDifference]:
    if levels and isinstance(old, dict) and isinstance(new, dict):
        prefix = f"{name}." if name else ""
        keys = sorted(old.keys() | new.keys())
        return [
            d for key in keys for d in _values(prefix + key, old.get(key), new.get(key), levels - 1)
        ]
    return [] if old == new else [ValueDifference(name, old, new)]


def _files(old: Files, new: Files) -> list[FileDifference]:
    pairs, aspects = entry_pairs(old, new)
    chosen = (pairs < 0).any(axis=1) | (aspects != 0)
    words = [tuple(n for bit, n in enumerate(ASPECTS) if bits & 1 << bit) for bits in range(256)]
    return _told(old, new, pairs[chosen], [words[bits] for bits in aspects[chosen].tolist()])


def entry_pairs(old: Files, new: Files) -> tuple[Array, Array]:
    """int64, shape (paths, 2): the rows of each path in both tables, -1 where it is not, in path
    order; and uint8, shape (paths,): of those in both, bit n is set if ASPECTS[n] differs."""
    pairs = _pairs(old, new)
    both = (pairs >= 0).all(axis=1)
    before, after = pairs[both].T
    # Records of a common base are the same but for where they lie: those columns are compared.
    differs = {
        aspect: np.logical_or.reduce([old[c][before] != new[c][after] for c in columns])
        for aspect, columns in _COLUMNS
    }
    differs["content"] &= (old["kind"][before] == FILE) & (new["kind"][after] == FILE)
    for aspect, column, texts in (
        ("target", "link_length", Files.links),
        ("xattrs", "xattr_length", Files.xattrs),
    ):
        found = old[column][before] != new[column][after]
        same = np.flatnonzero(~found & (old[column][before] != 0))
        found[same] = texts(old[before[same]]) != texts(new[after[same]])
        differs[aspect] = found
    aspects = np.zeros(len(pairs), dtype=np.uint8)
    aspects[both] = sum(differs[aspect].astype(np.uint8) << n for n, aspect in enumerate(ASPECTS))
    return pairs, aspects


def _told(
    old: Files, new: Files, pairs: Array, aspects: list[tuple[str, ...]]
) -> list[FileDifference]:
    removed = pairs[:, 1] < 0
    paths = np.empty(len(pairs), dtype=object)
    paths[removed] = old[pairs[removed, 0]].spelled()
    paths[~removed] = new[pairs[~removed, 1]].spelled()
    old_sizes, old_kinds = _sizes_and_kinds(old, pairs[:, 0])
    new_sizes, new_kinds = _sizes_and_kinds(new, pairs[:, 1])
    told = []
    for path, (before, after), differs, old_size, new_size, old_kind, new_kind in zip(
        paths, pairs.tolist(), aspects, old_sizes, new_sizes, old_kinds, new_kinds, strict=True
    ):
        change = "added" if before < 0 else "removed" if after < 0 else "changed"
        kind = KINDS[old_kind if after < 0 else new_kind]
        told.append(FileDifference(path, kind, change, differs, old_size, new_size))
    return told


def _sizes_and_kinds(rows: Files, at: Array) -> tuple[list[int], list[int]]:
    there = np.maximum(at, 0)
    kinds = rows["kind"][there]
    sizes = np.where((at >= 0) & (kinds == FILE), rows["size"][there], 0)
    return sizes.tolist(), kinds.tolist()


def _pairs(old: Files, new: Files) -> Array:
    """int64, shape (paths, 2): the rows of each path in both tables, -1 where it is not; in path
    order."""
    heap = np.frombuffer(b"".join((old.heap, new.heap)), dtype=np.uint8)
    offset = np.concatenate([old["path_offset"], new["path_offset"] + np.uint64(len(old.heap))])
    length = np.concatenate([old["path_length"], new["path_length"]])
    bounds = np.array([0, len(old), len(old) + len(new)], dtype=np.int64)
    ids, first = _kernels.path_ids(heap, offset, length, bounds)
    pairs = np.full((len(first), 2), -1, dtype=np.int64)
    pairs[ids[: len(old)], 0] = np.arange(len(old))
    pairs[ids[len(old) :], 1] = np.arange(len(new))
    return pairs
