"""The report: one page about an image, or about what differs between two, for a browser.

The page is the files of the folder `page`; the data are in it as one packed block of base64, so
that no name in an image can be anything but data. Its policy allows the page's own script and style
by their digests and nothing else, no network either.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from fastlayers.analysis import _kernels
from fastlayers.analysis.changes import changes_in
from fastlayers.analysis.comparison import (
    LEVELS,
    compare_config,
    compare_history,
    entry_pairs,
    settings,
)
from fastlayers.analysis.files import (
    FILE,
    SYMLINK,
    Files,
    counted,
    files,
    firsts,
    parents,
    places,
)
from fastlayers.analysis.packages import compare_packages
from fastlayers.analysis.stack import Stack
from fastlayers.analysis.waste import weigh
from fastlayers.file_reader import table_of
from fastlayers.host import host_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastlayers.analysis.files import Array
    from fastlayers.image import Image

    _Slices = tuple[Array, Array]  # offsets into a heap, and lengths

_FOLDER = os.path.join(os.path.dirname(__file__), "page")
_SCRIPTS = ("data", "text", "colour", "treemap", "explorer", "search", "page")
_SAME, _CHANGED, _ADDED, _REMOVED = range(4)
_SECOND_NAME = 16  # of a file whose bytes an earlier name of it counts
_QUICK = 2  # 40 ms for 120,000 entries; the best would be 15 % smaller, in 30 times that


def report(image: Image, new: Image | None = None) -> bytes:
    """The page about an image; with `new`, about what must change for it to become that one."""
    parts = {
        "title": escape(" \u2192 ".join(_name(i) for i in (image, new) if i is not None)),
        "style": _read("page.css"),
        "script": "".join(_read(f"{name}.js") for name in _SCRIPTS),
    }
    for name in ("style", "script"):
        digest = sha256(parts[name].encode()).digest()
        parts[f"{name}-hash"] = b64encode(digest).decode()
    parts["data"] = b64encode(_data(image, new)).decode()
    page = re.sub("@([a-z-]+)@", lambda match: parts[match[1]], _read("page.html"))
    return page.encode(errors="backslashreplace")


def write_report(image: Image, new: Image | None, file: str | os.PathLike[str] | IO[bytes]) -> None:
    """See Image.report."""
    from fastlayers.transports.archive_writer import open_output

    page = memoryview(report(image, new))
    try:
        with open_output(file) as out:
            while page:
                page = page[out.write(page) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise host_error("cannot write the report", error) from None


def _read(name: str) -> str:
    with open(os.path.join(_FOLDER, name), encoding="utf-8") as file:
        return file.read()


def _name(image: Image) -> str:
    return image.tags[0] if image.tags else image.short_id


def _data(image: Image, new: Image | None) -> bytes:
    """The length of the document (4 bytes), the document as JSON, and the columns that it names,
    each at an offset that is a multiple of 8; deflated."""
    images = [image] if new is None else [image, new]
    shown = [files(table_of(image)) for image in images]
    tree = _one_tree(image, *shown) if new is None else _both_trees(images, *shown)
    stacks = [Stack.of(image) for image in images]
    columns = {**tree.columns, **_hidden(stacks[-1], tree.numbers[-1])}
    document = {
        "images": [_about(*of) for of in zip(images, shown, tree.numbers, strict=True)],
        "layers": _layers(images, shown, stacks, tree.numbers),
        "score": weigh(stacks[-1])[2],
        "differences": None if new is None else _values(image, new),
    }
    return zlib.compress(_packed(document, columns), _QUICK)


def _packed(document: dict[str, Any], columns: dict[str, Array]) -> bytes:
    places = {name: [c.dtype.str[1:], 0, len(c)] for name, c in columns.items()}
    # The places take the room of the largest numbers, so that they can be told in the document.
    room = len(json.dumps({**document, "columns": places})) + 16 * len(places)
    offset = start = -(-(4 + room) // 8) * 8
    parts = []
    for name, column in columns.items():
        raw = column.tobytes()
        places[name][1] = offset
        parts.append(raw.ljust(-(-len(raw) // 8) * 8, b"\0"))
        offset += len(parts[-1])
    text = json.dumps({**document, "columns": places}).encode().ljust(start - 4)
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


@dataclass(frozen=True, slots=True)
class _Tree:
    """The entries of a report in path order, column by column, and for each image the numbers that
    its layers have in the report."""

    columns: dict[str, Array]
    numbers: tuple[Array, ...]


def _one_tree(image: Image, rows: Files) -> _Tree:
    numbers = np.arange(len(image.layers), dtype=np.uint32)
    columns = {**_columns(rows, numbers), "parent": parents(rows).astype(np.int32)}
    heap = np.frombuffer(rows.heap, dtype=np.uint8)
    columns["names"] = _joined(heap, *_names(rows))
    columns["links"] = _joined(heap, *_links(rows[rows["kind"] == SYMLINK]))
    return _Tree(columns, (numbers,))


def _both_trees(images: Sequence[Image], old: Files, new: Files) -> _Tree:
    """The paths of both; what is told of one is told of the new image, where that has it."""
    numbers = _numbers(*images)
    pairs, aspects = entry_pairs(old, new)
    before, after = pairs.T
    is_new = after >= 0

    def joined(of_old: Array, of_new: Array) -> Array:
        made = np.empty(len(pairs), dtype=of_new.dtype)
        made[~is_new] = of_old[before[~is_new]]
        made[is_new] = of_new[after[is_new]]
        return made

    def above(rows: Files, at: Array) -> Array:
        path = np.empty(len(rows) + 1, dtype=np.int32)
        path[at[at >= 0]] = np.flatnonzero(at >= 0)
        path[-1] = -1  # of the root
        return path[parents(rows)]

    of_old, of_new = _columns(old, numbers[0]), _columns(new, numbers[1])
    columns = {name: joined(of_old[name], of_new[name]) for name in of_new}
    columns["parent"] = joined(above(old, before), above(new, after))
    heap = np.frombuffer(b"".join((old.heap, new.heap)), dtype=np.uint8)

    def texts(of_old: _Slices, of_new: _Slices) -> _Slices:
        start = np.uint64(len(memoryview(old.heap)))
        return joined(of_old[0], of_new[0] + start), joined(of_old[1], of_new[1])

    columns["names"] = _joined(heap, *texts(_names(old), _names(new)))
    is_link = columns["kind"] == SYMLINK
    offset, length = texts(_links(old), _links(new))
    columns["links"] = _joined(heap, offset[is_link], length[is_link])
    columns["aspects"] = aspects
    changes = np.where(aspects != 0, _CHANGED, _SAME)
    changes = np.where(before < 0, _ADDED, np.where(after < 0, _REMOVED, changes))
    columns["change"] = changes.astype(np.uint8)
    sizes = np.where(counted(old), old["size"], 0).astype(np.float64)
    columns["old_size"] = np.where(before >= 0, sizes[before], 0)
    return _Tree(columns, numbers)


def _columns(rows: Files, numbers: Array) -> dict[str, Array]:
    is_file = rows["kind"] == FILE
    second = is_file & ~counted(rows)
    return {
        "size": np.where(is_file, rows["size"], 0).astype(np.float64),
        "mtime": rows["mtime_sec"].astype(np.float64),
        # An image without layers has a root all the same.
        "layer": numbers[rows["layer"]] if len(numbers) else np.zeros(len(rows), np.uint32),
        "uid": rows["uid"].copy(),
        "gid": rows["gid"].copy(),
        "mode": rows["mode"].copy(),
        "kind": (rows["kind"] | np.where(second, _SECOND_NAME, 0)).astype(np.uint8),
    }


def _numbers(old: Image, new: Image) -> tuple[Array, Array]:
    """uint32: the number of each image's layers in the report: first the layers that both begin
    with, then the others of the old one and of the new one. A layer of both is told once."""
    ours, theirs = list(old.config.diff_ids), list(new.config.diff_ids)
    same = 0
    while same < min(len(ours), len(theirs)) and ours[same] == theirs[same]:
        same += 1
    free = list(range(same, len(ours)))  # layers of the old one that no layer of the new one is
    of_new = list(range(same))
    fresh = len(ours)
    for diff_id in theirs[same:]:
        number = next((n for n in free if ours[n] == diff_id), fresh)
        if number == fresh:
            fresh += 1
        else:
            free.remove(number)
        of_new.append(number)
    return np.arange(len(ours), dtype=np.uint32), np.array(of_new, dtype=np.uint32)


def _layers(
    images: Sequence[Image],
    shown: Sequence[Files],
    stacks: Sequence[Stack],
    numbers: Sequence[Array],
) -> list[dict[str, Any]]:
    """Each layer once; bit n of `images` says that image n has it. What it changed and wastes may
    depend on the layers below and above: of a layer of both, it is told of the new image."""
    found: dict[int, dict[str, Any]] = {}
    together = zip(images, shown, stacks, numbers, strict=True)
    for bit, (image, rows, stack, numbered) in enumerate(together):
        comments = [step.comment for step in image.config.history if not step.empty_layer]
        comments += [""] * len(numbered)
        changes = changes_in(stack, image, rows)
        for number, layer in zip(numbered.tolist(), changes, strict=True):
            found[number] = {
                "images": found.get(number, {"images": 0})["images"] | 1 << bit,
                "created_by": layer.created_by,
                "comment": comments[layer.index],
                "diff_id": layer.diff_id,
                "added": layer.added,
                "modified": layer.modified,
                "deleted": layer.deleted,
                "size": layer.size,
                "wasted": layer.wasted,
            }
    return [found[number] for number in sorted(found)]


def _about(image: Image, shown: Files, numbers: Array) -> dict[str, Any]:
    shown_bytes = int(shown["size"][counted(shown)].sum())
    return {
        "name": _name(image),
        "id": image.id,
        "created": image.created,
        "platform": f"{image.os}/{image.architecture}",
        "size": image.size,
        "wasted": image.size - shown_bytes,
        "layers": numbers.tolist(),
        "config": [[name, _text(value)] for name, value in _flat("", settings(image))],
        "history": [[step.created, step.created_by, step.size] for step in image.history()],
    }


def _values(old: Image, new: Image) -> dict[str, Any]:
    before, after = compare_history(old, new)
    packages, unread = compare_packages(old, new)
    return {
        "packages": [[p.change, p.type, p.name, *p.versions] for p in packages],
        "unread": [[file.path, file.reason] for file in unread],
        "config": [[v.name, _text(v.old), _text(v.new)] for v in compare_config(old, new)],
        "old_history": before,
        "new_history": after,
    }


def _flat(name: str, value: Any, levels: int = LEVELS) -> list[tuple[str, Any]]:
    if not levels or not isinstance(value, dict) or not value:
        return [(name, value)] if name else []
    prefix = f"{name}." if name else ""
    return [row for key in sorted(value) for row in _flat(prefix + key, value[key], levels - 1)]


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(too deep to be shown)"


def _hidden(stack: Stack, numbers: Array) -> dict[str, Array]:
    """The files that the image carries and shows nowhere, in path order. A size of -1 stands for
    one more name of a file that has been told."""
    events = stack.hidden()
    events = events[stack.rows["kind"][stack.before[events]] == FILE]
    events = events[np.lexsort((stack.layer[events], stack.path[stack.before[events]]))]
    before = stack.before[events]
    rows = stack.rows[before]
    again = np.ones(len(rows), dtype=bool)
    again[firsts(places(stack.rows, before, np.arange(len(rows.layers))))] = False
    return {
        "hidden_size": np.where(again & (rows["size"] > 0), -1, rows["size"].astype(np.float64)),
        "hidden_layer": numbers[rows["layer"]],
        "hidden_by": numbers[stack.layer[events]],
        "hidden_paths": _texts(rows.paths().tolist()),
    }


def _names(rows: Files) -> _Slices:
    """Where the last components of the paths lie in the heap."""
    start = rows["name_offset"]
    return rows["path_offset"] + start, rows["path_length"] - start


def _links(rows: Files) -> _Slices:
    """Where the targets of symlinks do."""
    return rows["link_offset"], rows["link_length"]


def _joined(heap: Array, offset: Array, length: Array) -> Array:
    """uint8: slices of the heap, a zero byte behind each."""
    joined: Array = _kernels.joined_texts(heap, offset, length)
    return joined


def _texts(texts: list[bytes]) -> Array:
    """uint8: the texts, a zero byte behind each."""
    return np.frombuffer(b"".join(text + b"\0" for text in texts), dtype=np.uint8)
