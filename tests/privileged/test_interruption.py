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
from tests.fake_registry import Answer, FakeRegistry
from tests.image_parts import Blob, image_of
from tests.oci_layout import LayerBlob, digest_of, write_layout
from tests.tar_members import Member

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


NOISE = os.urandom(1 << 20)


def _stream(megabytes: int) -> bytes:
    """The beginning of a tar that is much longer."""
    members = (Member(b"f%d" % i, "file", content=NOISE) for i in range(megabytes))
    return b"".join(tar_write.entry(member) for member in members)


def _files(root: Path) -> set[str]:
    """Everything in a store but the lock files, which hold nothing."""
    found = (path.relative_to(root) for path in root.rglob("*"))
    return {str(path) for path in found if path.parts[0] not in ("locks", "mounts")}


def _collected(command: CommandLine) -> None:
    """Lets the store collect what is whole but belongs to nothing, as any removal does."""
    Store(str(command.root)).garbage()


def _usable(command: CommandLine) -> None:
    assert command.must("run", "--rm", "box", "echo", "still here").out == "still here\n"


def _interrupted(command: CommandLine, how: signal.Signals, *words: str, fed: bytes) -> None:
    """Starts a command that reads from a pipe, feeds it, and interrupts it while it waits."""
    work = command.start(*words, stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                         stdout=subprocess.DEVNULL)  # fmt: skip
    assert work.stdin is not None and work.stderr is not None
    work.stdin.write(fed)  # all of it is taken before this returns, but for a pipe's worth
    work.stdin.flush()
    time.sleep(0.2)
    work.send_signal(how)
    error = work.stderr.read()
    code = work.wait(60)
    work.stdin.close()
    assert code in (-how, 128 + how), error  # a shell says 128 + how either way
    assert b"Traceback" not in error


@pytest.mark.parametrize("megabytes", [0, 3, 60])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("words", [("import", "-", "big"), ("load", "-i", "-")], ids=" ".join)
def test_reading_is_interrupted(
    fresh: CommandLine, words: tuple[str, ...], how: signal.Signals, megabytes: int
) -> None:
    fresh.must("import", "-", "box", stdin=busybox_root.tar())
    _usable(fresh)
    before, images = _files(fresh.root), fresh.must("images", "-a", "--no-trunc", "-q").out
    _interrupted(fresh, how, *words, fed=_stream(megabytes))
    assert fresh.must("images", "-a", "--no-trunc", "-q").out == images
    _usable(fresh)
    _collected(fresh)
    assert _files(fresh.root) == before
    assert processes_below(fresh.root) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_pull_is_interrupted(fresh: CommandLine, how: signal.Signals) -> None:
    small = tar_write.plain([Member(b"small", "file", content=b"s")])
    parts = image_of([Blob.gzip(small), Blob.plain(_stream(5) + tar_write.END)])
    fresh.must("import", "-", "box", stdin=busybox_root.tar())
    before = _files(fresh.root)
    with FakeRegistry().running() as registry:
        registry.publish(parts)
        big = parts.layers[1].data
        registry.hooks.append(
            lambda request: (
                Answer(body=big, cut=3 << 20, stall=True)
                if digest_of(big) in request.path
                else None
            )
        )
        work = fresh.start("pull", f"{registry.host}/team/image", stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
        for _ in range(200):
            if registry.paths(digest_of(big)):
                break
            time.sleep(0.05)
        time.sleep(0.3)
        work.send_signal(how)
        _, error = work.communicate(timeout=60)
        registry.released.set()
    assert work.returncode in (-how, 128 + how), error
    assert b"Traceback" not in error
    assert len(fresh.must("images", "-aq").lines) == 1
    _usable(fresh)
    _collected(fresh)
    left = _files(fresh.root) - before
    part = f"partial/{digest_of(big).partition(':')[2]}"
    assert {name for name in left if not name.startswith("chains")} == {part}
    arrived = (fresh.root / part).stat().st_size
    assert 1 << 20 <= arrived <= 3 << 20
    # The next pull, in a process of its own, goes on from there.
    with FakeRegistry().running() as registry:
        registry.publish(parts)
        fresh.must("pull", f"{registry.host}/team/image")
        asked = [request.range for request in registry.requests if digest_of(big) in request.path]
    assert asked == [f"bytes={arrived}-"]
    assert not (fresh.root / part).exists()
    fresh.must("fsck")


def test_a_cut_archive_leaves_nothing(fresh: CommandLine, tmp_path: Path) -> None:
    cut = tmp_path / "cut.tar"
    cut.write_bytes(_stream(5)[:-700])
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
