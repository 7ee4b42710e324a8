"""`python -m bench micro`: builds the micro benchmarks and runs them.

    python -m bench micro [--quick] [--json FILE] [--rounds N] [--build FOLDER]

Every answer is checked before it is timed. Times are CPU times of one thread; each figure stands
beside what the machine can do in the simplest loop, measured in the same run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_SOURCE = Path(__file__).parent
_PROGRAM = "fastlayers_micro"


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench micro")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--rounds", type=int, default=7, help="timed runs of each benchmark")
    parser.add_argument("--build", type=Path, help="keep the build in this folder")
    parser.add_argument("--work", type=Path, default=Path("/dev/shm"), help="for scratch files")
    return parser.parse_args(argv)


def _build(folder: Path) -> Path:
    """Configures and builds; returns the program. What the build says is shown if it fails."""
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    configure: list[str | Path] = [
        "cmake",
        "-S",
        _SOURCE,
        "-B",
        folder,
        "-DCMAKE_BUILD_TYPE=Release",
        *generator,
    ]
    jobs = str(os.cpu_count() or 1)
    build: list[str | Path] = ["cmake", "--build", folder, "--parallel", jobs]
    for command in (configure, build):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise RuntimeError(f"the build failed:\n{done.stdout.decode(errors='replace')}")
    return folder / _PROGRAM


def main(argv: list[str]) -> int:
    """The command; 1 if an answer is wrong or nothing can be built."""
    args = _arguments(argv)
    if shutil.which("cmake") is None:
        print("bench micro: install cmake and a C++ compiler", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="fastlayers-micro-", dir=args.work) as scratch:
        try:
            program = _build(args.build or Path(scratch) / "build")
        except RuntimeError as error:
            print(f"bench micro: {error}", file=sys.stderr)
            return 1
        command: list[str | Path] = [program, "--rounds", str(args.rounds), "--work", scratch]
        command += ["--quick"] if args.quick else []
        command += ["--json"] if args.json else []
        done = subprocess.run(command, stdout=subprocess.PIPE)
    text = done.stdout.decode()
    if done.returncode == 0 and args.json:
        args.json.write_text(text)
    else:
        sys.stdout.write(text)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
