"""Searching the contents of an image's files where they lie in the layers' tars."""

from __future__ import annotations

import os
import re
from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from fastlayers.analysis.contents import Contents
from fastlayers.analysis.files import Files, files
from fastlayers.analysis.search import Criteria
from fastlayers.errors import InvalidError
from fastlayers.file_reader import resolve, table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fastlayers import _core
    from fastlayers.analysis.files import Array
    from fastlayers.image import Image

# A piece of a pattern: what says how often another piece is there; a byte that means itself, or
# does behind a backslash; what is between alternatives; the two ends of a group; and what means one
# of several bytes, or a place. At anything else the reading of a pattern ends.
_PIECE = re.compile(
    rb"""
    (?P<often> [*?+] | \{ \d* (?: , \d* )? \} )
    | \\ (?P<escaped> [^a-zA-Z0-9\n] )
    | (?P<plain> [^][\\^$.|?*+(){}\n] )
    | (?P<or> \| )
    | (?P<open> \( (?! \? ) | \( \? [:=!<P] )
    | (?P<close> \) )
    | (?P<other> [.^$] | \\ [bBdDsSwWAZ] | \[ \^? \]? (?: [^]\\] | \\. )* \] )
    """,
    re.VERBOSE | re.DOTALL,
)
_LINE = re.compile(rb"([^\n]*)\n|([^\n]+)\Z")
_PART_BYTES = 16 << 20  # of contents that are searched at once
_LONGEST_TEXT = 64
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
    texts = needed_texts(regex)
    with Contents(image, table) as contents:
        if not texts:
            for at, data in enumerate(contents.each(rows, indexes.tolist())):
                if regex.search(data) is not None:
                    yield from _matches(rows, at, data, regex, _all_lines(data))
            return
        for start, lines in _lines_with(contents, rows, indexes, texts, bool(regex.flags & re.I)):
            ends = np.flatnonzero(np.diff(lines[:, 0], append=-1)) + 1
            for first, end in pairwise([0, *ends.tolist()]):
                at = start + int(lines[first, 0])
                with contents.of(int(indexes[at])) as data:
                    listed = lines[first, 1] >= 0
                    chosen = lines[first:end, 1:].tolist() if listed else _all_lines(data)
                    yield from _matches(rows, at, data, regex, chosen)


def _lines_with(
    contents: Contents, rows: Files, indexes: Array, texts: Sequence[bytes], ignore_case: bool
) -> Iterator[tuple[int, Array]]:
    """A part of the rows after another: where it starts, and its lines that hold one of the texts.
    The next parts are searched while one is looked at."""
    parts = np.cumsum(rows["size"], dtype=np.int64) // _PART_BYTES
    bounds = [*np.flatnonzero(np.diff(parts, prepend=-1)).tolist(), len(rows)]
    processors = len(os.sched_getaffinity(0))
    searches: deque[_PartSearch] = deque()
    try:
        for start, end in pairwise(bounds):
            if len(searches) == processors:
                yield searches.popleft().result()
            part = rows[start:end], indexes[start:end]
            searches.append(_PartSearch(start, contents, *part, texts, ignore_case))
            searches[-1].start()
        while searches:
            yield searches.popleft().result()
    finally:
        for search in searches:
            search.join()


class _PartSearch(Thread):
    """What searches one part. (concurrent.futures takes longer to import than this to run.)"""

    def __init__(self, start: int, contents: Contents, *arguments: Any) -> None:
        super().__init__(daemon=True)
        self._at, self._contents, self._arguments = start, contents, arguments
        self._lines: Array | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._lines = self._contents.lines_with(*self._arguments)
        except Exception as error:
            self._error = error

    def result(self) -> tuple[int, Array]:
        """Where the part starts, and the lines found in it."""
        self.join()
        if self._error is not None:
            raise self._error
        assert self._lines is not None
        return self._at, self._lines


def needed_texts(regex: re.Pattern[bytes]) -> list[bytes]:
    """Texts of which every line that matches has one, of what can be seen of the pattern at a
    glance; none if that does not tell. With re.I they are needed in any case."""
    texts: list[bytes] = []
    runs, run = [], bytearray()
    pattern, at, depth = regex.pattern, 0, 0
    while at < len(pattern):
        piece = _PIECE.match(pattern, at)
        if piece is None:
            return []
        at, kind = piece.end(), piece.lastgroup
        if kind in ("open", "close"):
            depth += 1 if kind == "open" else -1
        if kind in ("plain", "escaped"):
            if depth == 0:
                run += piece[kind]
            continue
        if kind == "often" and piece[0] != b"+":
            del run[-1:]  # it may be there no time
        runs.append(bytes(run))
        run.clear()
        if kind == "or" and depth == 0:
            texts.append(max(runs, key=len))
            runs.clear()
    texts.append(max([*runs, bytes(run)], key=len))
    return [text[:_LONGEST_TEXT] for text in texts] if all(texts) else []


def _all_lines(data: memoryview) -> Iterator[tuple[int, int]]:
    """Where each line begins and ends."""
    for line in _LINE.finditer(data):
        yield line.span(line.lastindex or 0)


def _matches(
    rows: Files,
    at: int,
    data: memoryview,
    regex: re.Pattern[bytes],
    lines: Iterable[Sequence[int]],
) -> Iterator[Match]:
    """Of the lines that could match; a match ends where its line does."""
    number, counted = 1, 0
    path = ""
    for start, end in lines:
        line = bytes(data[start:end])
        if regex.search(line) is None:
            continue
        if not path:
            (path,) = rows[at : at + 1].spelled()
            if b"\0" in bytes(data[:_BINARY_WITHIN]):
                yield Match(path, 0, b"")
                return
        number += bytes(data[counted:start]).count(b"\n")
        counted = start
        yield Match(path, number, line)
