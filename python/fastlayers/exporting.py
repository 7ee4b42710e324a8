"""Export: a container's root as one tar, to whatever kind of file it is wanted in."""

from __future__ import annotations

import os
import stat

from fastlayers import _core
from fastlayers.container_state import RUNNING
from fastlayers.host import host_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

    from fastlayers.container import Container


def export(container: Container, file: str | os.PathLike[str] | IO[bytes] | int) -> None:
    """Writes the tar; see Container.export."""
    if isinstance(file, int):
        _write(container, file)
    elif isinstance(file, (str, os.PathLike)):
        _export_to_path(container, os.fspath(file))
    else:
        _export_to_object(container, file)


def _export_to_path(container: Container, path: str) -> None:
    """A new file appears complete or not at all; pipes and devices are written to as they are."""
    try:
        special = os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode)
        beside = path if special else f"{path}.{os.urandom(6).hex()}.new"
        flags = os.O_WRONLY | os.O_CLOEXEC | (0 if special else os.O_CREAT | os.O_EXCL)
        descriptor = os.open(beside, flags, 0o600)
    except OSError as error:
        raise host_error("cannot write", error) from None
    try:
        try:
            _write(container, descriptor)
        finally:
            os.close(descriptor)
        if not special:
            os.rename(beside, path)
    except BaseException as error:
        if not special:
            os.unlink(beside)
        if isinstance(error, OSError):
            raise host_error("cannot write", error) from None
        raise


def _export_to_object(container: Container, file: IO[bytes]) -> None:
    try:
        descriptor = file.fileno()
    except (AttributeError, OSError):
        import shutil
        import tempfile

        with tempfile.TemporaryFile(dir=container.directory) as spool:
            _write(container, spool.fileno())
            spool.seek(0)
            shutil.copyfileobj(spool, file, 1 << 20)
        return
    file.flush()
    _write(container, descriptor)


def _write(container: Container, descriptor: int) -> None:
    store = container.store
    store.prepare_chain(container.diff_ids, container.manifest_digest)
    state = container.state()

    def write() -> None:
        _core.export_root(
            store.root,
            list(container.diff_ids),
            store.mount_backend,
            container.directory,
            descriptor,
        )

    if state.status != RUNNING:
        with container.steady():
            write()
        return
    from fastlayers.freezer import Freezer

    with Freezer(state.pid):
        write()
