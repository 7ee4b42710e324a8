"""The curves: what is made larger, what is done with it, and how that may grow."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..measure import Cost
from ..scenarios.answer import WrongAnswer, check_disk
from .engine import IMAGE, Engine
from .growth import FLAT, LINEAR
from .layers import END, FILES_PER_FOLDER, box, write_big_file, write_empty_files, write_layers

MIB = 1 << 20


class Action(NamedTuple):
    """Something that is done at every size, and how its time and its memory may grow."""

    name: str
    time: str
    memory: str


# Costs by the action's name.
Step = Callable[[int, Path], dict[str, Cost]]


class Curve(NamedTuple):
    """One thing that grows."""

    name: str
    unit: str
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    actions: tuple[Action, ...]
    step: Step


def _by_bytes(size: int, work: Path) -> dict[str, Cost]:
    layer, archive = work / "layer.tar.gz", work / "saved.tar"
    write_big_file(layer, size * MIB)
    with Engine(work) as engine:
        costs = {"import": engine.call("import", layer, IMAGE)}
        layer.unlink()
        costs["run"] = engine.in_image(str(size * MIB), "stat -c %s /big")
        costs["save"] = engine.call("save", "-o", archive, IMAGE)
        if archive.stat().st_size < size * MIB // 4:
            raise WrongAnswer(f"save: an archive of {archive.stat().st_size} bytes")
        costs["rmi"] = engine.call("rmi", IMAGE)
    archive.unlink()
    return costs


def _by_files(count: int, work: Path) -> dict[str, Cost]:
    layer = work / "layer.tar.gz"
    write_empty_files(layer, count)
    with Engine(work) as engine:
        costs = {"import": engine.call("import", layer, IMAGE)}
        layer.unlink()
        engine.in_image(str(count), "find /files -type f | wc -l")
        costs["run"] = engine.in_image("", "true")
        found = f"{count + -(-count // FILES_PER_FOLDER) + 1}"
        costs["du"] = engine.says(found, "du", "-d0", "--format={{.Files}}", IMAGE, "/files")
        costs["layers"] = engine.says("0B", "layers", "--format={{.Wasted}}", IMAGE)
        engine.call("run", "--name", "work", IMAGE, "touch", "/changed")
        costs["commit"] = engine.call("commit", "work", "committed")
        engine.says("/changed", "run", "--rm", "committed", "ls", "/changed")
        costs["run committed"] = engine.call("run", "--rm", "committed", "true")
        engine.call("rm", "work")
        engine.call("rmi", "committed")
        costs["rmi"] = engine.call("rmi", IMAGE)
    return costs


def _by_layers(count: int, work: Path) -> dict[str, Cost]:
    layout = work / "layout"
    write_layers(layout, count)
    with Engine(work) as engine:
        costs = {"load": engine.call("load", "-i", layout)}
        shutil.rmtree(layout)
        costs["run"] = engine.in_image(str(count), "ls /layers | wc -l")
        costs["history"] = engine.call("history", "-q", IMAGE)
        blame = engine.call("blame", "--format={{.Layer}}", IMAGE, f"/layers/{count - 1}")
        if blame.output.split() != [str(count).encode()]:
            raise WrongAnswer(f"blame: {blame.output!r} instead of layer {count}")
        costs["blame"] = blame
        costs["rmi"] = engine.call("rmi", IMAGE)
    return costs


def _import_box(engine: Engine, work: Path) -> None:
    layer = work / "box.tar"
    layer.write_bytes(box() + END)
    engine.call("import", layer, IMAGE)


def _many(engine: Engine, what: str, count: int) -> Cost:
    cost = engine.many(what, str(count))
    if cost.output.split() != [str(count).encode()]:
        raise WrongAnswer(f"{what}: {cost.output!r} instead of {count}")
    return cost


def _in_turn(count: int, work: Path) -> dict[str, Cost]:
    with Engine(work) as engine:
        _import_box(engine, work)
        costs = {"run in turn": _many(engine, "in-turn", count)}
        engine.says("", "ps", "-aq")
        return costs | {"exec in turn": _many(engine, "exec", count)}


def _forked(count: int, work: Path) -> dict[str, Cost]:
    with Engine(work) as engine:
        _import_box(engine, work)
        costs = {"fork": _many(engine, "fork", count)}
        names = [name.decode() for name in engine.call("ps", "-aq").output.split()]
        if len(set(names)) != count + 1:
            raise WrongAnswer(f"{count} forks: ps shows {len(set(names))}")
        check_disk(engine.store, 80 * MIB + count * 64 * 1024, f"{count} forks of 64 MiB")
        costs["rm"] = engine.call("rm", *names)
        check_disk(engine.store, 16 * MIB, "nothing of 64 MiB that were shared")
        return costs


def _kept(count: int, work: Path) -> dict[str, Cost]:
    with Engine(work) as engine:
        _import_box(engine, work)
        costs = {"create": _many(engine, "create", count), "ps": engine.call("ps", "-aq")}
        names = [name.decode() for name in costs["ps"].output.split()]
        if len(set(names)) != count:
            raise WrongAnswer(f"{count} containers: ps shows {len(set(names))}")
        costs["run"] = engine.in_image("", "true")
        costs["rm"] = engine.call("rm", *names)
        engine.says("", "ps", "-aq")
        return costs


def _at_once(count: int, work: Path) -> dict[str, Cost]:
    with Engine(work) as engine:
        _import_box(engine, work)
        started = engine.many("at-once", str(count))
        running, memory, busy_ns = (int(word) for word in started.output.split())
        if running != count:
            raise WrongAnswer(f"{count} containers at once: {running} run")
        # The supervisors are nobody's children: what they took is told by themselves.
        cpu_seconds = started.cpu_seconds + busy_ns / 1e9
        costs = {"start": Cost(started.seconds, cpu_seconds, memory, b"")}
        costs["ps"] = engine.call("ps", "-q")
        names = [name.decode() for name in costs["ps"].output.split()]
        if len(names) != count:
            raise WrongAnswer(f"{count} containers at once: ps shows {len(names)}")
        costs["run"] = engine.in_image("", "true")
        costs["rm -f"] = engine.call("rm", "-f", *names)
        engine.says("", "ps", "-aq")
        return costs


_CONTAINERS = (1, 10, 50, 100, 250, 500, 1000)
_FEW = (1, 10, 20, 40)

CURVES = (
    Curve(
        "bytes",
        "MiB",
        (64, 128, 256, 512, 1024, 2048),
        (16, 32, 64, 128),
        (
            Action("import", LINEAR, FLAT),
            Action("run", FLAT, FLAT),
            Action("save", LINEAR, FLAT),
            Action("rmi", LINEAR, FLAT),
        ),
        _by_bytes,
    ),
    Curve(
        "files",
        "file",
        (1000, 4000, 16_000, 64_000, 256_000, 1_000_000),
        (1000, 4000, 16_000, 32_000),
        (
            Action("import", LINEAR, LINEAR),
            Action("run", FLAT, FLAT),
            Action("du", LINEAR, LINEAR),
            Action("layers", LINEAR, LINEAR),
            Action("commit", LINEAR, LINEAR),
            Action("run committed", FLAT, FLAT),
            Action("rmi", LINEAR, LINEAR),
        ),
        _by_files,
    ),
    Curve(
        "layers",
        "layer",
        (1, 32, 64, 125, 250, 500),
        (1, 16, 32, 64),
        (
            Action("load", LINEAR, LINEAR),
            Action("run", LINEAR, FLAT),
            Action("history", LINEAR, FLAT),
            Action("blame", LINEAR, LINEAR),
            Action("rmi", LINEAR, FLAT),
        ),
        _by_layers,
    ),
    Curve(
        "containers in turn",
        "container",
        _CONTAINERS,
        _FEW,
        (Action("run in turn", LINEAR, FLAT), Action("exec in turn", LINEAR, FLAT)),
        _in_turn,
    ),
    Curve(
        "forks",
        "fork",
        _CONTAINERS,
        _FEW,
        (Action("fork", LINEAR, LINEAR), Action("rm", LINEAR, LINEAR)),
        _forked,
    ),
    Curve(
        "containers kept",
        "container",
        _CONTAINERS,
        _FEW,
        (
            Action("create", LINEAR, LINEAR),
            Action("ps", LINEAR, LINEAR),
            Action("run", FLAT, FLAT),
            Action("rm", LINEAR, LINEAR),
        ),
        _kept,
    ),
    Curve(
        "containers at once",
        "container",
        _CONTAINERS,
        _FEW,
        (
            Action("start", LINEAR, LINEAR),
            Action("ps", LINEAR, LINEAR),
            Action("run", FLAT, FLAT),
            Action("rm -f", LINEAR, LINEAR),
        ),
        _at_once,
    ),
)
