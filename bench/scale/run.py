"""`python -m bench scale`: time and memory against bytes, files, layers and containers.

    python -m bench scale [--quick] [--rounds N] [--only NAME,...] [--json FILE] [--work FOLDER]

Every step is checked: the right number of files, layers, containers and exit codes. Then it says of
each action whether it is flat, linear or worse, by CPU time and by peak memory, and what one unit
more costs. The exit code is 1 if something grows faster than it may. The clock on the wall is
printed and not judged: other programs are in it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from ..measure import Cost
from ..scenarios.answer import WrongAnswer
from .curves import CURVES, Action, Curve
from .growth import growth, is_worse

_SMALLEST_SECONDS = 0.05
_SMALLEST_BYTES = 4e6


class Measured(NamedTuple):
    """An action at every size."""

    action: Action
    sizes: tuple[int, ...]
    costs: list[Cost]

    def document(self) -> dict[str, Any]:
        """Figures and verdicts, for JSON and for the table."""
        cpu = [cost.cpu_seconds for cost in self.costs]
        wall = [cost.seconds for cost in self.costs]
        peak = [float(cost.peak_bytes) for cost in self.costs]
        time = growth(self.sizes, cpu, smallest=_SMALLEST_SECONDS)
        memory = growth(self.sizes, peak, smallest=_SMALLEST_BYTES)
        return {
            "name": self.action.name,
            "sizes": self.sizes,
            "cpu_seconds": cpu,
            "seconds": wall,
            "peak_bytes": peak,
            "time": {**time.document(), "allowed": self.action.time},
            "memory": {**memory.document(), "allowed": self.action.memory},
        }


def _arguments(argv: list[str]) -> argparse.Namespace:
    names = ", ".join(curve.name for curve in CURVES)
    parser = argparse.ArgumentParser(prog="python -m bench scale")
    parser.add_argument("--quick", action="store_true", help="small sizes: a minute or two")
    parser.add_argument("--rounds", type=int, help="the best of so many counts (2; quick: 1)")
    parser.add_argument("--only", default="", help=f"curves, with commas between them: {names}")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--work", type=Path, default=Path("/dev/shm"), help="for the stores")
    return parser.parse_args(argv)


def _measure(curve: Curve, sizes: tuple[int, ...], rounds: int, work: Path) -> list[Measured]:
    """Round by round over all sizes, so that no size has a bad minute to itself."""
    costs: dict[str, dict[int, list[Cost]]] = {action.name: {} for action in curve.actions}
    for _ in range(rounds):
        for size in sizes:
            print(f"{curve.name}: {size}", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(prefix="fastlayers-scale-", dir=work) as folder:
                for name, cost in curve.step(size, Path(folder)).items():
                    costs[name].setdefault(size, []).append(cost)
    return [
        Measured(action, sizes, [_best(costs[action.name][size]) for size in sizes])
        for action in curve.actions
    ]


def _best(costs: list[Cost]) -> Cost:
    """The shortest times; of memory the most."""
    return Cost(
        min(cost.seconds for cost in costs),
        min(cost.cpu_seconds for cost in costs),
        max(cost.peak_bytes for cost in costs),
        b"",
    )


def _table(curve: Curve, actions: list[dict[str, Any]]) -> str:
    """One row for an action and a size, then the verdicts."""
    lines = [f"\n| {curve.name} | action | CPU | wall | peak memory |", "|---:|---|---:|---:|---:|"]
    for number, size in enumerate(actions[0]["sizes"]):
        for action in actions:
            lines.append(
                f"| {size:,} | {action['name']} "
                f"| {action['cpu_seconds'][number]:.3f} s | {action['seconds'][number]:.3f} s "
                f"| {action['peak_bytes'][number] / 1e6:.1f} MB |"
            )
    lines.append(
        f"\n| by {curve.name} | time | a {curve.unit} more | memory | a {curve.unit} more |"
    )
    lines.append("|---|---|---:|---|---:|")
    for action in actions:
        time, memory = action["time"], action["memory"]
        lines.append(
            f"| {action['name']} | {_verdict(time)} | {time['per_unit'] * 1e6:.1f} us "
            f"| {_verdict(memory)} | {memory['per_unit'] / 1e3:.2f} kB |"
        )
    return "\n".join(lines)


def _verdict(growth: dict[str, Any]) -> str:
    text = str(growth["verdict"])
    if growth["slope"]:
        text += f" ({growth['slope']:.2f})"
    if is_worse(growth["verdict"], growth["allowed"]):
        text += f", may be {growth['allowed']}"
    return text


def main(argv: list[str]) -> int:
    """The command."""
    args = _arguments(argv)
    wanted = [name for name in args.only.split(",") if name]
    unknown = set(wanted) - {curve.name for curve in CURVES}
    if unknown:
        print(f"bench scale: there is no curve {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    document: dict[str, Any] = {
        "machine": {"platform": platform.platform(), "cores": os.cpu_count()},
        "curves": {},
    }
    rounds = args.rounds or (1 if args.quick else 2)
    failed = []
    for curve in CURVES:
        if wanted and curve.name not in wanted:
            continue
        try:
            sizes = curve.quick if args.quick else curve.sizes
            measured = _measure(curve, sizes, rounds, args.work)
        except (WrongAnswer, RuntimeError) as error:
            print(f"bench scale: {curve.name}: {error}", file=sys.stderr)
            return 1
        actions = [each.document() for each in measured]
        document["curves"][curve.name] = {"unit": curve.unit, "actions": actions}
        print(_table(curve, actions), flush=True)
        failed += [
            f"{curve.name}: the {what} of {action['name']} is {action[what]['verdict']}"
            for action in actions
            for what in ("time", "memory")
            if is_worse(action[what]["verdict"], action[what]["allowed"])
        ]
        if args.json:
            args.json.write_text(json.dumps(document, indent=1) + "\n")
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
