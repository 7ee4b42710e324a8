"""Searching the contents of an image's files where they lie in the layers' tars."""

from __future__ import annotations

import mmap
import os
import re
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastlayers.analysis.files import files
from fastlayers.analysis.search import Criteria
from fastlayers.errors import CorruptError, InvalidError
from fastlayers.file_reader import Entry, open_data, resolve, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastlayers import _core
    from fastlayers.image import Image

_BINARY_WITHIN = 8192  # a NUL this early: no text


@dataclass(frozen=True, slots=True)
class Match:
    """A line of a file that matches: `number` counts from 1, `line` is without its end. Of a file
    that is no text (a NUL among its first bytes) there is one Match, with number 0 and no line."""

    path: str
    number: int
    line: bytes


def search_contents(
    image: Image,
    pattern: str | bytes,
    path: str | bytes = "/",
    *,
    ignore_case: bool = False,
    criteria: Criteria | None = None,
) -> Iterator[Match]:
    """Lines that a regular expression (Python's, over bytes) matches, in the files at a path and
    below that `criteria` asks for, in path order.

    InvalidError if it is no regular expression, NotFoundError if there is no such path.
    """
    try:
        regex = re.compile(os.fsencode(pattern), re.MULTILINE | (re.I if ignore_case else 0))
    except (re.error, OverflowError) as error:
        raise InvalidError(f"not a regular expression: {os.fsdecode(pattern)!r}: {error}") from None
    table = table_of(image)
    entry, _ = resolve(table, os.fsencode(path))
    rows = files(table)[entry.index : table.subtree_end(entry.index)]
    chosen = (criteria or Criteria()).select(rows)
    chosen = chosen[(rows["kind"][chosen] == 0) & (rows["size"][chosen] > 0)]
    names = rows[chosen].paths()
    indexes = (chosen + entry.index).tolist()
    return _search(image, table, regex, zip(names, indexes, strict=True))


def _search(
    image: Image,
    table: _core.Table,
    regex: re.Pattern[bytes],
    wanted: Iterator[tuple[bytes, int]],
) -> Iterator[Match]:
    with ExitStack() as stack:
        maps: dict[tuple[int, int], memoryview] = {}
        for name, index in wanted:
            entry = Entry(table, index)
            place = (entry.layer, entry.flags)
            if place not in maps:
                descriptor = open_data(image, table, entry)
                mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
                os.close(descriptor)
                stack.callback(mapped.close)
                maps[place] = stack.enter_context(memoryview(mapped))
            data = maps[place][entry.data_offset : entry.data_offset + entry.size]
            if len(data) != entry.size:
                layer = table.layers[entry.layer]
                raise CorruptError(f"layer {layer} is shorter than its file table says")
            with data:
                yield from _matches(os.fsdecode(name), data, regex)


def _matches(path: str, data: memoryview, regex: re.Pattern[bytes]) -> list[Match]:
    if regex.search(data) is None:
        return []
    content = bytes(data)
    if b"\0" in content[:_BINARY_WITHIN]:
        return [Match(path, 0, b"")]
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    # By line, so that a match ends where its line does.
    return [Match(path, n, line) for n, line in enumerate(lines, 1) if regex.search(line)]
