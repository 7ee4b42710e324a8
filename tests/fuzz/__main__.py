"""Builds the fuzz targets and runs each of them for a while.

python -m tests.fuzz [--seconds N] [--keep FOLDER] [TARGET ...]

Inputs to start from are tests/fuzz/corpus/TARGET, for tars the layers of the conformance cases too.
What is found lies in cpp/build/fuzz/findings; --keep FOLDER keeps new inputs, smallest set only.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
BUILD = TOP / "cpp" / "build" / "fuzz"
FINDINGS = BUILD / "findings"
TARGETS = (
    "reader_fuzz",
    "pax_fuzz",
    "gzip_fuzz",
    "zstd_fuzz",
    "table_fuzz",
    "index_fuzz",
    "ingest_fuzz",
)
_TARS = ("reader_fuzz", "index_fuzz", "ingest_fuzz")
_LONGEST_BYTES = 65536
# An input that takes longer, or more memory, is a finding.
_LIMITS = ("-timeout=20", "-rss_limit_mb=1024", "-malloc_limit_mb=512")


@dataclass
class Outcome:
    """One target's run."""

    target: str
    executions: int
    coverage: int
    finding: str


def build() -> None:
    """Configures and builds the preset."""
    for command in (["--preset", "fuzz"], ["--build", "--preset", "fuzz"]):
        subprocess.run(["cmake", *command], cwd=TOP / "cpp", check=True, stdout=subprocess.DEVNULL)


def seeds(target: str, into: Path) -> None:
    """The inputs to start from."""
    sources = list((CORPUS / target).glob("*"))
    if target in _TARS:
        cases = (TOP / "tests" / "conformance" / "cases").glob("*/layer-*.tar*")
        sources += [case for case in cases if case.stat().st_size <= _LONGEST_BYTES]
    for number, source in enumerate(sorted(sources)):
        shutil.copyfile(source, into / f"{number}-{source.name}"[:200])


def run(target: str, seconds: int, keep: Path | None) -> Outcome:
    """Runs one target; a finding ends it."""
    FINDINGS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fastlayers-fuzz-") as folder:
        start, work = Path(folder) / "start", Path(folder) / "work"
        start.mkdir()
        work.mkdir()
        seeds(target, start)
        program = BUILD / target
        done = subprocess.run(
            [program, f"-max_total_time={seconds}", f"-max_len={_LONGEST_BYTES}", *_LIMITS,
             f"-artifact_prefix={FINDINGS}/{target}-", "-print_final_stats=1", work, start],
            capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        if keep is not None:
            kept = keep / target
            kept.mkdir(parents=True, exist_ok=True)
            subprocess.run([program, "-merge=1", kept, work], capture_output=True, check=True)
    finding = "" if done.returncode == 0 else _finding(done.stderr)
    return Outcome(
        target, _last(r"#(\d+)", done.stderr), _last(r"cov: (\d+)", done.stderr), finding
    )


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def _finding(text: str) -> str:
    for line in text.splitlines():
        if line.startswith("finding: ") or "ERROR: " in line or "runtime error: " in line:
            return line
    return text[-2000:]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that reach new code")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    args = parser.parse_args(argv)
    unknown = set(args.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    build()
    failed = False
    for target in args.targets or TARGETS:
        outcome = run(target, args.seconds, args.keep)
        verdict = outcome.finding or "no finding"
        counts = f"{outcome.executions:>10} inputs, {outcome.coverage:>6} edges"
        print(f"{target:<12} {counts}: {verdict}", flush=True)
        failed = failed or bool(outcome.finding)
    if failed:
        print(f"the inputs are in {FINDINGS}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
