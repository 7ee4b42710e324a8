"""The Cython kernels against plain Python."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers.analysis import _kernels
from fastlayers.analysis.files import equal_contents
from tests import strategies

_SMALL = st.integers(0, 3)


def _key(path: bytes) -> list[bytes]:
    return path.split(b"/") if path else []


def _columns(paths: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    heap = np.frombuffer(b"".join(paths), dtype=np.uint8)
    lengths = np.array([len(path) for path in paths], dtype=np.uint32)
    offsets = (np.cumsum(lengths, dtype=np.uint64) - lengths).astype(np.uint64)
    return heap, offsets, lengths


@given(st.lists(st.sets(strategies.paths(), max_size=8), max_size=7))
def test_path_ids(tables: list[set[bytes]]) -> None:
    runs = [sorted(table, key=_key) for table in tables]
    paths = [path for run in runs for path in run]
    bounds = np.cumsum([0, *map(len, runs)], dtype=np.int64)
    ids, first = _kernels.path_ids(*_columns(paths), bounds)
    known = sorted(set(paths), key=_key)
    assert ids.tolist() == [known.index(path) for path in paths]
    assert [paths[row] for row in first.tolist()] == known


@given(st.sets(strategies.paths(), max_size=12))
def test_subtree_ends(paths: set[bytes]) -> None:
    rows = sorted({b"", *paths}, key=_key)
    ends = _kernels.subtree_ends(*_columns(rows))
    for row, path in enumerate(rows):
        under = [p for p in rows if p == path or not path or p.startswith(path + b"/")]
        assert rows[row : ends[row]] == under


def test_paths_outside_the_heap_are_refused() -> None:
    heap, offsets, lengths = _columns([b"a", b"b"])
    for wrong in (offsets + np.uint64(1), offsets + np.uint64(2**64 - 1)):
        with pytest.raises(ValueError, match="outside the heap"):
            _kernels.path_ids(heap, wrong, lengths, np.array([0, 2], dtype=np.int64))
    with pytest.raises(ValueError, match="differ in length"):
        _kernels.path_ids(heap, offsets, lengths, np.array([0, 3], dtype=np.int64))


@given(st.lists(st.binary(max_size=6), max_size=9), st.binary(max_size=3))
def test_joined_texts(texts: list[bytes], prefix: bytes) -> None:
    joined = _kernels.joined_texts(*_columns(texts), prefix)
    assert joined.tobytes() == b"".join(prefix + text + b"\0" for text in texts)


def test_texts_outside_the_heap_are_refused() -> None:
    heap, offsets, lengths = _columns([b"a", b"b"])
    for wrong in (offsets + np.uint64(1), offsets + np.uint64(2**64 - 1)):
        with pytest.raises(ValueError, match="outside the heap"):
            _kernels.joined_texts(heap, wrong, lengths)
    with pytest.raises(ValueError, match="differ in length"):
        _kernels.joined_texts(heap, offsets, lengths[:1])


@given(st.data())
def test_directory_sizes(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 12))
    parent = [-1] + [data.draw(st.integers(0, row - 1)) for row in range(1, count)]
    parent = parent[:count]
    size = [data.draw(_SMALL) for _ in range(count)]
    kind = [data.draw(st.integers(0, 2)) for _ in range(count)]
    expected = list(size)
    for row in reversed(range(count)):
        if parent[row] >= 0 and kind[parent[row]] == 1:
            expected[parent[row]] += expected[row]
    columns = (np.array(parent, "i8"), np.array(size, "i8"), np.array(kind, "u1"))
    assert _kernels.directory_sizes(*columns).tolist() == expected


def test_a_parent_behind_its_child_is_refused() -> None:
    one = np.ones(2, dtype=np.int64)
    with pytest.raises(ValueError, match="the parent of row 1"):
        _kernels.directory_sizes(one, one, np.ones(2, dtype=np.uint8))


@given(st.lists(st.tuples(_SMALL, _SMALL, _SMALL), max_size=12))
def test_runs(rows: list[tuple[int, int, int]]) -> None:
    rows.sort()
    high, low, size = (
        np.array([row[i] for row in rows], t) for i, t in enumerate(("u8", "u8", "i8"))
    )
    expected = [
        [rows.index(row), rows.index(row) + rows.count(row)]
        for row in sorted(set(rows))
        if rows.count(row) > 1
    ]
    assert _kernels.runs(high, low, size).tolist() == expected


@given(st.lists(st.tuples(_SMALL, _SMALL, _SMALL), max_size=12))
def test_equal_contents(rows: list[tuple[int, int, int]]) -> None:
    """Also where a half of the digest is equal, or all of it and not the size."""
    xxh3 = np.array([row[:2] for row in rows], "<u8").reshape(-1, 2).view("V16").reshape(-1)
    members, begins = equal_contents(xxh3, np.array([row[2] for row in rows], "u8"))
    edges = itertools.pairwise(begins.tolist())
    found = [sorted(members[start:end].tolist()) for start, end in edges]
    equal = [[at for at, one in enumerate(rows) if one == row] for row in sorted(set(rows))]
    several = [group for group in equal if len(group) > 1]
    assert found == sorted(several, key=lambda group: -rows[group[0]][2] * (len(group) - 1))


_Row = tuple[str, bool]  # what it is, and whether an earlier layer has it already


def _hides(row: _Row, at: bytes, path: bytes, below: str | None) -> bool:
    """Whether a row hides what lies below it at a path; `below` is what lies where the row is."""
    under = path != at and (not at or path.startswith(at + b"/"))
    if row[0] == "whiteout":
        return under or path == at
    return under and (row[0] == "opaque" or (row[0] == "file" and below in ("folder", "opaque")))


@given(
    st.lists(
        st.dictionaries(
            strategies.paths(),
            st.tuples(st.sampled_from(["file", "folder", "opaque", "whiteout"]), st.booleans()),
            max_size=6,
        ),
        max_size=4,
    )
)
def test_replay(layers: list[dict[bytes, _Row]]) -> None:
    numbered: list[tuple[bytes, _Row]] = []
    bounds, expected, live = [0], [], dict[bytes, int]()
    for number, table in enumerate(layers):
        rows = sorted(table.items(), key=lambda item: _key(item[0]))
        start = len(numbered)
        numbered += rows
        bounds.append(len(numbered))
        before = dict(live)
        for path, row in before.items():
            for at, (where, what) in enumerate(rows, start):
                there = before.get(where)
                if _hides(what, where, path, None if there is None else numbered[there][1][0]):
                    del live[path]
                    if table.get(path, ("whiteout", False))[0] == "whiteout":
                        expected.append((number, at, -1, row))
                    break
        for at, (path, (what, is_old)) in enumerate(rows, start):
            if what == "whiteout":
                continue
            if path not in live or what == "file" or not is_old:
                expected.append((number, at, at, before.get(path, -1)))
            live[path] = at
    paths = [path for path, _ in numbered]
    columns = _columns(paths)
    heap, offsets, lengths = columns
    ids, first = _kernels.path_ids(*columns, np.array(bounds, dtype=np.int64))
    ends = _kernels.subtree_ends(heap, offsets[first], lengths[first])
    kind = {"file": 0, "folder": 1, "opaque": 1, "whiteout": 6}
    layer = [
        number - is_old if what[0] not in ("file", "whiteout") else number
        for number, table in enumerate(layers)
        for _, what in sorted(table.items(), key=lambda item: _key(item[0]))
        for is_old in [what[1]]
    ]
    events, result = _kernels.replay(
        ids,
        ends,
        np.array([kind[what] for _, (what, _) in numbered], dtype=np.uint8),
        np.array([what == "opaque" for _, (what, _) in numbered], dtype=np.uint8),
        np.array(layer, dtype=np.int64).astype(np.uint32),
        np.array(bounds, dtype=np.int64),
    )
    assert sorted(map(tuple, events.tolist())) == sorted(expected)
    assert {paths[row]: row for row in result.tolist() if row >= 0} == live


def test_a_million_entries_take_a_moment() -> None:
    """100 ms is what is wanted of each kernel; a busy machine may take three times that."""
    count = 1_000_000
    folders = 1000
    paths = [b"", *(b"%03d" % folder for folder in range(folders))]
    rows = [(b"%03d" % (n % folders)) + b"/file-%06d" % (n // folders) for n in range(count)]
    paths = sorted([*paths, *rows], key=_key)
    parents = {path: row for row, path in enumerate(paths) if b"/" not in path}
    parent = np.array([-1, *(parents[p.rpartition(b"/")[0]] for p in paths[1:])], dtype=np.int64)
    kind = np.array([b"/" not in path for path in paths], dtype=np.uint8)
    size = np.where(kind == 1, 0, 7)
    heap, offset, length = _columns(paths)
    bounds = np.array([0, len(paths)], dtype=np.int64)
    flags, layer = np.zeros(len(paths), np.uint8), np.zeros(len(paths), np.uint32)
    digest = (np.arange(len(paths), dtype=np.uint64) // np.uint64(2)).copy()

    def timed(what: object, *arguments: object) -> object:
        best = 1.0
        for _ in range(3):
            start = time.perf_counter()
            answer = what(*arguments)  # type: ignore[operator]
            best = min(best, time.perf_counter() - start)
        print(what, f"{best * 1000:.1f} ms")
        assert best < 0.3, what
        return answer

    sizes = timed(_kernels.directory_sizes, parent, size, kind)
    assert sizes[0] == 7 * count and sizes[parents[b"007"]] == 7 * count // folders  # type: ignore[index]
    halves = np.array([0, len(paths) // 2, len(paths)], dtype=np.int64)
    ids, _ = timed(_kernels.path_ids, heap, offset, length, halves)  # type: ignore[misc]
    assert ids.tolist() == list(range(len(paths)))
    ends = timed(_kernels.subtree_ends, heap, offset, length)
    assert ends[parents[b"007"]] == parents[b"007"] + 1 + count // folders  # type: ignore[index]
    events, live = timed(_kernels.replay, ids, ends, kind, flags, layer, bounds)  # type: ignore[misc]
    assert len(events) == len(paths) and (live == ids).all()
    found = timed(_kernels.runs, digest, digest, size)
    assert len(found) > count // 3  # type: ignore[arg-type]
    texts = timed(_kernels.joined_texts, heap, offset, length)
    assert len(texts) == len(heap) + len(paths)  # type: ignore[arg-type]
