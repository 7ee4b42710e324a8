"""The readers that judge the engine are themselves judged: against tarfile and against GNU tar."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import strategies, tar_write
from tests.tar_members import Member, members
from tests.tarfile_tree import tree_of_tarfile
from tests.tree import Facts, counted_links, differences, read_directory

from tests import oracle  # isort: skip


@given(st.data())
def test_a_written_layer_reads_back_the_same(data: st.DataObject) -> None:
    layer = data.draw(strategies.single_layers())
    tar = tar_write.archive(data.draw(strategies.written(layer)))
    assert list(members(tar)) == layer


@given(st.data())
def test_oracle_agrees_with_tarfile_on_plain_trees(data: st.DataObject) -> None:
    layer = data.draw(strategies.plain_trees())
    tar = tar_write.archive(data.draw(strategies.written(layer)))
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        expected = tree_of_tarfile(archive)
    assert differences(expected, oracle.apply([tar])) == []


@pytest.mark.privileged
@pytest.mark.needs("tar")
@given(st.data())
def test_oracle_agrees_with_gnu_tar_on_plain_trees(data: st.DataObject) -> None:
    layer = data.draw(strategies.plain_trees())
    for member in layer:  # what a file system would obey or refuse is not for tar to extract
        member.xattrs = {k: v for k, v in member.xattrs.items() if b"overlay" not in k}
    tar = tar_write.archive(data.draw(strategies.written(layer)))
    with tempfile.TemporaryDirectory(prefix="fastlayers-tar-") as target:
        command = ["tar", "-xpf", "-", "--numeric-owner", "--xattrs", "--xattrs-include=*",
                   "--delay-directory-restore", "-C", target]  # fmt: skip
        done = subprocess.run(command, input=tar, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        actual = read_directory(target)
    expected = oracle.apply([tar])
    # GNU tar restores the attributes of files and directories only.
    skipped = [path for path, facts in expected.items() if facts.type not in ("file", "dir")]
    for path in skipped:
        expected[path] = _without_xattrs(expected[path])
        actual[path] = _without_xattrs(actual[path])
    assert differences(expected, counted_links(actual)) == []


def _without_xattrs(facts: Facts) -> Facts:
    return replace(facts, xattrs={})


def test_pax_size_does_not_reach_a_long_name_behind_it() -> None:
    name = b"d/" + b"n" * 150
    tar = (
        tar_write.extension(b"x", tar_write.record(b"size", b"3"))
        + tar_write.extension(b"L", name + b"\0")
        + tar_write.header(b"short", b"0", 0)
        + tar_write.pad(b"abc")
        + tar_write.END
    )
    assert list(members(tar)) == [Member(name, "file", content=b"abc")]
