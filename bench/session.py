"""One session: contestants take turns within every round, each with an empty store of its own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from .contestants import Contestant, all_contestants
from .images import bench_image
from .layout import BenchImage
from .measure import Cost, run
from .registry import Registry
from .scenarios import SCENARIOS, Scenario
from .scenarios.pull import Costs, WrongAnswer

PLACES = ("tmpfs", "ext4", "used-ext4")
_EXT4_BYTES = 16 << 30
_USED_FILES = 200_000
_STARTS = 10
_SHOWN_CHARACTERS = 600


@dataclass
class Session:
    """What is to be measured, and where."""

    place: str = "tmpfs"
    quick: bool = False
    rounds: int = 3
    scenarios: list[str] = field(default_factory=lambda: list(SCENARIOS))
    contestants: list[str] = field(default_factory=list)  # none: all
    work: Path = Path("/dev/shm")  # for the registry, and for stores on a RAM disk
    disk: Path = Path("/var/tmp")  # for the file that holds an ext4


@contextmanager
def _store(session: Session) -> Iterator[Path]:
    """An empty folder on the kind of file system that was asked for."""
    if session.place == "tmpfs":
        with tempfile.TemporaryDirectory(prefix="fastlayers-bench-", dir=session.work) as folder:
            yield Path(folder)
        return
    with tempfile.TemporaryDirectory(prefix="fastlayers-bench-", dir=session.disk) as folder:
        disk, mounted = Path(folder) / "disk", Path(folder) / "mounted"
        with disk.open("wb") as file:
            file.truncate(_EXT4_BYTES)
        options = "lazy_itable_init=0,lazy_journal_init=0"
        subprocess.run(["mkfs.ext4", "-q", "-E", options, disk], check=True)
        mounted.mkdir()
        subprocess.run(["mount", "-o", "loop", disk, mounted], check=True)
        try:
            if session.place == "used-ext4":
                _use(mounted)
            os.sync()
            yield mounted
        finally:
            subprocess.run(["umount", mounted], check=True)


def _use(mounted: Path) -> None:
    """Leaves the file system as one that had many files created and removed on it."""
    for number in range(_USED_FILES):
        if number % 1000 == 0:
            (mounted / str(number // 1000)).mkdir()
        (mounted / str(number // 1000) / str(number)).touch()
    for folder in list(mounted.iterdir()):
        if folder.name != "lost+found":
            subprocess.run(["rm", "-r", folder], check=True)


def machine() -> dict[str, Any]:
    """Where the figures are from."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def measure(session: Session) -> Iterator[dict[str, Any]]:
    """Runs the session; yields its figures so far after every run, so that none are lost.

    A contestant that fails or answers wrongly is asked no more in that scenario; "failures" of the
    figures says why.
    """
    taking_part = _taking_part(session)
    rows: dict[str, dict[str, list[Cost]]] = {}
    failures: dict[str, str] = {}
    images: dict[str, dict[str, int]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="fastlayers-bench-", dir=session.work) as scratch,
        Registry(Path(scratch) / "registry") as registry,
    ):
        for name in session.scenarios:
            image = bench_image("node-app" if name == "archive" else name, quick=session.quick)
            images[image.name] = image.summary
            reference = registry.push(image)
            for number, who in product(range(session.rounds), taking_part):
                what = f"{name}: {who.name}"
                if what in failures:
                    continue
                try:
                    costs = _one_run(session, SCENARIOS[name], who, image, reference, number == 0)
                except (RuntimeError, OSError, WrongAnswer) as error:
                    failures[what] = f"{type(error).__name__}: {error}"[:_SHOWN_CHARACTERS]
                    print(f"failed: {what}: {error}", flush=True)
                    continue
                for row, found in costs.items():
                    rows.setdefault(row, {}).setdefault(who.name, []).extend(found)
                    shown = ", ".join(f"{cost.seconds:.3f}" for cost in found)
                    print(f"{number + 1}: {row}: {who.name}: {shown}", flush=True)
                if "run --rm true" in rows:
                    # What any command in Python takes at the least.
                    rows["run --rm true"].setdefault("python -c pass", _interpreter())
                yield _figures(session, taking_part, images, failures, rows)


def _taking_part(session: Session) -> list[Contestant]:
    found: list[Contestant] = []
    for contestant in all_contestants():
        if session.contestants and contestant.name not in session.contestants:
            continue
        why = contestant.missing()
        if why is None:
            found.append(contestant)
        else:
            print(f"skipped: {contestant.name}: {why}", flush=True)
    return found


def _one_run(
    session: Session,
    scenario: Scenario,
    who: Contestant,
    image: BenchImage,
    reference: str,
    check: bool,
) -> Costs:
    with _store(session) as place:
        who.start(place)
        try:
            return scenario(who, image, reference, check)
        finally:
            who.stop()


def _interpreter() -> list[Cost]:
    return [run([sys.executable, "-I", "-S", "-c", "pass"]) for _ in range(_STARTS)]


def _figures(
    session: Session,
    taking_part: list[Contestant],
    images: dict[str, dict[str, int]],
    failures: dict[str, str],
    rows: dict[str, dict[str, list[Cost]]],
) -> dict[str, Any]:
    return {
        "place": session.place,
        "quick": session.quick,
        "machine": machine(),
        "versions": {who.name: who.version() for who in taking_part},
        "images": images,
        "failures": failures,
        "rows": {
            row: {
                who: {
                    "seconds": [cost.seconds for cost in costs],
                    "cpu_seconds": [cost.cpu_seconds for cost in costs],
                    "peak_bytes": max(cost.peak_bytes for cost in costs),
                }
                for who, costs in by_name.items()
            }
            for row, by_name in rows.items()
        },
    }
