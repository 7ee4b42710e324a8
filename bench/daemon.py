"""A server process of one's own: started, waited for, and ended by pid."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_SHOWN_CHARACTERS = 800


class Daemon:
    """Runs from the moment it is made until stop(). RuntimeError with the end of its log if it is
    not `ready` in time."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        ready: Callable[[], bool],
        *,
        patience_seconds: float,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._patience_seconds = patience_seconds
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command, stdout=out, stderr=out, env={**os.environ, **(environment or {})}
            )
        end = time.monotonic() + patience_seconds
        while not ready():
            if time.monotonic() > end or self._process.poll() is not None:
                self.stop()
                said = log.read_text(errors="replace")[-_SHOWN_CHARACTERS:]
                raise RuntimeError(f"{command[0]} does not start: {said}")
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def stop(self) -> None:
        """Asks it to end, and kills it if it does not."""
        self._process.terminate()
        try:
            self._process.wait(self._patience_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
