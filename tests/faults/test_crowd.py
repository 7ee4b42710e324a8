"""Many processes in one store, all of them pulling, committing, running, removing and pruning:
nothing is lost, and nothing is left over."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fastlayers import Store
from tests import busybox_root, tar_write
from tests.command_line import CommandLine, processes_below, store_mounts
from tests.effort import FACTOR
from tests.fake_registry import FakeRegistry
from tests.faults.operations import leftovers, names
from tests.image_parts import Blob, image_of
from tests.tar_members import Member

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]

_WORKERS = min(50, 10 * FACTOR)
_ROUNDS = 3
# All of the crowd share these layers; each image has one of its own on top.
_SHARED = [tar_write.plain([Member(b"shared%d" % n, "file", content=b"s" * 200_000)])
           for n in range(3)]  # fmt: skip


def _image(number: int) -> tuple[bytes, ...]:
    own = tar_write.plain([Member(b"own", "file", content=b"%d" % number)])
    return (*_SHARED, own)


def _work(command: CommandLine, host: str, number: int) -> set[str]:
    """One of the crowd; returns what it leaves behind on purpose."""
    dice = random.Random(number)
    kept: set[str] = set()
    for turn in range(_ROUNDS):
        image, box, made = f"{host}/app:{number}", f"box{number}-{turn}", f"made:{number}-{turn}"
        command.must("pull", "-q", image)
        command.must("tag", image, f"mine:{number}-{turn}")
        assert command.must("run", "--rm", "base", "echo", str(number)).out == f"{number}\n"
        command.must("run", "--name", box, "base", "sh", "-c", f"echo {number}-{turn} > /mark")
        command.must("commit", box, made)
        said = command.must("run", "--rm", made, "cat", "/mark").out
        assert said == f"{number}-{turn}\n"
        command.must("rm", box)
        command.must("rmi", image)
        command.must(*dice.choice((("image", "prune", "-f"), ("system", "df"), ("images",))))
        if dice.random() < 0.5:
            command.must("rmi", made)
        else:
            kept.add(made)
        kept.add(f"mine:{number}-{turn}")
    return kept


def test_crowd(tmp_path: Path) -> None:
    command = CommandLine(tmp_path / "store")
    command.must("import", "-", "base", stdin=busybox_root.tar())
    with FakeRegistry().running() as registry:
        for number in range(_WORKERS):
            registry.publish(image_of([Blob.gzip(tar) for tar in _image(number)]), str(number))
        with ThreadPoolExecutor(_WORKERS) as pool:
            work = [
                pool.submit(_work, command, registry.host, number) for number in range(_WORKERS)
            ]
            kept = set().union(*(one.result() for one in work))
    verdict = command.call("fsck")
    assert verdict.code == 0, verdict.out + verdict.err
    assert names(command) == kept | {"base:latest"}
    store = Store(str(command.root))
    for name in kept:
        kind, _, mark = name.partition(":")
        if kind == "made":
            assert store.image(name).read("/mark") == f"{mark}\n".encode()
        else:
            assert store.image(name).read("/own") == mark.partition("-")[0].encode()
    command.must("image", "prune", "-f")
    assert leftovers(command.root) == []
    assert processes_below(command.root) == []
    assert store_mounts(command.root) == []
    command.must("image", "prune", "-af")
    assert list((command.root / "blobs" / "sha256").iterdir()) == []
    assert list((command.root / "layers").iterdir()) == []
