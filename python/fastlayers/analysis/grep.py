"""Searching the contents of an image's files where they lie in the layers' tars."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastlayers.analysis.contents import Contents
from fastlayers.analysis.files import Files, files
from fastlayers.analysis.search import Criteria
from fastlayers.errors import InvalidError
from fastlayers.file_reader import resolve, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastlayers import _core
    from fastlayers.analysis.files import Array
    from fastlayers.image import Image

_PLAIN = re.compile(rb"""[\w /:;,@%&=~"'<>!-]+""")  # bytes that mean themselves
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
    return _search(image, table, regex, rows[chosen], chosen + entry.index)


def _search(
    image: Image, table: _core.Table, regex: re.Pattern[bytes], rows: Files, indexes: Array
) -> Iterator[Match]:
    with Contents(image, table) as contents:
        beginning = _beginning(regex)
        first = np.zeros(len(rows), dtype=np.int64)
        if beginning:
            first = contents.first_places(rows, indexes, beginning)
            found = first >= 0
            rows, indexes, first = rows[found], indexes[found], first[found]
        every = zip(first.tolist(), contents.each(rows, indexes.tolist()), strict=True)
        for at, (start, data) in enumerate(every):
            if regex.search(data[start:]) is not None:
                (path,) = rows[at : at + 1].spelled()
                yield from _matches(path, data, regex, beginning)


def _beginning(regex: re.Pattern[bytes]) -> bytes:
    """What every match begins with, of what can be seen at a glance; looked for by itself, it is
    found in a part of the time. Nothing of what is before it matters for a match."""
    pattern = regex.pattern
    if b"|" in pattern or b"(?<" in pattern or regex.flags & re.I:
        return b""
    match = _PLAIN.match(pattern)
    plain = match[0] if match else b""
    return plain[:-1] if pattern[len(plain) :][:1] in (b"*", b"?", b"{") else plain


def _matches(
    path: str, data: memoryview, regex: re.Pattern[bytes], beginning: bytes
) -> list[Match]:
    if b"\0" in bytes(data[:_BINARY_WITHIN]):
        return [Match(path, 0, b"")]
    lines = bytes(data).split(b"\n")
    if not lines[-1]:
        lines.pop()
    # By line, so that a match ends where its line does.
    return [
        Match(path, n, line)
        for n, line in enumerate(lines, 1)
        if beginning in line and regex.search(line)
    ]
