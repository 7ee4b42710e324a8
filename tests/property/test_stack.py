"""What each layer of random stacks did to each path, against trees that plain Python made."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from fastlayers import Image, analysis
from fastlayers.analysis.stack import Stack
from fastlayers.file_reader import table_of
from tests import stack_image, strategies
from tests.table_tree import SIDE, records
from tests.tar_members import Member
from tests.tree import Facts, Tree


def _own(facts: Facts) -> Facts:
    """Without what another path's coming and going changes, or the mere naming of a directory."""
    return replace(facts, nlink=1, names=frozenset(), implied=False)


def _events(image: Image) -> tuple[Stack, list[dict[bytes, tuple[bool, bool]]]]:
    """For each layer, what it did to which path: whether it was there before and is after."""
    stack = Stack.of(image)
    events: list[dict[bytes, tuple[bool, bool]]] = [{} for _ in image.layers]
    for event, path in enumerate(stack.event_path.tolist()):
        of_layer = events[stack.layer[event]]
        assert stack.spelled(path) not in of_layer
        of_layer[stack.spelled(path)] = (stack.before[event] >= 0, stack.after[event] >= 0)
    return stack, events


@given(strategies.stacks())
def test_events_are_what_the_layers_changed(memory_store: str, stack: list[list[Member]]) -> None:
    trees = stack_image.trees(stack)
    image = stack_image.loaded(memory_store, stack)
    found, events = _events(image)
    for before, after, of_layer in zip(trees, trees[1:], events, strict=False):
        for path in before.keys() | after.keys():
            there = (path in before, path in after)
            if there != (True, True) or _own(before[path]) != _own(after[path]):
                assert of_layer.pop(path) == there
        of_layer.pop(b"", None)  # the oracle's trees are without the root
        # What is left was written anew as it was before.
        for path, there in of_layer.items():
            assert there == (True, True) and after[path].type != "dir"
    assert {found.spelled(n) for n, row in enumerate(found.live) if row >= 0} == {b"", *trees[-1]}


def _shown(image: Image) -> set[tuple[int, int, int]]:
    """Where the contents lie that the image shows."""
    table = table_of(image)
    return {
        (record.layer, record.flags & SIDE, record.data_offset)
        for record in records(table)
        if record.kind == 0 and record.size
    }


@given(strategies.stacks())
def test_hidden_is_what_no_name_shows(memory_store: str, stack: list[list[Member]]) -> None:
    trees: list[Tree] = stack_image.trees(stack)
    image = stack_image.loaded(memory_store, stack)
    found = Stack.of(image)
    shown = _shown(image)
    hidden = found.hidden().tolist()
    for event in hidden:
        row = found.rows[found.before[event]]
        path = found.spelled(found.path[found.before[event]])
        layer = int(found.layer[event])
        assert path == b"" or path in trees[layer]
        if row["kind"] == 0 and row["size"]:
            place = (int(row["layer"]), int(row["flags"]) & SIDE, int(row["data_offset"]))
            assert place not in shown
    # Every file that was there once, and whose contents are nowhere now, is among them.
    visible = {facts.sha256 for facts in trees[-1].values()}
    names = {found.spelled(found.path[found.before[event]]) for event in hidden}
    for tree in trees:
        for path, facts in tree.items():
            if facts.type == "file" and facts.size and facts.sha256 not in visible:
                assert path in names


def _file(path: bytes, content: bytes) -> Member:
    return Member(path, "file", content=content)


def test_contents_that_another_name_shows_are_not_hidden(memory_store: str) -> None:
    linked = [_file(b"a", b"x"), Member(b"b", "hardlink", link=b"a"), _file(b"c", b"y")]
    gone = [Member(b".wh.a", "file"), Member(b".wh.c", "file")]
    stack = Stack.of(stack_image.loaded(memory_store, [linked, gone]))
    hidden = stack.hidden()
    assert [stack.spelled(path) for path in stack.path[stack.before[hidden]]] == [b"c"]


def test_a_link_to_another_lower_file_is_a_change_and_one_more_name_is_none(
    memory_store: str,
) -> None:
    base = [_file(b"a", b"x"), _file(b"b", b"y")]
    _, events = _events(
        stack_image.loaded(memory_store, [base, [Member(b"b", "hardlink", link=b"a")]])
    )
    assert events[1] == {b"b": (True, True)}
    _, events = _events(
        stack_image.loaded(memory_store, [base, [Member(b"c", "hardlink", link=b"a")]])
    )
    assert events[1] == {b"c": (False, True)}


def test_a_directory_that_is_named_as_it_was_is_no_change(memory_store: str) -> None:
    directory = Member(b"d", "dir", 0o700, xattrs={b"user.k": b"1"})
    touched = [Member(b"d", "dir", 0o755, xattrs={b"user.k": b"1"}),
               Member(b"d", "dir", 0o700, xattrs={b"user.k": b"2"})]  # fmt: skip
    _, events = _events(stack_image.loaded(memory_store, [[directory], [directory]]))
    assert events[1] == {}
    for other in touched:
        _, events = _events(stack_image.loaded(memory_store, [[directory], [other]]))
        assert events[1] == {b"d": (True, True)}


def test_what_is_hidden_behind_a_link_is_found(memory_store: str) -> None:
    base = [_file(b"usr/bin/a", b"x"), Member(b"bin", "symlink", link=b"usr/bin")]
    image = stack_image.loaded(memory_store, [base, [Member(b"usr/bin/.wh.a", "file")]])
    for path in ("/bin", "/usr/bin", "/bin/a", "usr/./bin/a", "/"):
        assert [h.path for h in analysis.find_hidden(image, analysis.Criteria(), path)] == [
            "/usr/bin/a"
        ]
    replaced = [Member(b"usr/bin", "symlink", link=b"/other"), _file(b"other/b", b"y")]
    image = stack_image.loaded(memory_store, [base, replaced, [Member(b"other/.wh.b", "file")]])
    found = analysis.find_hidden(image, analysis.Criteria(kind="file"), "/usr/bin")
    assert [h.path for h in found] == ["/other/b", "/usr/bin/a"]
