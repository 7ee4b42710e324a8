"""One session: contestants take turns within every round, each with an empty store of its own."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from .contestants import Contestant, Unable, all_contestants
from .images import bench_image
from .layout import BenchImage
from .leftovers import end_leftovers
from .machine import machine
from .measure import Cost
from .place import PREFIX, fresh
from .registry import Registry
from .scenarios import SCENARIOS
from .scenarios.answer import WrongAnswer
from .scenarios.pull import Costs

_SHOWN_CHARACTERS = 600


@dataclass
class Session:
    """What is to be measured, and where; and what has been found so far."""

    place: str = "tmpfs"
    quick: bool = False
    rounds: int = 3
    scenarios: list[str] = field(default_factory=lambda: list(SCENARIOS))
    contestants: list[str] = field(default_factory=list)  # none: all
    work: Path = Path("/dev/shm")  # for the registry, and for stores on a RAM disk
    disk: Path = Path("/var/tmp")  # for the file that holds an ext4
    skipped: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    rows: dict[str, dict[str, list[Cost]]] = field(default_factory=dict)


def measure(session: Session) -> Iterator[dict[str, Any]]:
    """Runs the session; yields its figures so far after every run, so that none are lost.

    A contestant that fails or answers wrongly is asked no more in that scenario; "failures" of the
    figures says why.
    """
    why = Registry.missing()
    if why is not None:
        raise SystemExit(f"bench: there can be no registry: {why}")
    taking_part = _taking_part(session)
    figures: dict[str, Any] = {
        "place": session.place,
        "quick": session.quick,
        "machine": machine(),
        "versions": {who.name: who.version() for who in taking_part},
        "skipped": session.skipped,
        "limits": [who.name for who in taking_part if not who.is_engine],
        "images": {},
    }
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX, dir=session.work) as scratch,
        Registry(Path(scratch) / "registry") as registry,
    ):
        for name in session.scenarios:
            image = bench_image("node-app" if name == "archive" else name, quick=session.quick)
            figures["images"][image.name] = image.summary
            reference = registry.push(image)
            for number, who in product(range(session.rounds), taking_part):
                if f"{name}: {who.name}" in session.failures or (who.rows and name != "node-app"):
                    continue
                costs = _one_run(session, name, who, (image, reference), number == 0)
                _note(session, who, number, costs)
                yield {**figures, "failures": session.failures, "rows": _rows(session)}


def _taking_part(session: Session) -> list[Contestant]:
    everyone = all_contestants()
    unknown = set(session.contestants) - {who.name for who in everyone}
    if unknown:
        raise SystemExit(f"bench: no such contestant: {', '.join(sorted(unknown))}")
    found: list[Contestant] = []
    for contestant in everyone:
        if session.contestants and contestant.name not in session.contestants:
            continue
        why = contestant.missing()
        if why is None:
            found.append(contestant)
        else:
            session.skipped[contestant.name] = why
            print(f"skipped: {contestant.name}: {why}", flush=True)
    return found


def _one_run(
    session: Session, name: str, who: Contestant, served: tuple[BenchImage, str], check: bool
) -> Costs:
    """The costs; none, and a note in the failures, where it fails."""
    image, reference = served
    try:
        with fresh(session.place, session.work if session.place == "tmpfs" else session.disk) as at:
            try:
                who.start(at)
                costs = SCENARIOS[name](who, image, reference, check)
            finally:
                who.stop()
                left = end_leftovers(at)
            if left:
                raise RuntimeError(f"left behind: {', '.join(left)}")
            return costs
    except Unable:
        return {}
    except (RuntimeError, OSError, WrongAnswer) as error:
        what = f"{name}: {who.name}"
        # Results are published: what matters is what happened, not where.
        why = re.sub(rf"\S*{PREFIX}[^\s/'\"]*", "STORE", str(error))
        session.failures[what] = f"{type(error).__name__}: {why}"[:_SHOWN_CHARACTERS]
        print(f"failed: {what}: {error}", flush=True)
        return {}


def _note(session: Session, who: Contestant, number: int, costs: Costs) -> None:
    for row, found in costs.items():
        if not who.rows or row in who.rows:
            session.rows.setdefault(row, {}).setdefault(who.name, []).extend(found)
            shown = ", ".join(f"{cost.seconds:.3f}" for cost in found)
            print(f"{number + 1}: {row}: {who.name}: {shown}", flush=True)


def _rows(session: Session) -> dict[str, Any]:
    """Every figure: by row and contestant, a list of each kind."""
    kinds = ("seconds", "cpu_seconds", "peak_bytes", "disk_bytes")
    return {
        row: {
            who: {kind: [getattr(cost, kind) for cost in costs] for kind in kinds}
            for who, costs in by_name.items()
        }
        for row, by_name in session.rows.items()
    }
