"""Random stacks, mounted on every backend, look as the oracle says and as each other."""

from __future__ import annotations

import pytest
from hypothesis import assume, given

from tests import engine, oracle, strategies, tar_write
from tests.effort import examples
from tests.refusal import Refusal
from tests.tar_members import Member
from tests.tree import counted_links, differences, read_directory

pytestmark = pytest.mark.privileged


@examples(25)
@given(strategies.stacks())
def test_every_backend_shows_the_oracles_tree(disk_store: str, stack: list[list[Member]]) -> None:
    tars = [tar_write.plain(layer) for layer in stack]
    try:
        expected = oracle.apply(tars)
    except Refusal:
        assume(False)
    diff_ids = [engine.ingest(disk_store, tar) for tar in tars]
    problems = []
    for backend in engine.BACKENDS:
        with engine.mounted_image(disk_store, diff_ids, backend) as target:
            actual = counted_links(read_directory(target))
        problems += [f"{backend}: {line}" for line in differences(expected, actual)]
    assert problems == []


@pytest.mark.parametrize("backend", engine.BACKENDS)
def test_user_attributes_of_a_symlink_are_not_listed(disk_store: str, backend: str) -> None:
    """The kernel allows user.* on files and directories only; what it lists it must also read."""
    link = Member(b"s", "symlink", link=b"a", xattrs={b"user.k": b"v", b"trusted.k": b"v"})
    fifo = Member(b"p", "fifo", xattrs={b"user.k": b"v"})
    diff_id = engine.ingest(disk_store, tar_write.plain([link, fifo]))
    with engine.mounted_image(disk_store, [diff_id], backend) as target:
        tree = read_directory(target)
    assert tree[b"s"].xattrs == {b"trusted.k": b"v"}
    assert tree[b"p"].xattrs == {}
