"""Ctrl-C, TERM and KILL in the middle of something leave the store as it was, and usable."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fastlayers import Store
from tests import busybox_root, tar_write
from tests.command_line import CommandLine, processes_below
from tests.oci_layout import LayerBlob, write_layout
from tests.tar_members import Member

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


@pytest.fixture(scope="module")
def big_tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a gigabyte that takes long enough to be interrupted."""
    path = tmp_path_factory.mktemp("big") / "big.tar"
    noise = os.urandom(1 << 20)
    with path.open("wb") as file:
        for index in range(500):
            content = index.to_bytes(4, "big") + noise
            file.write(tar_write.entry(Member(b"f%d" % index, "file", content=content)))
        file.write(tar_write.END)
    return path


def _files(root: Path) -> set[str]:
    """Everything in a store but the lock files, which hold nothing."""
    found = (path.relative_to(root) for path in root.rglob("*"))
    return {str(path) for path in found if path.parts[0] not in ("locks", "mounts")}


def _collected(command: CommandLine) -> None:
    """Lets the store collect what is whole but belongs to nothing, as any removal does."""
    Store(str(command.root)).garbage()


def _usable(command: CommandLine) -> None:
    assert command.must("run", "--rm", "box", "echo", "still here").out == "still here\n"


@pytest.mark.parametrize("delay", [0.15, 0.4, 0.8])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_import(fresh: CommandLine, big_tar: Path, how: signal.Signals, delay: float) -> None:
    fresh.must("import", "-", "box", stdin=busybox_root.tar())
    _usable(fresh)
    before, images = _files(fresh.root), fresh.must("images", "-a", "--no-trunc", "-q").out
    with open(os.devnull, "rb") as nothing:
        work = fresh.start("import", str(big_tar), "big", stdin=nothing, stderr=subprocess.PIPE,
                           stdout=subprocess.DEVNULL)  # fmt: skip
        time.sleep(delay)
        work.send_signal(how)
        _, error = work.communicate(timeout=60)
    if work.returncode == 0:
        pytest.fail("it had already ended: the archive is too small for this machine")
    assert b"Traceback" not in error
    assert fresh.must("images", "-a", "--no-trunc", "-q").out == images
    _usable(fresh)
    _collected(fresh)
    assert _files(fresh.root) == before
    assert processes_below(fresh.root) == []


def test_load_from_a_pipe_that_stops(fresh: CommandLine, big_tar: Path) -> None:
    fresh.must("import", "-", "box", stdin=busybox_root.tar())
    _usable(fresh)
    before = _files(fresh.root)
    work = fresh.start("load", "-i", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert work.stdin is not None
    with big_tar.open("rb") as file:
        work.stdin.write(file.read(50 << 20))
        work.stdin.flush()
    work.send_signal(signal.SIGINT)
    _, error = work.communicate(timeout=60)
    assert work.returncode != 0 and b"Traceback" not in error
    _collected(fresh)
    assert _files(fresh.root) == before


def test_a_cut_archive_leaves_nothing(fresh: CommandLine, big_tar: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.tar"
    with big_tar.open("rb") as file:
        cut.write_bytes(file.read((20 << 20) + 700))
    before = _files(fresh.root) if fresh.root.exists() else set()
    done = fresh.fails(1, "import", str(cut), "cut")
    assert len(done.err.strip().splitlines()) == 1
    after = {name for name in _files(fresh.root) if (fresh.root / name).is_file()}
    assert not any(name.startswith(("blobs/", "layers/", "chains/")) for name in after - before)
    assert fresh.must("images", "-aq").lines == []


def test_a_lying_layout_leaves_nothing(fresh: CommandLine, tmp_path: Path) -> None:
    good = LayerBlob.of_tar(tar_write.plain([Member(b"a", "file", content=b"a")]))
    bad = LayerBlob.of_tar(tar_write.plain([Member(b"b", "file", content=b"b")]))
    layout = write_layout(tmp_path / "layout", [good, bad])
    (layout / "blobs/sha256" / bad.digest.partition(":")[2]).write_bytes(bad.blob[:-1] + b"x")
    done = fresh.fails(1, "load", "-i", str(layout))
    assert bad.digest[7:19] in done.err
    assert fresh.must("images", "-aq").lines == []


def test_start_is_interrupted_before_the_program_ends(fresh: CommandLine) -> None:
    fresh.must("import", "-", "box", stdin=busybox_root.tar())
    work = fresh.start("run", "--name=cut", "box", "sleep", "300", stdin=subprocess.DEVNULL)
    time.sleep(0.7)
    work.send_signal(signal.SIGINT)
    # sleep is process 1 and has no handler: as in docker the first Ctrl-C does nothing to it.
    time.sleep(0.3)
    fresh.must("rm", "-f", "cut")
    work.wait(30)
    _usable(fresh)
    assert processes_below(fresh.root) == []
