"""What a contestant can be asked; each implements what its engine can do."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from .. import tree
from ..layout import BenchImage
from ..measure import Cost, run


class Unable(Exception):
    """The engine has no such command."""


class Contestant:
    """An engine with a store of its own in `place`, between start() and stop()."""

    name: str
    program: str
    is_engine = True  # else it does a part of the work only, and shows a limit
    sets_folder_times = True  # also of folders that a lower layer has made
    rows: tuple[str, ...] = ()  # the only rows it is for, all of scenario node-app; none: all

    def __init__(self) -> None:
        self.place = Path()
        self.empty_bytes = 0  # what `place` took before the pull

    def missing(self) -> str | None:
        """Why it cannot take part; None if it can."""
        return None if shutil.which(self.program) else f"{self.program} is not installed"

    def version(self) -> str:
        """What it calls itself."""
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True)
        return (done.stdout or done.stderr).strip().partition("\n")[0]

    def start(self, place: Path) -> None:
        """Begins with an empty store in a folder that exists."""
        self.place = place

    def stop(self) -> None:
        """Ends what start() began. The folder is removed by the caller."""

    def pull(self, reference: str, image: BenchImage) -> Cost:
        """From a registry until a container could start."""
        raise Unable

    def load(self, archive: Path) -> Cost:
        """A docker archive with uncompressed layers."""
        raise Unable

    def save(self, reference: str, target: Path) -> Cost:
        """As a docker archive."""
        raise Unable

    def run(self, reference: str, command: list[str], name: str = "") -> Cost:
        """A container with the host's network; without a name it is removed afterwards."""
        raise Unable

    def commit(self, container: str, reference: str) -> Cost:
        """A stopped container as an image."""
        raise Unable

    def push(self, reference: str, target: str) -> Cost:
        """An image of the store under another name to the registry of that name."""
        raise Unable

    def remove_container(self, name: str) -> None:
        """A stopped container."""
        raise Unable

    def remove(self, reference: str) -> Cost:
        """The image and all it alone needs."""
        raise Unable

    def references(self) -> list[str]:
        """What the store says it holds."""
        raise Unable

    def read(self, reference: str, path: str) -> bytes:
        """A file of an image."""
        return self.run(reference, ["cat", f"/{path}"]).output

    def tree(self, reference: str) -> tree.Tree:
        """What the image is to a container of this engine."""
        raise Unable


class DockerWords(Contestant):
    """An engine that is spoken to in docker's words."""

    pull_options: tuple[str, ...] = ()
    push_options: tuple[str, ...] = ()
    load_options: tuple[str, ...] = ("-q",)

    def argv(self, *words: str | Path) -> list[str]:
        """The command line for these words."""
        return [self.program, *map(str, words)]

    def pull(self, reference: str, image: BenchImage) -> Cost:
        return run(self.argv("pull", "-q", *self.pull_options, reference))

    def load(self, archive: Path) -> Cost:
        return run(self.argv("load", *self.load_options, "-i", archive))

    def save(self, reference: str, target: Path) -> Cost:
        return run(self.argv("save", "-o", target, reference))

    def run(self, reference: str, command: list[str], name: str = "") -> Cost:
        kept = ["--name", name] if name else ["--rm"]
        return run(self.argv("run", *kept, "--network", "host", reference, *command))

    def commit(self, container: str, reference: str) -> Cost:
        return run(self.argv("commit", container, reference))

    def push(self, reference: str, target: str) -> Cost:
        run(self.argv("tag", reference, target))
        cost = run(self.argv("push", "-q", *self.push_options, target))
        run(self.argv("rmi", target))
        return cost

    def remove(self, reference: str) -> Cost:
        return run(self.argv("rmi", reference))

    def remove_container(self, name: str) -> None:
        run(self.argv("rm", name))

    def references(self) -> list[str]:
        done = run(self.argv("images", "--format", "{{.Repository}}:{{.Tag}}"))
        return done.output.decode().split()

    def tree(self, reference: str) -> tree.Tree:
        made = run(self.argv("create", "--network", "host", reference, "true"))
        container = made.output.decode().split()[-1]
        reader, writer = os.pipe()
        os.fchmod(writer, 0o666)  # podman opens /dev/stdout, as another user's perhaps
        with (
            open(reader, "rb") as stream,
            subprocess.Popen(self.argv("export", container), stdout=writer) as process,
        ):
            os.close(writer)
            try:
                found = tree.of_tar(stream)
            except tarfile.TarError as error:
                raise RuntimeError(f"{self.name} exports {reference}: {error}") from None
        if process.returncode != 0:
            raise RuntimeError(f"{self.name} cannot export {reference}")
        run(self.argv("rm", container))
        return found
