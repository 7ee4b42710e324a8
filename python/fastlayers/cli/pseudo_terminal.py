"""A command on a pseudo-terminal, and someone who types into it: for interactive shells."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable

# Escape sequences; and what is written elsewhere on the screen, between saving the cursor's place
# and going back to it.
_ESCAPES = re.compile(
    r"\x1b7[^\n]*?\x1b8"
    r"|\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])"
)
# What shells show when they wait: "root@0123456789ab:/# ", "/ # ", "sh-5.2$ ".
_PROMPT = re.compile(r"(?:^|[\r\n])[^\r\n]{0,120}[#$] $")
_SETTLED_SECONDS = 0.3
_TYPING_SECONDS = 0.02


class TerminalTimeoutError(Exception):
    """What was waited for did not come; `seen` is what came instead."""

    def __init__(self, awaited: str, seen: str) -> None:
        super().__init__(awaited)
        self.seen = seen


class PseudoTerminal:
    """A running command whose terminal this is. All that it writes is passed on to `watch`."""

    def __init__(
        self, words: list[str], watch: Callable[[str], None], *, size: tuple[int, int]
    ) -> None:
        self._watch = watch
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            try:
                os.execvp(words[0], words)
            finally:
                os._exit(127)
        rows, columns = size
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def prompt(self, seconds: float) -> str:
        """Waits until the shell asks for a command; returns what came since the last one."""
        deadline = time.monotonic() + seconds
        while True:
            settled = not self._read(_SETTLED_SECONDS)
            text = plain(self._pending)
            if settled and _PROMPT.search(text):
                self._pending = ""
                return text
            if time.monotonic() > deadline or (settled and self._fd < 0):
                raise TerminalTimeoutError("a prompt", text)

    def type(self, line: str) -> None:
        """Types a line, and the return key."""
        for key in line + "\r":
            os.write(self._fd, key.encode())
            time.sleep(_TYPING_SECONDS)

    def end(self, seconds: float) -> int:
        """Waits for the end of the command; returns its exit code."""
        deadline = time.monotonic() + seconds
        while self._fd >= 0:
            self._read(_SETTLED_SECONDS)
            if time.monotonic() > deadline:
                raise TerminalTimeoutError("the end of the command", plain(self._pending))
        return self._reap()

    def close(self) -> None:
        """Ends the command, if it has not ended. Idempotent."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGHUP)
            self._hang_up()
            deadline = time.monotonic() + 5
            while os.waitpid(self._pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > deadline:
                    os.kill(self._pid, signal.SIGKILL)
                    os.waitpid(self._pid, 0)
                    break
                time.sleep(0.05)
            self._pid = 0

    def _reap(self) -> int:
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        code = os.waitstatus_to_exitcode(status)
        return 128 - code if code < 0 else code

    def _read(self, seconds: float) -> bool:
        """Takes what there is to read; false if nothing came in that time."""
        if self._fd < 0 or not select.select([self._fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:
            data = b""  # EIO: the other side is closed
        if not data:
            self._hang_up()
            return False
        text = self._decoder.decode(data)
        self._pending += text
        self._watch(text)
        return True

    def _hang_up(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def plain(text: str) -> str:
    """Text without what moves cursors, sets colours or is written aside, as progress bars are."""
    return _ESCAPES.sub("", text)
