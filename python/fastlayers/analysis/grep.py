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
    from fastlayers.analysis.files import Array
    from fastlayers.image import Image

# A piece of a pattern: flags of all of it; what says how often another piece is there; a byte that
# means itself, or does behind a backslash; what is between alternatives; the two ends of a group;
# and what means one of several bytes, or a place. At anything else the reading of a pattern ends.
_PIECE = re.compile(
    rb"""
    (?P<flags> \A \( \? [ims]+ \) )
    | (?P<often> [*?+] | \{ \d* (?: , \d* )? \} )
    | \\ (?P<escaped> [^a-zA-Z0-9\n] )
    | (?P<plain> [^][\\^$.|?*+(){}\n] )
    | (?P<or> \| )
    | (?P<open> \( (?! \? ) | \( \? [:=!<P] )
    | (?P<close> \) )
    | (?P<other> [.^$] | \\ [bBdDsSwWAZ] | \[ \^? \]? (?: [^]\\] | \\. )* \] )
    """,
    re.VERBOSE | re.DOTALL,
)
_PLACES = (b"^", rb"\b", rb"\B", rb"\A")
_LINE = re.compile(rb"([^\n]*)\n|([^\n]+)\Z")
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
    chosen = chosen[((rows["kind"] == 0) & (rows["size"] > 0))[chosen]]
    return _search(image, table, regex, chosen + entry.index)


def _search(
    image: Image, table: _core.Table, regex: re.Pattern[bytes], indexes: Array
) -> Iterator[Match]:
    needed = needed_texts(regex)
    with Contents(image, table) as contents:
        if not needed.texts:
            for index, data in contents.each(indexes):
                if regex.search(data) is not None:
                    yield from _matches(table, index, data, regex)
            return
        told = -1  # of this one it is known where it is
        path = ""
        ignore_case = bool(regex.flags & re.I)
        found = contents.lines_with(indexes, needed.texts, ignore_case, needed.leads)
        for at, number, begin, end, line, hits in found:
            if at == told and number == 0:
                continue
            index = int(indexes[at])
            if begin < 0:
                with contents.of(index) as data:
                    yield from _matches(table, index, data, regex)
                continue
            if line is None:
                with contents.of(index) as data, data[begin:end] as part:
                    if not _is_in(part, regex, hits):
                        continue
                    line = bytes(part)
            elif not _is_in(line, regex, hits):
                continue
            if at != told:
                told, path = at, _path(table, index)
            yield Match(path, number, line if number else b"")


def _is_in(line: bytes | memoryview, regex: re.Pattern[bytes], hits: list[int] | None) -> bool:
    """Whether a line matches; `hits`: where alone a match may begin, if that is known."""
    if hits is None:
        return regex.search(line) is not None
    return any(regex.match(line, at) is not None for at in hits)


@dataclass(frozen=True, slots=True)
class Needed:
    """Texts of which every line that matches has one; none if a glance does not tell. `leads`:
    there is one, and each match begins with it. With re.I they are needed in any case."""

    texts: list[bytes]
    leads: bool = False


def needed_texts(regex: re.Pattern[bytes]) -> Needed:
    """Of what can be seen of the pattern at a glance."""
    texts: list[bytes] = []
    runs: list[bytes] = []
    run = bytearray()
    pattern, at, depth = regex.pattern, 0, 0
    is_behind = False  # what more than a place has to match before the first run
    while at < len(pattern):
        piece = _PIECE.match(pattern, at)
        if piece is None:
            return Needed([])
        at, kind = piece.end(), piece.lastgroup
        if kind == "flags":
            continue
        if kind in ("open", "close"):
            depth += 1 if kind == "open" else -1
        if kind in ("plain", "escaped"):
            if depth == 0:
                run += piece[kind]
            continue
        if kind == "often" and piece[0] != b"+":
            del run[-1:]  # it may be there no time
        is_behind = is_behind or not (any(runs) or run or piece[0] in _PLACES)
        runs.append(bytes(run))
        run.clear()
        if kind == "or" and depth == 0:
            texts.append(max(runs, key=len))
            runs.clear()
    runs.append(bytes(run))
    texts.append(max(runs, key=len))
    if not all(texts):
        return Needed([])
    leads = len(texts) == 1 and not is_behind and next(filter(None, runs)) == texts[0]
    return Needed([text[:_LONGEST_TEXT] for text in texts], leads)


def _matches(
    table: _core.Table, index: int, data: memoryview, regex: re.Pattern[bytes]
) -> Iterator[Match]:
    """Of all lines of a file; a match ends where its line does."""
    path = ""
    for number, place in enumerate(_LINE.finditer(data), 1):
        line = place[place.lastindex or 0]
        if regex.search(line) is None:
            continue
        if not path:
            path = _path(table, index)
            if b"\0" in bytes(data[:_BINARY_WITHIN]):
                yield Match(path, 0, b"")
                return
        yield Match(path, number, line)


def _path(table: _core.Table, index: int) -> str:
    path: str = files(table)[index : index + 1].spelled()[0]
    return path
