"""`python -m bench inside`: questions about what is in images, asked of node-app.

    python -m bench inside [--quick] [--rounds N] [--json FILE] [--work FOLDER]

Every answer is compared: with GNU find, du, grep and md5sum on the mounted tree (which is first
compared with the one that Python's tarfile makes of the layers), with the layers' tars read by
tarfile, with what `du` says is free after a removal. What is printed of each: the work after the
start (of a process that has loaded all it needs), the whole process, the same question asked of the
GNU tool, and the most memory beyond that at the start, as a multiple of the images' tables (what is
mapped of tables and of layers' tars counts as memory).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

from fastlayers import Image, Store
from fastlayers.file_reader import table_of

from .. import tree
from ..images import bench_image
from ..layout import BenchImage
from ..machine import machine
from ..measure import run
from ..scenarios.answer import WrongAnswer, check_tree, disk_bytes
from .mounted_tree import MountedTree
from .questions import CHANGED, IMAGE, QUESTIONS, Question, World

_START = Path(__file__).with_name("start.py")
# Some of the files go, some grow, some have other modes, and there are new ones.
_CHANGE = r"""
find /srv /usr/share -type f | sort > /tmp/files
each() { awk "NR % 40 == $1" /tmp/files; }
each 1 | tr '\n' '\0' | xargs -0 rm
each 2 | while read -r file; do echo >> "$file"; done
each 3 | tr '\n' '\0' | xargs -0 chmod 600
mkdir /srv/new
each 4 | while read -r file; do cp "$file" "/srv/new/$((n += 1))"; done
rm /tmp/files
"""
_HEADING = """\
| question | work | CPU of it | whole process | GNU tool | memory | of the tables |
|---|---:|---:|---:|---:|---:|---:|"""
_ENGINE = (sys.executable, "-m", "fastlayers", "--root")
_SMALL = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n",
    "srv/app/node_modules/package.json": b"password = none\n" * 8000,
    "var/lib/dpkg/status": b"",
}


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench inside")
    parser.add_argument("--quick", action="store_true", help="the small image, one round")
    parser.add_argument("--rounds", type=int, help="how often each is asked (5; quick: 1)")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--work", type=Path, default=Path("/dev/shm"), help="for the store")
    return parser.parse_args(argv)


class Inside:
    """A store with the image and a changed one, both mounted; and one with small images of the same
    names."""

    def __init__(self, image: BenchImage, work: Path) -> None:
        self.root, self.small = work / "store", work / "small"
        store = Store(str(self.root))
        _load_small(self.small)
        (old,) = Image.load(image.layout, store=store)
        old.tag(IMAGE)
        store.untag(image.tag)
        box = old.create()
        done = box.run(["sh", "-euc", _CHANGE])
        if done.exit_code:
            raise RuntimeError(f"the image cannot be changed: {done.stderr.decode()}")
        new = box.commit(CHANGED)
        box.remove()
        self.table_bytes = {one.tags[0]: _table_bytes(one) for one in (old, new)}
        self._mounts = ExitStack()
        with ExitStack() as mounts:
            roots = [Path(mounts.enter_context(each.mount())) for each in (old, new)]
            top = self.root / "blobs" / "sha256" / new.layers[-1].diff_id.removeprefix("sha256:")
            layers = [*(layer.path for layer in image.layers), top]
            self.world = World(*map(MountedTree, roots), layers, self._free)
            check_tree(tree.reference(image), tree.of_directory(roots[0]), "the mounted tree")
            self._mounts = mounts.pop_all()

    def __enter__(self) -> Inside:
        return self

    def __exit__(self, *_: object) -> None:
        self._mounts.close()

    def ask(self, question: Question) -> dict[str, float]:
        """Seconds of the work, by the clock and of CPU, and of a whole process; bytes of memory
        beyond the start."""
        inner = json.loads(
            run([sys.executable, _START, self.small, self.root, *question.words]).output
        )
        whole = run([*_ENGINE, self.root, *question.words])
        return {
            "work_seconds": inner["seconds"],
            "work_cpu_seconds": inner["cpu_seconds"],
            "process_seconds": whole.seconds,
            "memory_bytes": inner["memory_bytes"],
        }

    def check(self, question: Question) -> None:
        """WrongAnswer, with some of what differs, if it is one."""
        as_json = [] if "report" in question.words else ["--format", "json"]
        told = question.told(run([*_ENGINE, self.root, *question.words, *as_json]).output)
        true = question.true(self.world)
        if not true:
            raise WrongAnswer(f"{question.name}: there is nothing to be told")
        if told != true:
            raise WrongAnswer(f"{question.name}: {_difference(told, true)}")

    def _free(self, name: str) -> int:
        self._mounts.close()
        before = disk_bytes(self.root)
        run([*_ENGINE, self.root, "rmi", name])
        return before - disk_bytes(self.root)


def _load_small(store: Path) -> None:
    for name, files in ((IMAGE, _SMALL), (CHANGED, {**_SMALL, "etc/passwd": b"root"})):
        body = BytesIO()
        with tarfile.open(fileobj=body, mode="w") as tar:
            for path, content in files.items():
                member = tarfile.TarInfo(path)
                member.size, member.mode = len(content), 0o755
                tar.addfile(member, BytesIO(content))
        body.seek(0)
        Image.import_(body, name, store=Store(str(store)))


def _table_bytes(image: Image) -> int:
    table = table_of(image)
    return len(memoryview(table.entries).cast("B")) + len(memoryview(table.heap))


def _difference(told: object, true: object) -> str:
    for kind in (dict, set, list, tuple):
        if isinstance(told, kind) and isinstance(true, kind):
            ours, theirs = (x.items() if isinstance(x, dict) else x for x in (told, true))
            ours, theirs = list(ours), list(theirs)
            more, less = ([x for x in a if x not in b] for a, b in ((ours, theirs), (theirs, ours)))
            return (
                f"{more[:3]} instead of {less[:3]}, and {len(more)} instead of {len(less)} in all"
            )
    return f"{told} instead of {true}"


def _measure(inside: Inside, rounds: int) -> Iterator[dict[str, Any]]:
    """The figures of each question; all are asked once in each round."""
    costs: dict[str, list[dict[str, float]]] = {question.name: [] for question in QUESTIONS}
    for _ in range(rounds):
        for question in QUESTIONS:
            costs[question.name].append(inside.ask(question))
    for question in QUESTIONS:
        inside.check(question)
        tables = sum(
            inside.table_bytes[word] for word in question.words if word in inside.table_bytes
        )
        tool = inside.world.old.costs.get(question.name)
        yield {
            "name": question.name,
            **{
                key: [cost[key] for cost in costs[question.name]] for key in costs[question.name][0]
            },
            "table_bytes": tables or sum(inside.table_bytes.values()),
            "gnu_seconds": tool.seconds if tool else None,
        }


def _line(row: dict[str, Any]) -> str:
    spent = [statistics.median(row[f"{x}_seconds"]) * 1e3 for x in ("work", "work_cpu", "process")]
    tool = f"{row['gnu_seconds'] * 1e3:.0f} ms" if row["gnu_seconds"] is not None else ""
    memory = max(row["memory_bytes"])
    return (
        f"| {row['name']} | {' | '.join(f'{ms:.0f} ms' for ms in spent)} | {tool} "
        f"| {memory / 1e6:.1f} MB | {memory / row['table_bytes']:.1f} |"
    )


def main(argv: list[str]) -> int:
    """The command; 1 if an answer is wrong."""
    args = _arguments(argv)
    image = bench_image("node-app", quick=args.quick)
    document: dict[str, Any] = {"machine": machine(), "image": image.summary, "questions": []}
    try:
        with (
            tempfile.TemporaryDirectory(prefix="fastlayers-inside-", dir=args.work) as work,
            Inside(image, Path(work)) as inside,
        ):
            print(_HEADING)
            for row in _measure(inside, args.rounds or (1 if args.quick else 5)):
                print(_line(row), flush=True)
                document["questions"].append(row)
    except (WrongAnswer, RuntimeError) as error:
        print(f"bench inside: {error}", file=sys.stderr)
        return 1
    if args.json:
        args.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0
