"""Freezer: holds all processes of a container still while it is looked at."""

from __future__ import annotations

import time

from fastlayers.errors import HostError
from fastlayers.process import processes_of, send_signal, start_time, stat_field

_STOPPED = (b"T", b"t")
_STILL = (*_STOPPED, b"Z", b"X", b"")
_ROUNDS = 50
_PATIENCE_SECONDS = 2.0
_PAUSE_SECONDS = 0.001


class Freezer:
    """A context in which no process of a container runs.

    They are stopped from the first process down and continued from the last one up, so that a
    shell never sees a child of its own stopped and does not take its terminal back. Processes
    that were stopped already stay so. Without a first process, as for a container that is paused,
    there is nothing to stop.
    """

    __slots__ = ("_first", "_stopped")

    def __init__(self, first_pid: int | None) -> None:
        self._first = first_pid
        self._stopped: list[tuple[int, int]] = []

    def __enter__(self) -> Freezer:
        if self._first is None:
            return self
        try:
            for _ in range(_ROUNDS):
                if not self._stop_round(self._first):
                    self._await_stop()
                    return self
            raise HostError("the container's processes cannot be paused: new ones keep appearing")
        except BaseException:
            self._thaw()
            raise

    def __exit__(self, *_: object) -> None:
        self._thaw()

    def _stop_round(self, first: int) -> bool:
        """Stops what runs; whether there was anything to stop."""
        import signal

        known = set(self._stopped)
        found = False
        for pid in processes_of(first):
            started = start_time(pid)
            if not started or (pid, started) in known or _state(pid) in _STOPPED:
                continue
            if send_signal(pid, started, signal.SIGSTOP):
                self._stopped.append((pid, started))
                found = True
        return found

    def _await_stop(self) -> None:
        """A signal is only sent so far; the last write may still be under way."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while any(_state(pid) not in _STILL for pid, _ in self._stopped):
            if time.monotonic() > deadline:
                # In the kernel, on a device that does not answer: it is as good as still.
                return
            time.sleep(_PAUSE_SECONDS)

    def _thaw(self) -> None:
        import signal

        while self._stopped:
            pid, started = self._stopped.pop()
            send_signal(pid, started, signal.SIGCONT)


def _state(pid: int) -> bytes:
    return stat_field(pid, 0)
