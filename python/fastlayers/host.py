"""The host's answers: what the system refused, as an error of ours, and files written whole."""

from __future__ import annotations

import os

from fastlayers.errors import HostError


def host_error(doing: str, error: OSError) -> HostError:
    """The error for a system call that failed while `doing` something."""
    place = f" {error.filename}" if error.filename else ""
    wrapped = HostError(f"{doing}{place}: {(error.strerror or str(error)).lower()}")
    wrapped.errno = error.errno or 0
    return wrapped


def make_directory(path: str, mode: int = 0o755) -> None:
    """Makes a directory and those above it; one that is there stays as it is."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise HostError(f"cannot make the directory {path}: a file is in its place") from None
    except OSError as error:
        raise host_error("cannot make the directory", error) from None


def list_directory(path: str) -> list[str]:
    """The names in a directory, in no order; none if it is not there."""
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise host_error("cannot read", error) from None


def write_file(path: str, data: bytes, *, sync: bool, mode: int = 0o644) -> None:
    """Writes a file beside its place and renames it there: readers see all of it or none.

    With `sync` it is on disk when this returns.
    """
    beside = f"{path}.{os.urandom(6).hex()}.new"
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            _write_all(descriptor, data)
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(beside, path)
        if sync:
            sync_directory(os.path.dirname(path))
    except BaseException as error:
        _discard(beside)
        if isinstance(error, OSError):
            raise host_error("cannot write", error) from None
        raise


def sync_directory(path: str) -> None:
    """Brings a directory's entries to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_file(path: str) -> bytes | None:
    """The bytes of a file of the store; None if it is not there."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise host_error("cannot read", error) from None


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _discard(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # it was not made, or has its final name by now


def unlink(name: str, directory: int | None = None) -> None:
    """Removes a file, in an open directory if one is given; one that is not there is fine."""
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return
