"""A disk that is full at any point: one clear line, nothing half-made, and all goes on once there
is room."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_registry import FakeRegistry
from tests.faults.operations import Scene, check, names

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]

_NAMES = ("pull", "load", "import", "commit", "tag", "create")
# Room beyond what the prepared store takes: from none to more than any operation needs.
_ROOM_KIB = (0, 8, 40, 120, 320, 700, 1500, 2500)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with FakeRegistry().running() as registry:
        yield Scene(tmp_path_factory.mktemp("full"), registry)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory, to be given its size by `remount`."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "small", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def _remount(folder: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)


@pytest.mark.parametrize("name", _NAMES)
def test_full(scene: Scene, small_disk: Path, name: str) -> None:
    operation = next(one for one in scene.operations() if one.name == name)
    refused = 0
    for room in _ROOM_KIB:
        with scene.attempt(small_disk) as command:
            before = names(command)
            used = subprocess.run(
                ["df", "--output=used", "-k", small_disk],
                capture_output=True,
                text=True,
                check=True,
            )
            _remount(small_disk, f"{int(used.stdout.split()[1]) + room}k")
            done = command.call(*operation.words)
            if done.code != 0:
                refused += 1
                assert "no space left on device" in done.err.lower(), done.err
                assert "Traceback" not in done.err
                assert len(done.err.strip().splitlines()) <= 2, done.err
            else:
                assert operation.done(command)
            assert before - names(command) == set()
            _remount(small_disk, "1g")
            check(command, operation, before)
    assert refused > 0, "the disk was never full"
