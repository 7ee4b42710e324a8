"""What may grow and what may not; `python -m bench scale` draws the whole curves.

Memory and counts are asserted closely. Times only so that a square would show: other programs run
on the machine that tests.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.measure import Cost
from bench.scale.engine import IMAGE, Engine
from bench.scale.layers import END, box, write_big_file, write_empty_files, write_layers

from fastlayers import Store
from fastlayers.transports import load
from tests import tar_write
from tests.image_parts import Blob, archive_of, image_of, layout_members
from tests.tar_members import Member

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]

MIB = 1 << 20
# A pull, load or import takes no more than this, whatever the size of its layers in bytes.
PEAK_BYTES = 64 * MIB
NOISE_BYTES = 6 * MIB


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    """A scratch folder, on a RAM disk where there is one."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(prefix="fastlayers-scale-", dir=base) as folder:
        yield Path(folder)


def import_box(engine: Engine, work: Path) -> None:
    (work / "box.tar").write_bytes(box() + END)
    engine.call("import", work / "box.tar", IMAGE)


def test_memory_does_not_grow_with_bytes(work: Path) -> None:
    peaks: dict[str, list[int]] = {"import": [], "save": [], "run": []}
    for size in (32 * MIB, 512 * MIB):
        layer, archive = work / "layer.tar.gz", work / "saved.tar"
        write_big_file(layer, size)
        with Engine(work) as engine:
            peaks["import"].append(engine.call("import", layer, IMAGE).peak_bytes)
            peaks["run"].append(engine.in_image(str(size), "stat -c %s /big").peak_bytes)
            peaks["save"].append(engine.call("save", "-o", archive, IMAGE).peak_bytes)
            assert archive.stat().st_size > layer.stat().st_size
        archive.unlink()
    for what, (small, large) in peaks.items():
        assert large < PEAK_BYTES, what
        assert large - small < NOISE_BYTES, what


def test_a_file_costs_little_and_always_the_same(work: Path) -> None:
    few, many = 8_000, 128_000
    imports: list[Cost] = []
    runs: list[Cost] = []
    for count in (few, many):
        layer = work / "layer.tar.gz"
        write_empty_files(layer, count)
        with Engine(work) as engine:
            imports.append(engine.call("import", layer, IMAGE))
            engine.in_image(str(count), "find /files -type f | wc -l")
            runs.append(engine.in_image("", "true"))
    assert imports[1].peak_bytes - imports[0].peak_bytes < 500 * (many - few)
    assert imports[1].cpu_seconds < 40 * imports[0].cpu_seconds  # 16 times the files
    assert runs[1].peak_bytes - runs[0].peak_bytes < NOISE_BYTES


def test_120_layers_load_and_run_like_one(work: Path) -> None:
    loads: list[Cost] = []
    runs: list[Cost] = []
    for count in (1, 12, 120):
        layout = work / f"layout-{count}"
        write_layers(layout, count)
        with Engine(work) as engine:
            loads.append(engine.call("load", "-i", layout))
            runs.append(engine.in_image(str(count), "ls /layers | wc -l"))
            assert len(engine.call("history", "-q", IMAGE).output.split()) == count
    for costs in (loads, runs):
        assert costs[2].peak_bytes - costs[0].peak_bytes < NOISE_BYTES
    assert loads[2].cpu_seconds < 30 * loads[1].cpu_seconds
    assert runs[2].cpu_seconds < 10 * runs[0].cpu_seconds


def test_50_containers_in_turn_leave_nothing_behind(work: Path) -> None:
    with Engine(work) as engine:
        import_box(engine, work)
        costs = []
        for count in (5, 50):
            costs.append(engine.many("in-turn", str(count)))
            assert costs[-1].output.split() == [str(count).encode()]
        engine.says("", "ps", "-aq")
        assert os.listdir(engine.store / "containers") == []
        assert costs[1].peak_bytes - costs[0].peak_bytes < NOISE_BYTES
        assert costs[1].cpu_seconds < 25 * costs[0].cpu_seconds


def test_a_process_that_runs_containers_keeps_no_descriptor_and_no_thread(work: Path) -> None:
    with Engine(work) as engine:
        import_box(engine, work)
        image = Store(str(engine.store)).image(IMAGE)
        assert image.run(["/bin/true"]).exit_code == 0
        before = len(os.listdir("/proc/self/fd")), threading.active_count()
        for _ in range(20):
            assert image.run(["/bin/true"]).exit_code == 0
        assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_50_containers_at_once(work: Path) -> None:
    count = 50
    with Engine(work) as engine:
        import_box(engine, work)
        running, memory_bytes, _ = (
            int(word) for word in engine.many("at-once", str(count)).output.split()
        )
        assert running == count
        assert memory_bytes < 8 * MIB * count
        names = [name.decode() for name in engine.call("ps", "-q").output.split()]
        assert len(set(names)) == count
        beside = engine.in_image("", "true")
        assert beside.peak_bytes < PEAK_BYTES
        engine.call("rm", "-f", *names)
        engine.says("", "ps", "-aq")
        assert os.listdir(engine.store / "containers") == []


def test_a_file_of_holes_is_committed_as_one(work: Path) -> None:
    with Engine(work) as engine:
        import_box(engine, work)
        engine.call("run", "--name", "holes", IMAGE, "busybox", "truncate", "-s", "2G", "/big")
        assert engine.call("commit", "holes", "committed").peak_bytes < PEAK_BYTES
        blobs = (engine.store / "blobs" / "sha256").iterdir()
        assert sum(blob.stat().st_blocks * 512 for blob in blobs) < 64 * MIB
        shown = engine.call("run", "--rm", "committed", "stat", "-c", "%s", "/big").output
        assert shown.strip() == str(2 << 30).encode()


def marked_layers(count: int) -> list[bytes]:
    """Folders with a file each and one below the other; then as many opaque marks and deletions,
    every mark said again and again."""
    deep = [b"d" * 3 + b"/d" * level for level in range(1, 200)]
    wide = [b"wide/%06d" % number for number in range(count)]
    folders = [Member(path, "dir", 0o755) for path in (b"ddd", b"wide", *deep, *wide)]
    files = [Member(path + b"/file", "file") for path in (*deep, *wide)]
    marks = [Member(path + b"/.wh..wh..opq", "file") for path in (*deep, *wide)]
    deleted = [Member(b"wide/.wh.%06d" % number, "file") for number in range(0, count, 2)]
    repeated = [Member(b"ddd/.wh..wh..opq", "file")] * count
    return [
        tar_write.plain([*folders, *files]),
        tar_write.plain([*marks, *repeated, *deleted]),
        tar_write.plain([*folders[:2], *deleted, *marks]),
    ]


def test_markers_cost_a_line_and_no_square(tmp_path: Path) -> None:
    """GHSA-rp3h-jf77-q9p4: many opaque marks had others walk their directories again and again."""
    costs = []
    for count in (2_000, 32_000):
        archive = tmp_path / f"{count}.tar"
        layers = [Blob.plain(tar) for tar in marked_layers(count)]
        archive.write_bytes(archive_of(*layout_members(image_of(layers))))
        store = Store(str(tmp_path / f"store-{count}"))
        start = time.process_time()
        ((_, image),) = load(store, str(archive))
        with image.mount() as root:
            costs.append(time.process_time() - start)
            assert len(os.listdir(f"{root}/wide")) == count // 2
            assert os.listdir(f"{root}/wide/000001") == []
    assert costs[1] < 40 * costs[0] + 0.2  # 16 times as many
