"""Benchmarks: answers are checked first, contestants take turns, figures are kept.

python -m bench run [--quick] [--rounds N] [--only node-app,ml-app,archive]
                    [--contestants NAME,...] [--place tmpfs|ext4|used-ext4] [--out DIR]
python -m bench compare OLD.json NEW.json
python -m bench images [--quick]
python -m bench report       the README's table and the charts, from bench/results
python -m bench micro        the core's parts beside the machine's limits
python -m bench inside       questions about what is in an image
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

from . import report
from .chart import chart
from .place import PLACES
from .scenarios import SCENARIOS
from .session import Session, measure

_RESULTS = Path(__file__).parent / "results"
_README = Path(__file__).parents[1] / "README.md"


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench")
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="measure")
    run.add_argument("--quick", action="store_true", help="small images, one round")
    run.add_argument("--rounds", type=int)
    run.add_argument("--only", default=",".join(SCENARIOS), help="scenarios")
    run.add_argument("--contestants", default="", help="names; all that are installed if not given")
    run.add_argument("--place", choices=PLACES, default="tmpfs", help="what stores lie on")
    run.add_argument("--work", type=Path, default=Path("/dev/shm"), help="a RAM disk")
    run.add_argument("--disk", type=Path, default=Path("/var/tmp"), help="for ext4 in a file")
    run.add_argument("--out", type=Path, help="folder for PLACE.json and PLACE.svg")
    compare = verbs.add_parser("compare", help="two sessions")
    compare.add_argument("old", type=Path)
    compare.add_argument("new", type=Path)
    images = verbs.add_parser("images", help="build the images")
    images.add_argument("--quick", action="store_true")
    verbs.add_parser("report", help="the README's table and the charts")
    return parser.parse_args(argv)


def _run(args: argparse.Namespace) -> int:
    session = Session(
        place=args.place,
        quick=args.quick,
        rounds=args.rounds or (1 if args.quick else 3),
        scenarios=args.only.split(","),
        contestants=[name for name in args.contestants.split(",") if name],
        work=args.work,
        disk=args.disk,
    )
    figures: dict[str, Any] | None = None
    for figures in measure(session):
        if args.out:
            args.out.mkdir(exist_ok=True)
            (args.out / f"{args.place}.json").write_text(json.dumps(figures, indent=1) + "\n")
            (args.out / f"{args.place}.svg").write_text(chart(figures))
    if figures is None:
        raise SystemExit("bench: nobody takes part")
    print("\n" + report.table(figures))
    return 1 if any(_counts(*failure) for failure in figures["failures"].items()) else 0


def _counts(what: str, why: str) -> bool:
    """Wrong answers do, and whatever goes wrong in fastlayers; others may fail on this machine."""
    return why.startswith("WrongAnswer") or ": fastlayers" in what


def _report() -> int:
    text = ""
    for file in sorted(_RESULTS.glob("*.json")):
        figures = json.loads(file.read_text())
        file.with_suffix(".svg").write_text(chart(figures))
        title = {"tmpfs": "RAM disk", "ext4": "freshly made ext4", "used-ext4": "used ext4"}
        text += f"\nStores on a {title[figures['place']]}"
        text += f" ([chart](bench/results/{file.stem}.svg)):\n\n" + report.table(figures)
    report.replace_between_marks(_README, text)
    return 0


def main(argv: list[str]) -> int:
    """The command."""
    if argv[:1] == ["micro"]:
        from .micro.run import main as micro

        return micro(argv[1:])
    if argv[:1] == ["inside"]:
        from .inside.run import main as inside

        return inside(argv[1:])
    if argv[:1] == ["scale"]:
        from .scale.run import main as scale

        return scale(argv[1:])
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # tidies up
    args = _arguments(argv)
    if args.verb == "run":
        return _run(args)
    if args.verb == "images":
        from .images import RECIPES, bench_image

        for name in RECIPES:
            image = bench_image(name, quick=args.quick)
            print(f"{image.name}: {image.summary}")
        return 0
    if args.verb == "compare":
        print(report.compare(*(json.loads(file.read_text()) for file in (args.old, args.new))))
        return 0
    return _report()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
