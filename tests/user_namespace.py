"""Runs a command as root of a user namespace with 65,536 ids, as rootless engines start theirs.

    python -m tests.user_namespace COMMAND ...

Who makes the namespace keeps being the same user outside, so files stay readable; but it is not the
initial namespace: no devices, no trusted.* attributes, few file systems.
"""

from __future__ import annotations

import ctypes
import os
import sys

_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x20000
_MAP = "0 0 65536"


def main(argv: list[str]) -> int:
    """Runs the command and returns its exit code."""
    made_read, made_write = os.pipe()
    mapped_read, mapped_write = os.pipe()
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_NEW_USER | _NEW_MOUNTS) != 0:
            os._exit(70)
        os.write(made_write, b"x")
        os.read(mapped_read, 1)
        os.execvp(argv[0], argv)
    os.close(made_write)
    if os.read(made_read, 1):
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{child}/{name}", "w") as file:
                file.write(_MAP)
        os.write(mapped_write, b"x")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
