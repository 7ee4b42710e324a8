"""Searching the contents of an image's files where they lie in the layers' tars."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastlayers.analysis.contents import Contents
from fastlayers.analysis.files import files
from fastlayers.analysis.search import Criteria
from fastlayers.errors import InvalidError
from fastlayers.file_reader import resolve, table_of

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
    with Contents(image, table) as contents:
        for name, index in wanted:
            with contents.of(index) as data:
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
