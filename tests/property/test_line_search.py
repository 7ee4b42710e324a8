"""The search for lines against plain Python."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers import _core
from fastlayers.errors import CorruptError, FastlayersError, InvalidError

_BINARY_WITHIN = 8192
Line = tuple[int, int, int, int, bytes | None, list[int] | None]
Columns = tuple[np.ndarray, np.ndarray, np.ndarray]  # type: ignore[type-arg]


def _filled(one: bytes) -> bytes:
    """The same with lines that are longer than a block of what is compared at once."""
    return one.replace(b"@", b"@" * 70).replace(b"B", b"b" * 300)


_SLICES = st.text("abA@\n\0", max_size=12).map(str.encode)
_SEQUENCES = st.lists(
    st.sampled_from([b"a", b"b", b"A", b"@", b"Aa", b"Bb", b"ab", b"Aab", b""]),
    min_size=1,
    max_size=3,
)


@contextlib.contextmanager
def _descriptors(contents: list[bytes]) -> Iterator[list[tuple[int, str]]]:
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile(buffering=0)) for _ in contents]
        for file, content in zip(files, contents, strict=True):
            file.write(content)
        yield [(file.fileno(), f"file {number}") for number, file in enumerate(files)]


def _places(text: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in text]


def _columns(slices: list[tuple[int, int, int]]) -> Columns:
    file, offset, length = zip(*slices, strict=True) if slices else ((), (), ())
    return (
        np.array(file, dtype=np.uint32),
        np.array(offset, dtype=np.uint64),
        np.array(length, dtype=np.uint64),
    )


def _all(search: _core.LineSearch) -> list[Line]:
    found: list[Line] = []
    while (lines := search.next()) is not None:
        found += lines
    assert search.next() is None
    return found


def _lines(
    number: int, content: bytes, wanted: re.Pattern[bytes], most_hits: int, bounds: dict[str, int]
) -> list[Line]:
    """What is to be found in one slice."""
    is_text = b"\0" not in content[:_BINARY_WITHIN]
    start, found = 0, []
    for count, line in enumerate(content.split(b"\n"), 1):
        hits = [match.start() for match in wanted.finditer(line)][:most_hits]
        if hits:
            told = line if len(line) <= bounds["longest_line"] else None
            end = start + len(line)
            found.append((number, count if is_text else 0, start, end, told, hits))
        start += len(line) + 1
    return found if len(found) <= bounds["most_lines"] else [(number, 0, -1, -1, None, None)]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.one_of(_SLICES, _SLICES.map(_filled))), max_size=9),
    st.lists(_SEQUENCES, min_size=1, max_size=3),
    st.sampled_from([1, 2, 1000]),
    st.fixed_dictionaries(
        {
            "most_lines": st.integers(1, 4),
            "longest_line": st.sampled_from([0, 3, 1000]),
            "window_bytes": st.sampled_from([4, 5, 80, 1 << 18]),
            "part_bytes": st.sampled_from([1, 100, 1 << 24]),
        }
    ),
    st.booleans(),
)
def test_lines_are_those_of_python(
    slices: list[tuple[int, bytes]],
    sequences: list[list[bytes]],
    most_hits: int,
    bounds: dict[str, int],
    are_apart: bool,
) -> None:
    contents, places, wanted = [b"", b"", b""], [], []
    # Looking ahead only, each place where one begins is found.
    spelled = [b"".join(b"[%b]" % one if one else b"(?!)" for one in all_) for all_ in sequences]
    regex = re.compile(b"(?=" + b"|".join(spelled) + b")")
    for number, (file, content) in enumerate(slices):
        contents[file] += b"ab" * 3000 * are_apart
        places.append((file, len(contents[file]), len(content)))
        contents[file] += content
        wanted += _lines(number, content, regex, most_hits, bounds)
    with _descriptors(contents) as files:
        columns = _columns(places)
        told = _all(_core.LineSearch(files, *columns, sequences, most_hits, **bounds))
        untold = _all(_core.LineSearch(files, *columns, sequences, 0, **bounds))
    assert told == wanted
    assert untold == [(*line, None) for *line, _ in wanted]


def test_a_nul_behind_the_first_bytes_makes_no_binary() -> None:
    for zeros, number in ((8191, 0), (8192, 2)):
        content = b"\n" + b"-" * (zeros - 1) + b"\0text"
        with _descriptors([content]) as files:
            for window in (8, 1 << 18):
                search = _core.LineSearch(
                    files, *_columns([(0, 0, len(content))]), [_places(b"text")], 0,
                    window_bytes=window,
                )  # fmt: skip
                assert [line[1] for line in _all(search)] == [number]


def test_one_that_is_not_asked_to_its_end_leaves_nothing() -> None:
    with _descriptors([b"a\n" * 100_000]) as files:
        slices = [(0, at, 2) for at in range(0, 200_000, 2)]
        before = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
        search = _core.LineSearch(files, *_columns(slices), [[b"a"]], 0, part_bytes=2)
        assert search.next() == [(0, 1, 0, 1, b"a", None)]
        del search
        assert (len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))) == before


def test_what_lies_outside_is_refused() -> None:
    def ask(*slices: tuple[int, int, int], texts: tuple[bytes, ...] = (b"a",)) -> list[Line]:
        search = _core.LineSearch(
            files, *_columns(list(slices)), [_places(text) for text in texts], 0, window_bytes=8
        )
        return _all(search)

    with _descriptors([b"abc"]) as files:
        assert ask() == []
        assert ask((0, 0, 3)) == [(0, 1, 0, 3, b"abc", None)]
        for wrong in ((0, 1, 3), (0, 4, 1), (0, 0, 100)):
            with pytest.raises(CorruptError, match="file 0 is shorter than its file table says"):
                ask(wrong)
        for wrong in ((0, 2**63, 1), (0, 1, 2**64 - 1), (1, 0, 1)):
            with pytest.raises(InvalidError, match="outside of any file"):
                ask(wrong)
        for texts in ((), (b"",), (b"a", b""), (b"x" * 8,), (b"x" * 65,)):
            with pytest.raises(InvalidError, match=r"(nothing|a sequence) to search for"):
                ask((0, 0, 1), texts=texts)
        one, two, _ = _columns([(0, 0, 1)])
        for columns in ((one, two, two[:0]), (one, one, two), (two, two, two)):
            with pytest.raises(InvalidError, match="differ in length"):
                _core.LineSearch(files, *columns, [[b"a"]], 0)
    with tempfile.TemporaryDirectory() as folder:
        directory = os.open(folder, os.O_RDONLY)
        try:
            files = [(directory, "a folder")]
            with pytest.raises(FastlayersError, match=r"cannot read a folder: .*directory"):
                ask((0, 0, 1))
        finally:
            os.close(directory)
