"""Image.files() and Image.read() of random stacks: the oracle's tree, without any mount."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given

from fastlayers import Image, Store, errors
from tests import oracle, strategies, tar_write
from tests.effort import examples
from tests.oci_layout import LayerBlob, write_layout
from tests.refusal import Refusal
from tests.tar_members import Member


@examples(20)
@given(strategies.stacks(max_layers=3))
def test_files_and_contents(memory_store: str, stack: list[list[Member]]) -> None:
    tars = [tar_write.plain(layer) for layer in stack]
    try:
        tree = oracle.apply(tars)
    except Refusal:
        assume(False)
    with tempfile.TemporaryDirectory(prefix="fastlayers-layout-") as scratch:
        layers = [LayerBlob.of_tar(tar) for tar in tars]
        layout = write_layout(Path(scratch) / "layout", layers, name="view:latest")
        (image,) = Image.load(str(layout), store=Store(memory_store))
    assert image.size == sum(_content_size(tar) for tar in tars)
    rows = image.files()
    paths = [path.lstrip(b"/") for path in rows.paths()]
    assert sorted(path for path in paths if path not in (b"", b".")) == sorted(tree)
    for path, facts in tree.items():
        if facts.type == "file":
            content = image.read(b"/" + path)
            assert hashlib.sha256(content).hexdigest() == facts.sha256
        elif facts.type == "dir":
            with pytest.raises(errors.FastlayersError):
                image.read(path)
    with pytest.raises(errors.NotFoundError):
        image.read("/there/is/no/such/path")


def _content_size(tar: bytes) -> int:
    from tests.tar_members import members

    return sum(len(m.content) for m in members(tar) if b"/.wh." not in b"/" + m.path)


def test_read_follows_links_inside_the_root(memory_store: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("host")
    layer = [
        Member(b"real/file", "file", content=b"inside"),
        Member(b"absolute", "symlink", link=b"/real/file"),
        Member(b"climbing", "symlink", link=b"../../../../real"),
        Member(b"out", "symlink", link=bytes(outside)),
        Member(b"loop", "symlink", link=b"loop"),
    ]
    layout = write_layout(tmp_path / "layout", [LayerBlob.of_tar(tar_write.plain(layer))])
    (image,) = Image.load(str(layout), store=Store(memory_store))
    assert image.read("/absolute") == b"inside"
    assert image.read("climbing/file") == b"inside"
    assert image.read("/real/../absolute") == b"inside"
    with pytest.raises(errors.NotFoundError):
        image.read("/out")
    with pytest.raises(errors.FastlayersError):
        image.read("/loop")
