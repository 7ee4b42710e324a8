"""The engine's merge of random stacks equals the oracle's, refusals included."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastlayers import errors
from tests import engine, oracle, strategies, tar_write
from tests.refusal import Refusal
from tests.tar_members import Member
from tests.tree import Tree, differences


def expected_of(tars: list[bytes]) -> Tree | Refusal:
    """What the oracle says of a stack."""
    try:
        return oracle.apply(tars)
    except Refusal as refusal:
        return refusal


def check_merge(root: str, tars: list[bytes]) -> None:
    """Compares one stack; where the oracle refuses, so must the engine."""
    expected = expected_of(tars)
    if isinstance(expected, Refusal):
        with pytest.raises((errors.CorruptError, errors.UnsupportedError, errors.LimitError)):
            engine.merged_tree(root, [engine.ingest(root, tar) for tar in tars])
        return
    merged = engine.merged_tree(root, [engine.ingest(root, tar) for tar in tars])
    assert differences(expected, merged) == []


def _file(path: bytes, content: bytes = b"x") -> Member:
    return Member(path, "file", content=content)


@example([[_file(b"a"), Member(b"b", "hardlink", link=b"a")], [Member(b".wh.a", "file")]])
@example([[_file(b"d/f")], [Member(b"d/.wh..wh..opq", "file")], [_file(b"d/g")]])
@example([[_file(b"a")], [Member(b".wh..wh..opq", "file"), _file(b"b")]])
@example(
    [
        [Member(b"s", "symlink", link=b"d"), _file(b"d/f"), _file(b"d/g")],
        [Member(b"s", "dir"), Member(b"s/.wh..wh..opq", "file"), Member(b"s/.wh.f", "file")],
    ]
)
@example(
    [
        [Member(b"s", "symlink", link=b"d"), _file(b"d/f"), _file(b"d/g")],
        [Member(b"s/.wh..wh..opq", "file"), Member(b".wh.s", "file"), _file(b"s/new")],
    ]
)
@example([[Member(b"s", "symlink", link=b"s")], [Member(b"s/.wh.f", "file")]])
@example([[Member(b"s", "symlink", link=b"/x/y")], [_file(b"s/f")], [Member(b"s/.wh.f", "file")]])
@given(strategies.stacks())
def test_merge_equals_the_oracle(memory_store: str, stack: list[list[Member]]) -> None:
    check_merge(memory_store, [tar_write.plain(layer) for layer in stack])


@given(st.data())
def test_merge_equals_the_oracle_in_every_dialect(memory_store: str, data: st.DataObject) -> None:
    stack = data.draw(strategies.stacks(max_layers=2))
    tars = [tar_write.archive(data.draw(strategies.written(layer))) for layer in stack]
    check_merge(memory_store, tars)


@given(strategies.stacks(max_layers=3))
def test_merging_in_steps_equals_merging_at_once(
    memory_store: str, stack: list[list[Member]]
) -> None:
    tars = [tar_write.plain(layer) for layer in stack]
    if isinstance(expected_of(tars), Refusal):
        return
    diff_ids = [engine.ingest(memory_store, tar) for tar in tars]
    for count in range(1, len(diff_ids) + 1):  # each prefix leaves its chain in the store
        expected = oracle.apply(tars[:count])
        assert differences(expected, engine.merged_tree(memory_store, diff_ids[:count])) == []


def test_a_component_too_long_in_a_link_is_not_made(memory_store: str) -> None:
    layer = [Member(b"s", "symlink", link=b"n" * 300), _file(b"s/f")]
    check_merge(memory_store, [tar_write.plain(layer)])


def test_a_hard_link_to_an_absolute_host_path_is_a_traversal(memory_store: str) -> None:
    layer = [_file(b"a"), Member(b"b", "hardlink", link=b"/etc/passwd")]
    with pytest.raises(errors.TraversalError):
        engine.merged_tree(memory_store, [engine.ingest(memory_store, tar_write.plain(layer))])


@pytest.mark.parametrize("name", [b"new\nline", b"\x1b[31m", b"\xff\xfe", b"tab\tand\rreturn"])
def test_messages_are_one_printable_line(memory_store: str, name: bytes) -> None:
    for layer in ([Member(name, "hardlink", link=name + b"x")], [_file(name + b"/../../x")]):
        with pytest.raises(errors.CorruptError) as caught:
            engine.merged_tree(memory_store, [engine.ingest(memory_store, tar_write.plain(layer))])
        assert str(caught.value).isprintable()
