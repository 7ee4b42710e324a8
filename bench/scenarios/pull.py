"""An image's life: pulled until runnable, run, changed, committed, saved, removed."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path

from .. import tree
from ..contestants import Contestant, Unable
from ..layout import BenchImage
from ..measure import Cost

Costs = dict[str, list[Cost]]
_STARTS = 10
# The tree that is copied in a container and committed: node_modules, or what stands for it.
MODULES = "srv/app/node_modules"


class WrongAnswer(Exception):
    """An engine did something else than it was asked for."""


def check_tree(expected: tree.Tree, got: tree.Tree, what: str) -> None:
    """Raises WrongAnswer, naming the first paths that differ."""
    if tree.digest(expected) != tree.digest(got):
        raise WrongAnswer(f"{what}: {tree.difference(expected, got)}")


def disk_bytes(folder: Path) -> int:
    """What a folder takes of its disk; other file systems mounted in it do not count."""
    done = subprocess.run(["du", "-sxB1", folder], capture_output=True, text=True)
    return int(done.stdout.split()[0])


def run_pull_only(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    """Pull and its disk and memory."""
    before = disk_bytes(who.place)
    cost = who.pull(reference, image)
    os.sync()
    used = disk_bytes(who.place) - before
    if check:
        check_tree(tree.reference(image), who.tree(reference), f"{who.name}: {image.name}")
    disk = Cost(float(used), 0.0, 0, b"")
    return {f"pull {image.name}": [cost], f"disk {image.name}": [disk]}


def run(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    """All of a life, as far as the engine can."""
    costs = run_pull_only(who, image, reference, check)
    for step in (_starts, _commit_tree, _commit_file, _save, _remove):
        try:
            costs |= step(who, image, reference, check)
        except Unable:
            continue
    return costs


def _starts(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    return {"run --rm true": [who.run(reference, ["true"]) for _ in range(_STARTS)]}


def _commit_tree(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    who.run(reference, ["cp", "-a", f"/{MODULES}", "/copy"], name="copied")
    cost = who.commit("copied", "bench/copied:1")
    if check:
        expected = tree.part(tree.reference(image), MODULES)
        got = tree.part(who.tree("bench/copied:1"), "copy")
        check_tree(expected, got, f"{who.name}: commit")
    who.remove_container("copied")
    who.remove("bench/copied:1")
    return {"commit of a copied node_modules": [cost]}


def _commit_file(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    costs = []
    for number in range(3):
        who.run(reference, ["sh", "-c", f"echo {number} > /changed"], name=f"one{number}")
        costs.append(who.commit(f"one{number}", f"bench/one:{number}"))
        said = who.run(f"bench/one:{number}", ["cat", "/changed"])
        if said.output.split() != [str(number).encode()]:
            raise WrongAnswer(f"{who.name}: the committed file says {said.output!r}")
        who.remove_container(f"one{number}")
    for number in range(3):
        who.remove(f"bench/one:{number}")
    return {"commit of one file": costs}


def _save(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    target = who.place / "saved.tar"
    cost = who.save(reference, target)
    with tarfile.open(target) as archive:
        body = archive.extractfile("manifest.json")
        assert body is not None
        layers = json.load(body)[0]["Layers"]
        if check:
            files = [target.parent / f"saved-{number}" for number in range(len(layers))]
            for name, file in zip(layers, files, strict=True):
                member = archive.getmember(name)
                while member.issym() or member.islnk():
                    member = archive.getmember(
                        os.path.normpath(os.path.join(os.path.dirname(name), member.linkname))
                    )
                layer = archive.extractfile(member)
                assert layer is not None
                with file.open("wb") as out:
                    while data := layer.read(1 << 20):
                        out.write(data)
            check_tree(tree.reference(image), tree.of_layers(files), f"{who.name}: save")
            for file in files:
                file.unlink()
    target.unlink()
    return {"save": [cost]}


def _remove(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    cost = who.remove(reference)
    if any(reference.endswith(name) for name in who.references()):
        raise WrongAnswer(f"{who.name}: {reference} is still there")
    return {"rmi": [cost]}
