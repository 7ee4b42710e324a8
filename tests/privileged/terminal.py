"""A pseudo-terminal with a program on it: type, wait for text, resize, read the exit code."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence


class Terminal:
    """Runs a command as on a terminal. Close it, or use it as a context."""

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        rows: int = 30,
        columns: int = 100,
    ) -> None:
        self.output = b""
        self._seen = 0
        self._code: int | None = None
        # The size is there before the program starts: it may ask at once.
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self.master)
            os.login_tty(slave)
            os.execvpe(argv[0], list(argv), dict(environment))
        self.slave = slave  # kept open: its settings are looked at when the program has ended

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self.slave)
        os.close(self.master)

    def resize(self, rows: int, columns: int) -> None:
        """Changes the window size, as a person drags its corner."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def pid(self) -> int:
        """The process of the program."""
        return self._pid

    def settings(self) -> list[object]:
        """The terminal's modes (termios.tcgetattr)."""
        return termios.tcgetattr(self.slave)

    @property
    def text(self) -> str:
        """What was written so far, as lines: without colours, cursor keys and carriage returns."""
        plain = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]|\r", b"", self.output)
        return plain.decode(errors="replace")

    def type(self, text: str) -> None:
        """Types some text; control characters are keys."""
        os.write(self.master, text.encode())

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return False
        try:
            piece = os.read(self.master, 65536)
        except OSError:  # EIO: nobody holds the other end any more
            return False
        self.output += piece
        return bool(piece)

    def expect(self, pattern: str, seconds: float = 30) -> str:
        """Waits for text that has not been waited for before; returns what was before it too."""
        deadline = time.monotonic() + seconds
        while True:
            text = self.text
            match = re.compile(pattern).search(text, self._seen)
            if match:
                before, self._seen = text[self._seen : match.end()], match.end()
                return before
            if time.monotonic() > deadline or (self._ended() and not self._read(0.2)):
                tail = text[self._seen :][-1500:]
                raise AssertionError(f"{pattern!r} did not appear; the terminal shows:\n{tail}")
            self._read(0.1)

    def _ended(self) -> bool:
        if self._code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code is not None

    def wait(self, seconds: float = 60) -> int:
        """Waits for the end of the program and gives its exit code."""
        deadline = time.monotonic() + seconds
        while not self._ended():
            assert time.monotonic() < deadline, f"still running:\n{self.output[-1500:]!r}"
            self._read(0.1)
        while self._read(0):
            pass
        assert self._code is not None
        return self._code
