"""Logs: both streams, in their order and with their times; what is read while it grows."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastlayers import ContainerOptions, Image, Store
from fastlayers.container import Container
from tests import busybox_root
from tests.command_line import CommandLine

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]
SCRIPT = "echo one; echo err >&2; sleep 0.3; printf 'two '; sleep 0.3; echo three; exit 3"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Container]:
    """A container that has written to both streams, in the background."""
    store = Store(str(tmp_path / "store"))
    image = Image.import_(io.BytesIO(busybox_root.tar()), "box", store=store)
    container = store.create_container(image, ContainerOptions(command=["sh", "-c", SCRIPT]))
    container.start(attach=False)
    assert container.wait() == 3
    yield container
    container.remove(force=True)


def joined(container: Container, error: bool) -> bytes:
    return b"".join(piece.data for piece in container.logs() if piece.error == error)


def test_both_streams_with_their_times(box: Container) -> None:
    assert joined(box, False) == b"one\ntwo three\n"
    assert joined(box, True) == b"err\n"
    times = [piece.at for piece in box.logs()]
    assert times == sorted(times)
    assert 0.5 < (times[-1] - times[0]) / 1e9 < 20
    assert abs(times[-1] / 1e9 - time.time()) < 60
    assert Path(box.logs_path).read_bytes().count(b"\n") == 3, "the bytes as they were written"


def test_a_second_run_goes_on(box: Container) -> None:
    before = list(box.logs())
    box.start(attach=False)
    box.wait()
    after = list(box.logs())
    assert [repr(p.data) for p in after[: len(before)]] == [repr(p.data) for p in before]
    assert joined(box, False) == b"one\ntwo three\n" * 2


@pytest.mark.parametrize("lost", ["index", "records", "bytes", "half a record", "lies"])
def test_what_a_crash_leaves_is_read(box: Container, lost: str) -> None:
    log, index = Path(box.logs_path), Path(box.logs_path + ".index")
    whole, records = log.read_bytes(), index.read_bytes()
    if lost == "index":
        index.unlink()
    elif lost == "records":
        index.write_bytes(records[:-16])
    elif lost == "half a record":
        index.write_bytes(records[:-7])
    elif lost == "lies":
        index.write_bytes(struct.pack("<QQ", 5, 1 << 40) + os.urandom(64) + records)
    else:
        log.write_bytes(whole[:5])
        assert b"".join(piece.data for piece in box.logs()) == whole[:5]
        return
    assert b"".join(piece.data for piece in box.logs()) == whole


def test_a_stream_that_is_much(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    image = Image.import_(io.BytesIO(busybox_root.tar()), "box", store=store)
    script = "yes out | head -c 3000000; yes err | head -c 2000000 >&2"
    container = store.create_container(image, ContainerOptions(command=["sh", "-c", script]))
    container.start(attach=False)
    container.wait()
    assert joined(container, False) == (b"out\n" * 750_000)
    assert joined(container, True) == (b"err\n" * 500_000)
    container.remove()


def test_the_command(shell: CommandLine) -> None:
    name = shell.must("run", "-d", "box", "sh", "-c", SCRIPT).out.strip()
    assert shell.must("wait", name).out == "3\n"
    done = shell.call("logs", name)
    assert (done.code, done.out, done.err) == (0, "one\ntwo three\n", "err\n")
    stamped = shell.call("logs", "-t", name)
    assert [line.split("Z ")[1] for line in stamped.lines] == ["one", "two three"]
    first, last = (line.split(" ")[0] for line in stamped.lines)
    assert len(first) == len("2026-11-28T16:09:53.839106824Z") and first < last
    assert shell.must("logs", "-n", "1", name).out == "two three\n"
    assert shell.must("logs", "--tail", "0", name).out == ""
    assert shell.call("logs", "--since", last, name).out == "two three\n"
    assert shell.call("logs", "--until", first, name).out == "one\n"
    assert shell.call("logs", "--since", "10m", name).out == "one\ntwo three\n"
    assert shell.call("logs", "--until", "10m", name).out == ""
    assert shell.call("logs", "--since", str(int(time.time()) + 100), name).out == ""
    assert "invalid time: 'soon'" in shell.fails(1, "logs", "--since", "soon", name).err
    shell.must("rm", name)


def test_following_ends_with_the_container(shell: CommandLine) -> None:
    script = "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done"
    name = shell.must("run", "-d", "box", "sh", "-c", script).out.strip()
    followed = subprocess.run(shell.argv("logs", "-f", name), env=shell.environment,
                              capture_output=True, timeout=60, check=True)  # fmt: skip
    assert followed.stdout == b"1\n2\n3\n4\n5\n"
    shell.must("rm", name)
