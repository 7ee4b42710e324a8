"""An image's life: pulled until runnable, run, changed, committed, saved, removed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time

from .. import tree
from ..contestants import Contestant, Unable
from ..docker_archive import diff_ids_of
from ..layout import BenchImage
from ..measure import Cost
from ..registry import diff_ids_served
from .answer import WrongAnswer, check_disk, check_tree, disk_bytes

Costs = dict[str, list[Cost]]
_STARTS = 10
_COMMITS = 3
# The tree that is copied in a container and committed: node_modules, or what stands for it.
MODULES = "srv/app/node_modules"
# What an engine's own books and logs may have grown by when an image is gone again.
_BOOKS_BYTES = 16 << 20


def run_pull_only(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    """Pull and its disk and memory."""
    who.empty_bytes = disk_bytes(who.place)
    cost = who.pull(reference, image)
    os.sync()
    used = disk_bytes(who.place) - who.empty_bytes
    if check:
        expected, got = tree.reference(image), who.tree(reference)
        if not who.sets_folder_times:
            expected, got = map(tree.without_folder_times, (expected, got))
        check_tree(expected, got, f"{who.name}: {image.name}")
    return {f"pull {image.name}": [dataclasses.replace(cost, disk_bytes=used)]}


def run(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    """All of a life, as far as the engine can."""
    costs: Costs = {}
    for step in (run_pull_only, _starts, _commit_tree, _commit_file, _save, _remove):
        try:
            costs |= step(who, image, reference, check)
        except Unable:
            continue
    return costs


def _starts(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    return {"run --rm true": [who.run(reference, ["true"]) for _ in range(_STARTS)]}


def _commit_tree(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    who.run(reference, ["cp", "-a", f"/{MODULES}", "/copy"], name="copied")
    os.sync()
    cost = who.commit("copied", "bench/copied:1")
    if check:
        expected = tree.part(tree.reference(image), MODULES)
        got = tree.part(who.tree("bench/copied:1"), "copy")
        check_tree(expected, got, f"{who.name}: commit")
    costs = {"commit of a copied node_modules": [cost]}
    with contextlib.suppress(Unable):
        costs["push of that commit"] = [_push(who, reference, check)]
    who.remove_container("copied")
    who.remove("bench/copied:1")
    return costs


def _push(who: Contestant, reference: str, check: bool) -> Cost:
    """Into a repository of its own, in which none of the layers is."""
    registry = reference.partition("/")[0]
    os.sync()
    target = f"{registry}/pushed/{who.name.replace(' ', '-')}-{time.monotonic_ns()}:1"
    cost = who.push("bench/copied:1", target)
    if check and not diff_ids_served(target):
        raise WrongAnswer(f"{who.name}: push: the layers in the registry are not the config's")
    return cost


def _commit_file(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    costs = []
    for number in range(_COMMITS):
        name, made = f"one{number}", f"bench/one:{number}"
        who.run(reference, ["sh", "-c", f"echo {number} > /changed"], name=name)
        os.sync()
        costs.append(who.commit(name, made))
        said = who.read(made, "changed")
        if said.split() != [str(number).encode()]:
            raise WrongAnswer(f"{who.name}: the committed file says {said!r}")
        who.remove_container(name)
    for number in range(_COMMITS):
        who.remove(f"bench/one:{number}")
    return {"commit of one file": costs}


def _save(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    target = who.place / "saved.tar"
    cost = who.save(reference, target)
    if check and diff_ids_of(target) != [layer.diff_id for layer in image.layers]:
        raise WrongAnswer(f"{who.name}: save: the layers in the archive have other digests")
    target.unlink()
    return {"save": [cost]}


def _remove(who: Contestant, image: BenchImage, reference: str, check: bool) -> Costs:
    cost = who.remove(reference)
    if any(reference.endswith(name) for name in who.references()):
        raise WrongAnswer(f"{who.name}: {reference} is still there")
    if check:
        limit = who.empty_bytes + _BOOKS_BYTES
        check_disk(who.place, limit, f"{who.name}: {reference} is removed")
    return {"rmi": [cost]}
