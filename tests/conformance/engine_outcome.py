"""The engine's outcome of a case: a layout is loaded into a fresh store and mounted."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fastlayers import Image, Store, errors
from tests import engine
from tests.conformance.case import Case, Outcome
from tests.oci_layout import write_layout
from tests.tree import Tree, differences, read_directory

CANARY = Path("/tmp/fastlayers-canary")  # where the hostile cases try to write


@dataclass
class Run:
    """An outcome, and what is wrong with it whatever the tree looks like."""

    outcome: Outcome
    faults: list[str] = field(default_factory=list)


def kind_of(error: errors.FastlayersError) -> str:
    """The corpus's word for an error, by its class."""
    if isinstance(error, errors.TraversalError):
        return "traversal"
    if isinstance(error, errors.DigestMismatchError):
        return "digest-mismatch"
    if isinstance(error, errors.CorruptError):
        return "corrupt"
    if isinstance(error, errors.UnsupportedError | errors.LimitError):
        return "unsupported"
    return type(error).__name__


@contextmanager
def _canary(faults: list[str]) -> Iterator[None]:
    """Watches the folder that hostile layers aim at."""
    CANARY.mkdir(exist_ok=True)
    (CANARY / "sub").mkdir(exist_ok=True)
    (CANARY / "victim").write_text("untouched\n")
    os.chmod(CANARY / "victim", 0o640)
    before = read_directory(str(CANARY))
    try:
        yield
        changed = differences(before, read_directory(str(CANARY)))
        faults += [f"outside the store: {CANARY}/{line}" for line in changed]
    finally:
        shutil.rmtree(CANARY)


def _leftovers(store: Store) -> list[str]:
    """What a refused image must not leave: a name, an image, blobs that garbage() keeps."""
    faults = [f"the store lists {image.id}" for image in store.images()]
    store.garbage()
    root = Path(store.root)
    for folder in ("blobs/sha256", "layers", "chains"):
        if (root / folder).is_dir():
            faults += [f"left behind: {folder}/{p.name}" for p in (root / folder).iterdir()]
    return faults


def _mounted(store: Store, image: Image, backend: str, faults: list[str]) -> Tree:
    if backend == "erofs-delta":
        engine.prepare(store.root, image.config.diff_ids, backend)
    with image.mount() as target:
        kind, source = engine.mount_source(str(target))
        expected = {"erofs": "erofs", "erofs-loop": "erofs"}.get(backend)
        if expected and kind != expected:
            faults.append(f"mounted as {kind}, not {expected}")
        if expected and source.startswith("/dev/loop") != (backend == "erofs-loop"):
            faults.append(f"mounted from {source}, which is not the {backend} way")
        return read_directory(str(target))


def run(case: Case, backend: str) -> Run:
    """Loads and mounts a case on one backend, in a store of its own."""
    faults: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="fastlayers-case-") as scratch,
        engine.forced(backend),
        _canary(faults),
    ):
        layout = write_layout(
            Path(scratch) / "layout", case.layers, extra_diff_ids=case.extra_diff_ids
        )
        store = Store(str(Path(scratch) / "store"), backend=engine.engine_name(backend))
        try:
            (image,) = Image.load(str(layout), store=store)
        except errors.FastlayersError as error:
            if "\n" in str(error) or not str(error):
                faults.append(f"not one clear line: {str(error)!r}")
            faults += _leftovers(store)
            outcome = Outcome(error=kind_of(error), message=str(error))
        else:
            try:
                outcome = Outcome(tree=_mounted(store, image, backend, faults))
            except errors.FastlayersError as error:
                faults.append(f"loaded, but mounting says: {error}")
                outcome = Outcome(error=kind_of(error), message=str(error))
    return Run(outcome, faults)
