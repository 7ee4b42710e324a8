"""One layer: what the engine shows of it equals what Python's tarfile reads."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import engine, strategies, tar_write
from tests.effort import examples
from tests.tarfile_tree import tree_of_tarfile
from tests.tree import Tree, differences, read_directory


def _draw(data: st.DataObject) -> tuple[bytes, Tree]:
    layer = data.draw(strategies.plain_trees())
    tar = tar_write.archive(data.draw(strategies.written(layer)))
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return tar, tree_of_tarfile(archive)


@given(st.data())
def test_table_of_a_layer_equals_tarfile(memory_store: str, data: st.DataObject) -> None:
    tar, expected = _draw(data)
    diff_id = engine.ingest(memory_store, tar)
    assert differences(expected, engine.merged_tree(memory_store, [diff_id])) == []


@pytest.mark.privileged
@pytest.mark.parametrize("backend", engine.BACKENDS)
@examples(15)
@given(st.data())
def test_mounted_layer_equals_tarfile(disk_store: str, backend: str, data: st.DataObject) -> None:
    tar, expected = _draw(data)
    diff_id = engine.ingest(disk_store, tar)
    with engine.mounted_image(disk_store, [diff_id], backend) as target:
        assert differences(expected, read_directory(target)) == []


@pytest.mark.parametrize("style", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@given(st.data())
def test_archive_written_by_tarfile(memory_store: str, style: int, data: st.DataObject) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=style) as archive:
        for member in data.draw(strategies.plain_trees()):
            info = tarfile.TarInfo(member.path.decode("utf-8", "surrogateescape"))
            info.type = tar_write.TYPEFLAGS[member.type]
            info.mode, info.uid, info.gid = member.mode, member.uid, member.gid
            info.mtime = member.mtime_ns // 10**9
            info.size = len(member.content)
            info.linkname = member.link.decode("utf-8", "surrogateescape")
            info.devmajor, info.devminor = member.device
            archive.addfile(info, io.BytesIO(member.content))
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        expected = tree_of_tarfile(archive)
    diff_id = engine.ingest(memory_store, out.getvalue())
    assert differences(expected, engine.merged_tree(memory_store, [diff_id])) == []
