"""FileLock: an advisory lock (flock) that lives as long as its descriptor.

A process that dies lets go of its locks, so nothing here can be left behind.
"""

from __future__ import annotations

import fcntl
import os
import time

from fastlayers.host import host_error

_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.05


class FileLock:
    """One hold on a lock file; use as a context manager, or acquire() and release().

    A lock that was acquired is inherited over fork() and then held by both processes until the
    last of them has released it.
    """

    __slots__ = ("_descriptor", "_operation", "path")

    def __init__(self, path: str, *, exclusive: bool) -> None:
        self.path = path
        self._operation = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        self._descriptor = -1

    @property
    def descriptor(self) -> int:
        """The descriptor that holds the lock; -1 if it is not held."""
        return self._descriptor

    def acquire(self, *, timeout_seconds: float | None = None) -> bool:
        """Waits for the lock, at most so long (0: not at all); says whether it is held now."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        pause = _FIRST_PAUSE_SECONDS
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise host_error("cannot open the lock", error) from None
        try:
            while True:
                blocking = 0 if deadline is None else fcntl.LOCK_NB
                try:
                    fcntl.flock(descriptor, self._operation | blocking)
                except BlockingIOError:
                    if deadline is None or time.monotonic() >= deadline:
                        os.close(descriptor)
                        return False
                    time.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                    continue
                self._descriptor = descriptor
                return True
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, OSError):
                raise host_error(f"cannot lock {self.path}", error) from None
            raise

    def release(self) -> None:
        """Lets go. Idempotent. By closing only: an explicit unlock would also take the lock from
        a process that inherited it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def leave_note(self, text: str) -> None:
        """Writes something into the lock file for those who wait for the lock: they can read it
        even when the file has been removed meanwhile."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode("ascii"), 0)

    def read_note(self) -> str:
        """What was left there last; the lock must be held."""
        return os.pread(self._descriptor, 64, 0).decode("ascii", "replace")

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_held(path: str) -> bool:
    """Whether some process holds a lock file exclusively."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise host_error("cannot open the lock", error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
