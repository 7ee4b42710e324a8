"""Result: what a command that has ended leaves behind."""

from __future__ import annotations

import os

from fastlayers.host import host_error
from fastlayers.oci.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Result(Frozen):
    """The exit code as a shell sees it (128 + n after signal n), and what was written, as bytes."""

    __slots__ = ("exit_code", "stderr", "stdout")

    exit_code: int
    stdout: bytes
    stderr: bytes

    def __init__(self, exit_code: int, stdout: bytes = b"", stderr: bytes = b"") -> None:
        self._set(exit_code=exit_code, stdout=stdout, stderr=stderr)

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 become escapes."""
        return self.stdout.decode("utf-8", "backslashreplace")

    def __repr__(self) -> str:
        return f"Result(exit_code={self.exit_code}, stdout={self.stdout!r}, stderr={self.stderr!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


def capture(run: Callable[[int, int, int], int], stdin: bytes) -> Result:
    """Calls `run` with descriptors for standard input, output and error; gives what was written.

    They are files in memory, so nothing has to read along while the command writes.
    """
    descriptors: list[int] = []
    try:
        for name in ("stdin", "stdout", "stderr"):
            descriptors.append(os.memfd_create(f"fastlayers-{name}", os.MFD_CLOEXEC))
        with open(descriptors[0], "wb", closefd=False) as file:
            file.write(stdin)
        os.lseek(descriptors[0], 0, os.SEEK_SET)
        code = run(descriptors[0], descriptors[1], descriptors[2])
        return Result(code, _contents(descriptors[1]), _contents(descriptors[2]))
    except OSError as error:
        raise host_error("cannot capture the output of a command", error) from None
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _contents(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    with open(descriptor, "rb", closefd=False) as file:
        return file.read()
