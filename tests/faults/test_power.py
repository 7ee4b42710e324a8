"""The power is cut at any instant: all that was reported done is on the disk, whole."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastlayers import Store
from tests import busybox_root, tar_write
from tests.archive_shapes import classic
from tests.command_line import CommandLine
from tests.effort import FACTOR
from tests.faults.disk import KINDS, Disk, disk
from tests.faults.operations import leftovers, names
from tests.image_parts import archive_of
from tests.tar_members import Member

pytestmark = [
    pytest.mark.privileged,
    pytest.mark.needs("busybox", "mkfs.xfs", "mkfs.btrfs", "mkfs.ext4"),
]

_CUTS = 8 * FACTOR


class Worker(threading.Thread):
    """Works in a store, and notes for each name when it is about to go and when it is there."""

    def __init__(self, command: CommandLine, folder: Path) -> None:
        super().__init__()
        self._command = command
        self._folder = folder
        self.reported: dict[str, bool] = {}  # name -> whether it was reported to be there
        self.stopping = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            number = 0
            while not self.stopping.is_set():
                self._round(number)
                number += 1
        except BaseException as error:
            self.failure = error

    def _round(self, number: int) -> None:
        must = self._command.must
        tars = tuple(
            tar_write.plain([Member(b"f%d" % layer, "file", content=b"%d" % number * 50_000)])
            for layer in range(2)
        )
        archive = self._folder / "archive.tar"
        archive.write_bytes(archive_of(*classic(names=(f"app:{number}",), layers=tars)))
        self._adds(f"app:{number}", "load", "-q", "-i", str(archive))
        self._adds(f"second:{number}", "tag", f"app:{number}", f"second:{number}")
        self._adds(f"box{number}", "create", "--name", f"box{number}", "base", "true")
        must("run", "--name", f"ran{number}", "base", "sh", "-c", f"echo {number} > /number")
        self._adds(f"made:{number}", "commit", f"ran{number}", f"made:{number}")
        must("rm", f"ran{number}")
        if number >= 2:
            self._removes(f"app:{number - 2}", "rmi", f"app:{number - 2}")
            self._removes(f"made:{number - 2}", "rmi", f"made:{number - 2}")

    def _adds(self, name: str, *words: str) -> None:
        self._command.must(*words)
        self.reported[name] = True

    def _removes(self, name: str, *words: str) -> None:
        del self.reported[name]  # from now on it may be gone
        self._command.must(*words)
        self.reported[name] = False


@pytest.fixture(params=KINDS)
def on_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with disk(request.param, tmp_path) as made:
        yield made


def test_power_is_cut(on_disk: Disk, tmp_path: Path) -> None:
    dice = random.Random(on_disk.kind)
    cuts: list[tuple[Path, dict[str, bool]]] = []
    with on_disk.in_use() as place:
        command = CommandLine(place / "store")
        command.must("import", "-", "base", stdin=busybox_root.tar())
        worker = Worker(command, tmp_path)
        worker.start()
        try:
            for number in range(_CUTS):
                time.sleep(dice.uniform(0.05, 0.8))
                reported = dict(worker.reported)
                cuts.append((on_disk.cut(f"cut-{number}"), reported))
        finally:
            worker.stopping.set()
            worker.join()
        if worker.failure is not None:
            raise worker.failure
    assert any(reported for _, reported in cuts)
    print(f"{on_disk.kind}: power cut {len(cuts)} times, {len(cuts[-1][1])} names reported")
    for cut, reported in cuts:
        with on_disk.after(cut) as place:
            _check(CommandLine(place / "store"), reported)


def _check(command: CommandLine, reported: dict[str, bool]) -> None:
    verdict = command.call("fsck")
    assert verdict.code == 0, verdict.out + verdict.err
    there = names(command)
    for name, expected in reported.items():
        assert (name in there) == expected, f"{name}: reported {expected}, found {there}"
    store = Store(str(command.root))
    for name in there:
        kind, _, number = name.partition(":")
        if kind == "made":
            assert store.image(name).read("/number") == f"{number}\n".encode()
        elif kind in ("app", "second"):
            assert store.image(name).read("/f1") == number.encode() * 50_000
    assert command.must("run", "--rm", "base", "echo", "works").out == "works\n"
    command.must("import", "-", "again", stdin=busybox_root.tar())
    command.must("image", "prune", "-f")
    assert leftovers(command.root) == []
    subprocess.run(["sync", "-f", command.root], check=True)
