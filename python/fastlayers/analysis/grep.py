"""Searching the contents of an image's files where they lie in the layers' tars."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from math import log2
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

# A piece of a pattern: flags of all of it; a place; what says how often the piece before it is
# there; what is between alternatives; the two ends of a group; and what is a byte, or one of
# several. At anything else the reading of a pattern ends.
_PIECE = re.compile(
    rb"""
    (?P<flags> \A \( \? [ims]+ \) )
    | (?P<place> [$^] | \\ [bBAZ] )
    | (?P<often> [*?+] | \{ (?P<least> \d* ) (?P<more> ,? ) \d* \} )
    | (?P<or> \| )
    | (?P<open> \( (?! \? ) | \( \? [:=!<P] )
    | (?P<close> \) )
    | (?P<byte> [^][\\^$.|?*+(){}\n] | \\ [^a-zA-Z0-9\n] | \\ [dDsSwW] | [.]
        | \[ \^? \]? (?: [^]\\] | \\ . )* \] )
    """,
    re.VERBOSE | re.DOTALL,
)
_POSIX = re.compile(
    rb"\[:(alnum|alpha|blank|cntrl|digit|graph|lower|print|punct|space|upper|xdigit):\]"
)
_LINE = re.compile(rb"([^\n]*)\n|([^\n]+)\Z")
_LONGEST = 64  # places of a sequence
_MOST_MEMBERS = 128  # of its first and its last place
_ENOUGH_BITS = 20  # that a text tells: three letters in any case
_LEAST_BITS = 7  # one letter in any case
_MOST_HITS = 64  # of a line
_NEWLINE = ord("\n")
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
    regex = _compiled(os.fsencode(pattern), re.MULTILINE | (re.I if ignore_case else 0))
    table = table_of(image)
    entry, _ = resolve(table, os.fsencode(path))
    rows = files(table)[entry.index : table.subtree_end(entry.index)]
    chosen = (criteria or Criteria()).select(rows)
    chosen = chosen[((rows["kind"] == 0) & (rows["size"] > 0))[chosen]]
    return _search(image, table, regex, chosen + entry.index)


def _compiled(pattern: bytes, flags: int) -> re.Pattern[bytes]:
    try:
        if posix := _POSIX.search(pattern):
            raise ValueError(f"{os.fsdecode(posix[0])} is of POSIX; Python has \\d \\s \\w [a-z]")
        with warnings.catch_warnings():  # of brackets that could mean something else one day
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(pattern, flags)
    except (re.error, OverflowError, ValueError) as error:
        raise InvalidError(f"not a regular expression: {os.fsdecode(pattern)!r}: {error}") from None


def _search(
    image: Image, table: _core.Table, regex: re.Pattern[bytes], indexes: Array
) -> Iterator[Match]:
    needed = needed_sequences(regex)
    with Contents(image, table) as contents:
        if not needed.sequences:
            for index, data in contents.each(indexes):
                if regex.search(data) is not None:
                    yield from _matches(table, index, data, regex)
            return
        told = -1  # of this one it is known where it is
        path = ""
        most_hits = _MOST_HITS if needed.leads else 0
        found = contents.lines_with(indexes, needed.sequences, most_hits)
        for at, number, begin, end, line, hits in found:
            if at == told and number == 0:
                continue
            if begin < 0:
                with contents.of(int(indexes[at])) as data:
                    yield from _matches(table, int(indexes[at]), data, regex)
                continue
            if line is None:
                with contents.of(int(indexes[at])) as data, data[begin:end] as part:
                    if not _is_in(part, regex, hits):
                        continue
                    line = bytes(part)
            elif not _is_in(line, regex, hits):
                continue
            if at != told:
                told, path = at, _path(table, int(indexes[at]))
            yield Match(path, number, line if number else b"")


def _is_in(line: bytes | memoryview, regex: re.Pattern[bytes], hits: list[int] | None) -> bool:
    """Whether a line matches; `hits`: where alone a match may begin, up to the last of _MOST_HITS,
    if that is known."""
    if hits is None:
        return regex.search(line) is not None
    for at in hits:
        if regex.match(line, at) is not None:
            return True
    return len(hits) == _MOST_HITS and regex.search(line, hits[-1] + 1) is not None


@dataclass(frozen=True, slots=True)
class Needed:
    """Sequences (for each place the bytes that may be there) of which every line that matches has
    one; none if a glance does not tell. `leads`: there is one, and each match begins with it."""

    sequences: list[list[bytes]]
    leads: bool = False


def needed_sequences(regex: re.Pattern[bytes]) -> Needed:
    """Of what can be seen of the pattern at a glance."""
    chosen = []
    runs: list[list[bytes]] = [[]]
    pattern, at, depth = regex.pattern, 0, 0
    while at < len(pattern):
        piece = _PIECE.match(pattern, at)
        if piece is None:
            return Needed([])
        at, kind = piece.end(), piece.lastgroup
        if kind in ("open", "close"):
            depth += 1 if kind == "open" else -1
            runs.append([])
        elif depth > 0 or kind in ("flags", "place"):
            continue
        elif kind == "or":
            chosen.append(_best(runs))
            runs = [[]]
        elif kind == "often":
            _repeat(runs, piece)
        else:
            runs[-1].append(_members(piece[0], regex.flags & (re.I | re.S)))
    chosen.append(_best(runs))
    if not all(one for one, _ in chosen):
        return Needed([])
    return Needed([one for one, _ in chosen], len(chosen) == 1 and chosen[0][1])


def _repeat(runs: list[list[bytes]], piece: re.Match[bytes]) -> None:
    """What comes now is there as often as `piece` says: what is behind it follows on the last."""
    last = runs[-1][-1:]
    count = 1 if piece[0] == b"+" else min(int(piece["least"] or 0), _LONGEST)
    runs[-1][-1:] = last * count
    if piece["more"] != b"" or count in (0, _LONGEST):
        runs.append(last * count)


@cache
def _members(piece: bytes, flags: int) -> bytes:
    """The bytes, but for a newline, that match a piece."""
    match = _compiled(piece, flags).match
    return bytes(byte for byte in range(256) if byte != _NEWLINE and match(bytes([byte])))


def _best(runs: list[list[bytes]]) -> tuple[list[bytes], bool]:
    """What is looked for, and whether all begins with it: a text that is not too short, which is
    found several times faster than others; else what the fewest lines have."""
    candidates: list[tuple[list[bytes], bool]] = [([], False)]
    for number, run in enumerate(runs):
        start = 0
        for is_text, places in groupby(run, _is_letter):
            part = list(places)
            if is_text:
                candidates.append((part[:_LONGEST], number == start == 0))
            start += len(part)
        narrow = [place for place, members in enumerate(run) if len(members) <= _MOST_MEMBERS]
        if narrow:
            part = run[narrow[0] : narrow[-1] + 1]
            candidates.append((part[:_LONGEST], number == narrow[0] == 0))
    best = max(candidates, key=lambda candidate: _rank(candidate[0]))
    return best if _rank(best[0])[1] >= _LEAST_BITS else ([], False)


def _rank(sequence: list[bytes]) -> tuple[bool, float]:
    bits = sum(8 - log2(len(members) or 1) for members in sequence)
    return bits >= _ENOUGH_BITS and all(map(_is_letter, sequence)), bits


def _is_letter(members: bytes) -> bool:
    """Whether they are one byte, or a letter in any case."""
    return len(members) == 1 or (len(members) == 2 and members[0] ^ members[1] == ord(" "))


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
