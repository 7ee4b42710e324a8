"""The engine as the suites drive it: stacks into a store, mounts of every kind, and back out.

Backends here are what a suite is run on: "erofs", "erofs-loop" (the same through loop devices;
above the core that is forced by forbidding file-backed mounts), "overlay", and "erofs-delta": erofs
with an index of its own for every layer, as after commits, instead of one for the whole stack.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import fastlayers
from fastlayers import _core
from tests.table_tree import tree_of_table
from tests.tree import Tree

BACKENDS = ("erofs", "erofs-loop", "overlay")
STACKINGS = (*BACKENDS, "erofs-delta")  # where the rules of layers are what is tested
_FORBIDDEN = {"erofs-loop": "erofs-file", "erofs-delta": "erofs-merge"}
FORBID = "FASTLAYERS_FORBID"


def engine_name(backend: str) -> str:
    """What the engine calls a backend."""
    return "erofs" if backend in _FORBIDDEN else backend


@contextlib.contextmanager
def forced(backend: str) -> Iterator[None]:
    """Forbids what the backend must do without, for as long as the block runs."""
    before = os.environ.get(FORBID)
    if backend in _FORBIDDEN:
        os.environ[FORBID] = _FORBIDDEN[backend]
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(FORBID, None)
        else:
            os.environ[FORBID] = before


def mount_source(target: str) -> tuple[str, str]:
    """(file system type, source) of the topmost mount at a path, from the kernel."""
    found = ("", "")
    with open("/proc/self/mountinfo") as table:
        for line in table:
            before, _, behind = line.partition(" - ")
            if before.split()[4] == target:
                kind, source, *_ = behind.split()
                found = (kind, source)
    return found


def ingest(root: str, tar: bytes) -> str:
    """Stores one layer; its diff_id."""
    layer = _core.Ingest(root)
    try:
        layer.write(tar)
        return layer.finish().diff_id
    except BaseException:
        layer.abort()
        raise


def store_in(directory: Path | str) -> str:
    """Makes an empty store."""
    fastlayers.Store(str(directory)).prepare()
    return str(directory)


@contextlib.contextmanager
def scratch_store(base: str | None = None) -> Iterator[str]:
    """A store that goes away again; `base` /dev/shm is quick where nothing is mounted."""
    with tempfile.TemporaryDirectory(prefix="fastlayers-test-", dir=base) as directory:
        yield store_in(Path(directory) / "store")


def core_name(backend: str) -> str:
    """What the core calls a backend."""
    return "erofs" if backend == "erofs-delta" else backend


def prepare(root: str, diff_ids: Sequence[str], backend: str) -> None:
    """Builds what the backend mounts; of deltas each stack below first, as they come to be."""
    if backend == "erofs-delta":
        shutil.rmtree(os.path.join(root, "chains"), ignore_errors=True)
        with forced(backend):
            for count in range(1, len(diff_ids)):
                _core.prepare_chain(root, list(diff_ids[:count]), "erofs")
            _core.prepare_chain(root, list(diff_ids), "erofs")
        return
    _core.prepare_chain(root, list(diff_ids), backend)


@contextlib.contextmanager
def mounted_image(root: str, diff_ids: Sequence[str], backend: str) -> Iterator[str]:
    """The stack, mounted read-only."""
    with tempfile.TemporaryDirectory(prefix="fastlayers-mount-") as target:
        prepare(root, diff_ids, backend)
        _core.mount_image(root, list(diff_ids), core_name(backend), target)
        try:
            kind, source = mount_source(target)
            if kind == "erofs":  # of several indexes an overlay is made, which hides its sources
                assert source.startswith("/dev/loop") == (backend == "erofs-loop"), source
            yield target
        finally:
            _core.unmount(target)


@contextlib.contextmanager
def mounted_container(
    root: str, diff_ids: Sequence[str], backend: str, directory: str
) -> Iterator[str]:
    """The stack with the upper of a container directory, mounted for writing."""
    for name in ("upper", "work"):
        os.makedirs(os.path.join(directory, name), exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fastlayers-mount-") as target:
        prepare(root, diff_ids, backend)
        _core.mount_container(root, list(diff_ids), core_name(backend), directory, target, False)
        try:
            yield target
        finally:
            _core.unmount(target)


def merged_tree(root: str, diff_ids: Sequence[str]) -> Tree:
    """The tree that the engine's merge says the stack has; nothing is mounted."""
    return tree_of_table(root, _core.merged_table(root, list(diff_ids)))
