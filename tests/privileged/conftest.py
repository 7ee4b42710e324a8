"""Stores with a small image in them, one for each module and backend."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import busybox_root, oci_runtimes
from tests.command_line import CommandLine, store_mounts
from tests.engine import BACKENDS


@pytest.fixture(scope="module", params=BACKENDS)
def shell(request: pytest.FixtureRequest) -> Iterator[CommandLine]:
    """A store on this backend that holds the image `box`; it must be clean at the end."""
    with tempfile.TemporaryDirectory(prefix="fastlayers-store-") as directory:
        command = CommandLine(Path(directory) / "store", request.param)
        command.must("import", "-", "box", stdin=busybox_root.tar())
        yield command
        for name in command.must("ps", "-aq").lines:
            command.call("rm", "-f", name)
        assert store_mounts(command.root) == []


@pytest.fixture
def fresh(tmp_path: Path) -> CommandLine:
    """An empty store on the default backend."""
    return CommandLine(tmp_path / "store")


@pytest.fixture(params=["", *oci_runtimes.EACH])
def by(request: pytest.FixtureRequest) -> list[str]:
    """Who starts containers: this engine, or a runtime."""
    # By its path, which it may have where an ordinary user does not look.
    return ["--runtime", str(shutil.which(request.param))] if request.param else []


@pytest.fixture(scope="session")
def box_tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small root filesystem as a file."""
    path = tmp_path_factory.mktemp("box") / "box.tar"
    path.write_bytes(busybox_root.tar())
    return path
