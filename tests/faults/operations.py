"""The operations that are interrupted: how each begins, and how it is seen that it was done."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import busybox_root, tar_write
from tests.archive_shapes import classic
from tests.command_line import CommandLine, processes_below, store_mounts
from tests.fake_registry import FakeRegistry
from tests.image_parts import Blob, archive_of, image_of
from tests.tar_members import Member

BASE = "base:latest"
_LAYERS = (
    [Member(b"srv", "dir"), Member(b"srv/data", "file", content=b"d" * 300_000)],
    [Member(b"srv/more", "file", content=b"m" * 10), Member(b"srv/.wh.data", "file")],
)


@dataclass(frozen=True)
class Operation:
    """`words` is the command. Where `done` holds, it need not be repeated; `undoes` is a name that
    may be gone afterwards."""

    name: str
    words: tuple[str, ...]
    done: Callable[[CommandLine], bool]
    undoes: str = ""


def _has_image(name: str) -> Callable[[CommandLine], bool]:
    return lambda command: command.call("image", "inspect", name).code == 0


def _lacks(kind: str, name: str) -> Callable[[CommandLine], bool]:
    return lambda command: command.call(kind, "inspect", name).code != 0


def _has_container(name: str) -> Callable[[CommandLine], bool]:
    return lambda command: command.call("container", "inspect", name).code == 0


class Scene:
    """A prepared store, copied for every attempt, and what operations refer to."""

    def __init__(self, folder: Path, registry: FakeRegistry) -> None:
        self.folder = folder
        self._prepared = CommandLine(folder / "prepared")
        tars = tuple(tar_write.plain(layer) for layer in _LAYERS)
        registry.publish(image_of([Blob.gzip(tar) for tar in tars]), "1")
        self._archive = folder / "app.tar"
        self._archive.write_bytes(archive_of(*classic(layers=tars)))
        self._root_tar = folder / "box.tar"
        self._root_tar.write_bytes(busybox_root.tar())
        self._name = f"{registry.host}/app:1"
        command = self._prepared
        command.must("import", str(self._root_tar), BASE)
        command.must("load", "-i", str(self._archive))
        command.must("tag", "app:1", "old:1")
        command.must("rmi", "app:1")
        command.must("run", "--name", "written", BASE, "sh", "-c", "mkdir /d; echo 1 > /d/f")
        command.must("run", "--rm", BASE, "true")

    def operations(self) -> list[Operation]:
        """All of them."""
        archive, root_tar = str(self._archive), str(self._root_tar)
        return [
            Operation("pull", ("pull", "-q", self._name), _has_image(self._name)),
            Operation("load", ("load", "-q", "-i", archive), _has_image("app:1")),
            Operation("import", ("import", root_tar, "other"), _has_image("other")),
            Operation("commit", ("commit", "written", "made:1"), _has_image("made:1")),
            Operation("tag", ("tag", BASE, "second:1"), _has_image("second:1")),
            Operation("rmi", ("rmi", "old:1"), _lacks("image", "old:1"), "old:1"),
            Operation("prune", ("system", "prune", "-f"), _lacks("container", "written"),
                      "written"),
            Operation("create", ("create", "--name", "new", BASE, "true"), _has_container("new")),
            Operation("run", ("run", "--name", "ran", BASE, "true"), _has_container("ran")),
            Operation("rm", ("rm", "written"), _lacks("container", "written"), "written"),
        ]  # fmt: skip

    @contextlib.contextmanager
    def attempt(self, folder: Path | None = None) -> Iterator[CommandLine]:
        """A copy of the prepared store, in a folder of its own or another; gone at the end."""
        command = CommandLine((folder or self.folder) / "attempt")
        shutil.copytree(self._prepared.root, command.root, symlinks=True)
        try:
            yield command
        finally:
            shutil.rmtree(command.root)

    @property
    def bytes(self) -> int:
        """What the prepared store takes."""
        files = [path for path in self._prepared.root.rglob("*") if not path.is_symlink()]
        return sum(path.stat().st_blocks * 512 for path in files)


def names(command: CommandLine) -> set[str]:
    """The images and containers that a store reports, by name."""
    images = command.must("images", "-a", "--format", "{{.Repository}}:{{.Tag}}").lines
    containers = command.must("ps", "-a", "--format", "{{.Names}}").lines
    return {*images, *containers}


def check(command: CommandLine, operation: Operation, before: set[str]) -> None:
    """What must hold whatever happened to one run of the operation, with nothing repaired."""
    assert processes_below(command.root) == []
    lost = before - names(command) - {operation.undoes}
    assert not lost, f"lost: {lost}"
    verdict = command.call("fsck")
    assert verdict.code == 0, verdict.out + verdict.err
    assert command.must("run", "--rm", BASE, "echo", "works").out == "works\n"
    if not operation.done(command):
        command.must(*operation.words)
        assert operation.done(command)
    assert command.call("fsck").code == 0
    assert store_mounts(command.root) == []
    command.must("image", "prune", "-f")  # collects what is left
    assert leftovers(command.root) == []


def leftovers(root: Path) -> list[str]:
    """What is half-made in a store, and references to what is not there."""
    found = [
        str(path.relative_to(root))
        for folder in ("blobs/sha256", "layers", "chains", "containers", ".")
        for path in (root / folder).glob("*")
        if path.name.startswith(".") or path.name.endswith(".new")
    ]
    known = {path.name for path in (root / "blobs" / "sha256").iterdir()}
    for entry in json.loads((root / "index.json").read_text())["manifests"]:
        if entry["digest"].removeprefix("sha256:") not in known:
            found.append(f"{entry['digest']} is not there")
    return sorted(found)
