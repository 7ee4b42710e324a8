"""Squashed layers show the same tree: by the oracle, by the engine, and on the corpus."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastlayers import _core, errors
from tests import engine, oracle, strategies, tar_write
from tests.conformance.case import Case, all_cases
from tests.refusal import Refusal
from tests.tar_members import Member
from tests.tree import Tree, differences

# A range of a stack of four.
RANGES = [(start, stop) for start in range(4) for stop in range(start + 1, 5)]


def tar_at(root: str, diff_id: str) -> bytes:
    return Path(_core.blob_path(root, diff_id)).read_bytes()


def oracle_tree(root: str, diff_ids: list[str]) -> Tree:
    return oracle.apply([tar_at(root, diff_id) for diff_id in diff_ids])


def check_squash(root: str, diff_ids: list[str], start: int, stop: int) -> None:
    """The stack with that range as one layer, and the layer alone on what is below it."""
    squashed = _core.squash_layers(root, diff_ids[:stop], start).diff_id
    assert _core.squash_layers(root, diff_ids[:stop], start).diff_id == squashed
    stack = [*diff_ids[:start], squashed, *diff_ids[stop:]]
    for read in (oracle_tree, engine.merged_tree):
        for count in (stop, len(diff_ids)):
            expected = read(root, diff_ids[:count])
            shorter = stack[: count - (stop - start) + 1]
            assert differences(expected, read(root, shorter)) == []


def _file(path: bytes, content: bytes = b"x") -> Member:
    return Member(path, "file", content=content)


@example(  # a new name of an old inode
    [[_file(b"a")], [Member(b"d/b", "hardlink", link=b"a")], [_file(b"c")]], (1, 3)
)
@example(  # one name of two is taken away, the other stays
    [[_file(b"a"), Member(b"b", "hardlink", link=b"a")], [Member(b".wh.a", "file")]], (1, 2)
)
@example([[_file(b"d/f")], [Member(b".wh.d", "file")], [_file(b"d/g")]], (1, 3))
@example([[_file(b"d/f")], [Member(b"d", "symlink", link=b"e")], [_file(b"e/g")]], (1, 3))
@example([[_file(b"d/f")], [Member(b".wh..wh..opq", "file")]], (1, 2))
@example(
    [[Member(b".", "dir", mode=0o700), _file(b"a")], [Member(b".", "dir", mode=0o711)]], (1, 2)
)
@given(strategies.stacks(), st.sampled_from(RANGES))
def test_a_squashed_range_changes_nothing(
    memory_store: str, stack: list[list[Member]], layers: tuple[int, int]
) -> None:
    stop = min(layers[1], len(stack))
    start = min(layers[0], stop - 1)
    tars = [tar_write.plain(layer) for layer in stack]
    try:
        oracle.apply(tars)
    except Refusal:
        return
    check_squash(memory_store, [engine.ingest(memory_store, tar) for tar in tars], start, stop)


@given(strategies.stacks(max_layers=2))
def test_what_changes_nothing_is_an_empty_layer(
    memory_store: str, stack: list[list[Member]]
) -> None:
    tars = [tar_write.plain(layer) for layer in stack]
    try:
        oracle.apply(tars)
    except Refusal:
        return
    diff_ids = [engine.ingest(memory_store, tar) for tar in [*tars, bytes(1024)]]
    squashed = _core.squash_layers(memory_store, diff_ids, len(diff_ids) - 1)
    assert tar_at(memory_store, squashed.diff_id) == bytes(1024)


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.id)
def test_the_corpus_squashed(memory_store: str, case: Case) -> None:
    try:
        tars = [oracle.decompress(layer.blob) for layer in case.layers]
        oracle.apply(tars)
    except Refusal:
        return
    diff_ids = [engine.ingest(memory_store, tar) for tar in tars]
    for start in range(len(diff_ids)):
        check_squash(memory_store, diff_ids, start, len(diff_ids))


def test_a_damaged_layer_is_named(memory_store: str) -> None:
    content = b"not to be lost" * 100
    diff_id = engine.ingest(memory_store, tar_write.plain([_file(b"d/f", content)]))
    path = Path(_core.blob_path(memory_store, diff_id))
    data = path.read_bytes()
    assert data.count(content) == 1
    path.write_bytes(data.replace(content, content.upper()))
    with pytest.raises(errors.CorruptError, match=f"{diff_id} is damaged in ./d/f."):
        _core.squash_layers(memory_store, [diff_id], 0)
    path.write_bytes(data)
