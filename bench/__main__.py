"""`python -m bench run`: every contestant, interleaved, checked, then timed.

    python -m bench run [--scale 1.0] [--rounds 3] [--work DIR] [--json FILE]

Prints a Markdown table of medians with the spread, and ratios to the first row. A store on a RAM
disk (the default work folder) shows the CPU; a freshly made ext4 shows a user's disk.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from . import tree_digest
from .contestants import Contestant, all_contestants
from .images import make_image
from .measure import Cost
from .scenarios import load, start


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("verb", choices=["run"])
    parser.add_argument("--scale", type=float, default=1.0, help="1: 102,000 files, 0.88 GB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--starts", type=int, default=20, help="containers a round")
    parser.add_argument("--work", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--json", type=Path, help="write every measured figure to this file")
    return parser.parse_args(argv)


def _row(name: str, seconds: list[float], first: float, more: str) -> str:
    middle = statistics.median(seconds)
    spread = f"{min(seconds):.3f} to {max(seconds):.3f}"
    return f"| {name} | {middle:.3f} s | {spread} | {middle / first:.1f} | {more} |"


def _report(loads: dict[str, list[Cost]], starts: dict[str, list[Cost]]) -> None:
    print(
        "\n| load until runnable | median | spread | ratio | peak memory |\n|---|---|---|---|---|"
    )
    first = statistics.median(cost.seconds for cost in next(iter(loads.values())))
    for name, costs in loads.items():
        peak = max(cost.peak_bytes for cost in costs) / 1e6
        print(_row(name, [cost.seconds for cost in costs], first, f"{peak:.0f} MB"))
    print(
        "\n| run --rm IMAGE true | median | spread | ratio | over the interpreter |\n"
        "|---|---|---|---|---|"
    )
    bare = statistics.median(cost.seconds for cost in starts["python -c pass"])
    named = {name: [c.seconds for c in costs] for name, costs in starts.items() if costs}
    first = statistics.median(next(iter(named.values())))
    for name, seconds in named.items():
        over = (statistics.median(seconds) - bare) * 1e3
        print(_row(name, seconds, first, f"{over:.1f} ms" if "fastlayers" in name else ""))


def _start(contestant: Contestant, work: Path, count: int) -> list[Cost]:
    """Containers one after the other; none, and why, where it cannot start any on this machine."""
    try:
        costs = [start.measure(contestant, work) for _ in range(count)]
    except RuntimeError as error:
        print(f"skipped: {contestant.name}: run: {str(error).rpartition('failed: ')[2].strip()}")
        return []
    return [cost for cost in costs if cost is not None]


def main(argv: list[str]) -> int:
    """The command."""
    args = _arguments(argv)
    contestants: list[Contestant] = []
    for contestant in all_contestants():
        why = contestant.missing()
        if why is None:
            contestants.append(contestant)
        else:
            print(f"skipped: {contestant.name}: {why}")
    image = make_image(args.scale)
    print(
        f"{image.files} entries, {image.tar_bytes / 1e6:.0f} MB of tar, "
        f"{image.blob_bytes / 1e6:.0f} MB gzip"
    )
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    reference = tree_digest.of_image(image)
    loads: dict[str, list[Cost]] = {c.name: [] for c in contestants}
    starts: dict[str, list[Cost]] = {c.name: [] for c in contestants}
    starts["python -c pass"] = []
    for round_number in range(args.rounds):
        for contestant in contestants:
            work = Path(tempfile.mkdtemp(prefix="fastlayers-bench-", dir=args.work))
            try:
                checked = reference if round_number == 0 else ""
                loads[contestant.name].append(load.measure(contestant, image, work, checked))
                starts[contestant.name] += _start(contestant, work, args.starts)
            finally:
                contestant.clean(work)
        starts["python -c pass"] += [start.interpreter() for _ in range(args.starts)]
    _report(loads, starts)
    if args.json:
        figures = {
            "image": {"entries": image.files, "tar_bytes": image.tar_bytes},
            "machine": {"platform": platform.platform(), "cores": os.cpu_count()},
            "load_seconds": {n: [c.seconds for c in costs] for n, costs in loads.items()},
            "start_seconds": {n: [c.seconds for c in costs] for n, costs in starts.items()},
        }
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    if shutil.which("busybox") is None:
        sys.exit("bench: install busybox-static (apt-get install busybox-static)")
    sys.exit(main(sys.argv[1:]))
