"""Nameless scratch files inside the store's root, for archives that cannot be read in place.

A spool file has no name, so it is gone with its descriptor however the process ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

from fastlayers import _core

from .input import (
    CHUNK_BYTES,
    HEAD_BYTES,
    Replay,
    Source,
    compression_of,
    each_chunk,
    host_error,
    label_of,
    open_path,
    read_at,
    regular_descriptor,
)


def open_spool(root: str) -> int:
    """A descriptor of a new nameless file in `root`."""
    try:
        return os.open(root, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise host_error(f"cannot make a temporary file in {root}", error) from None
    try:
        descriptor, path = tempfile.mkstemp(prefix=".spool-", dir=root)
        os.unlink(path)
    except OSError as error:
        raise host_error(f"cannot make a temporary file in {root}", error) from None
    return descriptor


@contextlib.contextmanager
def open_seekable(root: str, source: Source) -> Iterator[int]:
    """A descriptor of the uncompressed bytes of an input, to be read at any offset.

    A plain regular file is used as it is; anything else is copied, and decompressed on the way,
    to a spool file in `root`.
    """
    with contextlib.ExitStack() as stack:
        label = label_of(source)
        if isinstance(source, (str, os.PathLike)):
            file: IO[bytes] = os.fdopen(open_path(os.fspath(source)), "rb", buffering=0)
            stack.enter_context(file)
        else:
            file = source
        descriptor = regular_descriptor(file)
        if descriptor >= 0 and compression_of(read_at(descriptor, HEAD_BYTES, 0)) == "none":
            yield descriptor
            return
        spool = open_spool(root)
        stack.callback(os.close, spool)
        _fill(spool, Replay(file, label), label)
        yield spool


def _fill(spool: int, file: Replay, label: str) -> None:
    if compression_of(file.head) in ("gzip", "zstd"):
        _fill_through_core(spool, file, label)
    else:
        each_chunk(file, lambda data: _write_all(spool, data), label)


def _write_all(descriptor: int, data: memoryview) -> None:
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise host_error("cannot write a temporary file", error) from None


def _fill_through_core(spool: int, file: Replay, label: str) -> None:
    """Decompresses in a thread of its own, behind a pipe: so this thread can be interrupted, and
    closing the pipe ends the other one whatever it is doing."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    with contextlib.suppress(OSError):  # an unprivileged user may have used up the allowance
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, CHUNK_BYTES)
    failures: list[BaseException] = []

    def expand() -> None:
        try:
            _core.decompress_fd(reader, spool)
        except BaseException as error:
            failures.append(error)
        finally:
            os.close(reader)

    thread = threading.Thread(target=expand, name="fastlayers-spool", daemon=True)
    thread.start()
    try:
        each_chunk(file, lambda data: _write_all(writer, data), label)
    except BrokenPipeError:
        pass  # the other side has failed, and says why
    finally:
        os.close(writer)
        thread.join()
    if failures:
        raise failures[0]
