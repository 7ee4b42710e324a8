"""Where the layer rules and the kernel's union agree, all three must: oracle, engine, kernel.

A plain lower tree is edited through an overlay mounted without the engine. The kernel's upper,
read as a layer by slow Python, merged over the lower must give what the kernel itself shows.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given

from tests import edit_root, engine, kernel_overlay, oracle, strategies, tar_write
from tests.effort import examples
from tests.strategies import Edit
from tests.tar_members import Member
from tests.tree import counted_links, differences, read_directory

pytestmark = pytest.mark.privileged


@examples(30)
@given(strategies.plain_trees(), strategies.edits())
def test_merge_equals_the_kernels_overlay(
    memory_store: str, lower: list[Member], edits: list[Edit]
) -> None:
    with tempfile.TemporaryDirectory(prefix="fastlayers-overlay-") as scratch:
        folders = {name: Path(scratch) / name for name in ("lower", "upper", "work", "merged")}
        for folder in folders.values():
            folder.mkdir()
        paths = {name: str(folder) for name, folder in folders.items()}
        edit_root.build(paths["lower"], lower)
        with kernel_overlay.mounted(paths["lower"], paths["upper"], paths["work"], paths["merged"]):
            edit_root.perform(paths["merged"], edits)
            shown = counted_links(read_directory(paths["merged"]))
        upper = kernel_overlay.upper_members(paths["upper"])
    expected = {path: facts for path, facts in shown.items() if facts.type != "socket"}
    tars = [tar_write.plain(lower), tar_write.plain(upper)]
    assert differences(expected, oracle.apply(tars)) == [], "the oracle differs from the kernel"
    merged = engine.merged_tree(memory_store, [engine.ingest(memory_store, tar) for tar in tars])
    assert differences(expected, merged) == []
