"""Forks, checkpoints and commits against a model: a box is a dictionary, a fork is a copy of it."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fastlayers import Checkpoint, Container, Image, Store, frozen_upper
from tests import tar_write
from tests.effort import FACTOR
from tests.engine import BACKENDS, engine_name, forced
from tests.tar_members import Member

pytestmark = pytest.mark.privileged

Files = dict[str, bytes | None]  # path: contents, or None of a directory

BASE: Files = {"a": None, "a/a": b"base", "a/b": None, "a/b/c": b"deep", "b": b"file", "c": None}
NAMES = st.sampled_from("abc")
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
NUMBERS = st.integers(0, 99)


def image_tar() -> bytes:
    """The base below /w, with the places that a container has its mounts at."""
    members = [Member(b"w", "dir", 0o755)]
    for path, content in BASE.items():
        name = b"w/" + path.encode()
        kind = "dir" if content is None else "file"
        members.append(Member(name, kind, 0o755, content=content or b""))
    return tar_write.plain(members)


def read(root: str) -> Files:
    """What is below a directory."""
    top = Path(root, "w")
    found: Files = {}
    for path in top.rglob("*"):
        found[str(path.relative_to(top))] = None if path.is_dir() else path.read_bytes()
    return found


def below(files: Files, path: str) -> list[str]:
    """A path and all in it."""
    return [one for one in files if one == path or one.startswith(path + "/")]


class Boxes(RuleBasedStateMachine):
    """Boxes of one image with what the model says is in them."""

    backend = "erofs"

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp(prefix="fastlayers-forks-")
        self.store = Store(os.path.join(self.directory, "store"), backend=engine_name(self.backend))
        self.image = Image.import_(io.BytesIO(image_tar()), "base", store=self.store)
        self.boxes: list[tuple[Container, Files]] = [(self.image.create(), dict(BASE))]
        self.kept: list[tuple[Container, Checkpoint, Files]] = []

    def teardown(self) -> None:
        try:
            assert [str(damage) for damage in self.store.fsck().damages] == []
            for box, _ in self.boxes:
                box.remove()
            assert frozen_upper.frozen_ids(self.store) == []
        finally:
            shutil.rmtree(self.directory)

    def pick(self, number: int) -> tuple[Container, Files]:
        return self.boxes[number % len(self.boxes)]

    @rule(number=NUMBERS, path=PATHS, content=st.binary(max_size=3))
    def write(self, number: int, path: str, content: bytes) -> None:
        box, files = self.pick(number)
        parent = path.rpartition("/")[0]
        if (parent and files.get(parent, b"") is not None) or files.get(path, b"") is None:
            return
        with box.mount() as root:
            Path(root, "w", path).write_bytes(content)
        files[path] = content

    @rule(number=NUMBERS, path=PATHS)
    def make_directory(self, number: int, path: str) -> None:
        box, files = self.pick(number)
        parent = path.rpartition("/")[0]
        if (parent and files.get(parent, b"") is not None) or path in files:
            return
        with box.mount() as root:
            Path(root, "w", path).mkdir()
        files[path] = None

    @rule(number=NUMBERS, path=PATHS, again=st.sampled_from(("", "file", "directory")))
    def remove(self, number: int, path: str, again: str) -> None:
        """Removes, and perhaps puts something else in the place, which hides what was there."""
        box, files = self.pick(number)
        if path not in files:
            return
        with box.mount() as root:
            place = Path(root, "w", path)
            shutil.rmtree(place) if place.is_dir() else place.unlink()
            if again == "file":
                place.write_bytes(b"again")
            elif again:
                place.mkdir()
        for one in below(files, path):
            del files[one]
        if again:
            files[path] = b"again" if again == "file" else None

    @rule(number=NUMBERS, path=PATHS, name=NAMES)
    def rename(self, number: int, path: str, name: str) -> None:
        box, files = self.pick(number)
        parent = path.rpartition("/")[0]
        target = f"{parent}/{name}" if parent else name
        if files.get(path) is None or target in files:  # a file, to where nothing is
            return
        with box.mount() as root:
            os.rename(os.path.join(root, "w", path), os.path.join(root, "w", target))
        files[target] = files.pop(path)

    @precondition(lambda self: len(self.boxes) < 6)
    @rule(number=NUMBERS)
    def fork(self, number: int) -> None:
        box, files = self.pick(number)
        self.boxes.append((box.fork(sync=False), dict(files)))

    @rule(number=NUMBERS)
    def checkpoint(self, number: int) -> None:
        box, files = self.pick(number)
        self.kept.append((box, box.checkpoint(sync=False), dict(files)))

    @precondition(lambda self: self.kept)
    @rule(number=NUMBERS)
    def restore(self, number: int) -> None:
        box, checkpoint, kept = self.kept[number % len(self.kept)]
        box.restore(checkpoint, sync=False)
        for one, files in self.boxes:
            if one is box:
                files.clear()
                files.update(kept)

    @precondition(lambda self: self.kept and len(self.boxes) < 6)
    @rule(number=NUMBERS)
    def fork_of_checkpoint(self, number: int) -> None:
        box, checkpoint, kept = self.kept[number % len(self.kept)]
        self.boxes.append((box.fork(checkpoint=checkpoint, sync=False), dict(kept)))

    @precondition(lambda self: self.kept)
    @rule(number=NUMBERS)
    def remove_checkpoint(self, number: int) -> None:
        box, checkpoint, _ = self.kept.pop(number % len(self.kept))
        box.remove_checkpoint(checkpoint)

    @precondition(lambda self: len(self.boxes) > 1)
    @rule(number=NUMBERS)
    def remove_box(self, number: int) -> None:
        box, _ = self.boxes.pop(number % len(self.boxes))
        self.kept = [one for one in self.kept if one[0] is not box]
        box.remove()

    @rule(number=NUMBERS)
    def commit(self, number: int) -> None:
        box, files = self.pick(number)
        image = box.commit()
        assert len(image.layers) == 2
        with image.mount() as root:
            assert read(root) == files
        image.remove()

    @rule()
    def collect(self) -> None:
        self.store.garbage()

    @invariant()
    def boxes_have_what_the_model_says(self) -> None:
        for box, files in self.boxes:
            with box.mount() as root:
                assert read(root) == files
            changes = dict((path, kind) for kind, path in box.diff())
            added = {path for path, kind in changes.items() if kind == "A"}
            assert added == {f"/w/{path}" for path in files.keys() - BASE.keys()}
            gone = {path.removeprefix("/w/") for path, kind in changes.items() if kind == "D"}
            assert gone == {
                path
                for path in BASE.keys() - files.keys()
                # What is gone with its directory is not listed for itself.
                if files.get(path.rpartition("/")[0], None if "/" not in path else b"") is None
            }


@pytest.mark.parametrize("backend", BACKENDS)
def test_boxes_are_what_the_model_says(backend: str) -> None:
    machine = type("BoxesOn", (Boxes,), {"backend": backend})
    with forced(backend):
        machine.TestCase.settings = settings(max_examples=8 * FACTOR, stateful_step_count=25)
        machine.TestCase().runTest()
