"""The file table: what is written is what is mapped back, in order, with everything in bounds."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from fastlayers import _core
from tests import engine, oracle, strategies, tar_write
from tests.refusal import Refusal
from tests.table_tree import KINDS, path_of, records, tree_of_table, xattrs_of
from tests.tar_members import Member
from tests.tree import differences


def _path_key(path: bytes) -> list[bytes]:
    return path.split(b"/") if path else []


@given(strategies.single_layers())
def test_layer_table_lists_the_members_in_tar_order(memory_store: str, layer: list[Member]) -> None:
    try:
        oracle.apply_members([layer])
    except Refusal:
        assume(False)
    diff_id = engine.ingest(memory_store, tar_write.plain(layer))
    table = _core.layer_table(memory_store, diff_id)
    assert table.layers == [diff_id]
    found = list(records(table))
    info = _core.layer_info(memory_store, diff_id)
    assert info is not None and len(found) == len(layer) == info.entries
    for record, member in zip(found, layer, strict=True):
        names = oracle.components(member.path)
        marker = names and names[-1].startswith(b".wh.")
        if marker:
            kind = "opaque" if names[-1] == b".wh..wh..opq" else "whiteout"
            assert KINDS[record.kind] == kind
            continue
        assert KINDS[record.kind] == member.type
        assert path_of(table, record) == b"/".join(names)
        kept = {k: v for k, v in member.xattrs.items() if not k.startswith(oracle.CONTROL_XATTRS)}
        if member.type != "hardlink":
            assert xattrs_of(table, record) == kept
            assert (record.mode, record.uid, record.gid) == (member.mode, member.uid, member.gid)


@given(strategies.stacks())
def test_merged_table_is_well_formed(memory_store: str, stack: list[list[Member]]) -> None:
    tars = [tar_write.plain(layer) for layer in stack]
    try:
        oracle.apply(tars)
    except Refusal:
        assume(False)
    diff_ids = [engine.ingest(memory_store, tar) for tar in tars]
    table = _core.merged_table(memory_store, diff_ids)
    assert table.layers == diff_ids
    rows = list(records(table))
    paths = [path_of(table, row) for row in rows]
    assert paths[0] == b"" and KINDS[rows[0].kind] == "dir"
    assert paths == sorted(paths, key=_path_key) and len(set(paths)) == len(paths)
    for index, (row, path) in enumerate(zip(rows, paths, strict=True)):
        assert KINDS[row.kind] not in ("whiteout", "hardlink", "opaque")
        assert path[row.name_offset :] == path.rpartition(b"/")[2]
        assert row.layer < len(diff_ids) and row.mtime_nsec < 10**9
        if index:
            assert paths[row.parent] == path.rpartition(b"/")[0]
            assert KINDS[rows[row.parent].kind] == "dir"
        assert table.find(path) == index
    assert table.find(b"no/such/path") is None


@given(st.data())
def test_table_is_the_same_when_it_is_opened_again(memory_store: str, data: st.DataObject) -> None:
    layer = data.draw(strategies.plain_trees())
    diff_ids = [engine.ingest(memory_store, tar_write.plain(layer))]
    first = _core.merged_table(memory_store, diff_ids)
    again = _core.merged_table(memory_store, diff_ids)  # now from the file
    assert bytes(first.entries) == bytes(again.entries)
    assert bytes(first.heap) == bytes(again.heap)
    assert differences(tree_of_table(memory_store, first), tree_of_table(memory_store, again)) == []
