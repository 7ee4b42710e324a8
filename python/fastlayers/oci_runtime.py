"""Containers that an OCI runtime of the host starts (crun, runc, youki), instead of this engine.

All the runtime has of its own, its state and its bundle, lies in a mount namespace that ends with
the container; see cpp/run/runtime.hpp and runtime_keeper.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys

from fastlayers import _core
from fastlayers.errors import (
    CommandNotFoundError,
    FastlayersError,
    LaunchError,
    NotExecutableError,
    UnsupportedError,
)
from fastlayers.host import host_error
from fastlayers.oci import fields
from fastlayers.oci_bundle import (
    Account,
    bundle_config,
    config_text,
    refuse_what_it_cannot,
)
from fastlayers.process import has_only_version_2

__all__ = ["find_runtime", "launch_with_runtime", "refuse_what_it_cannot"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fastlayers.container import Container

_REPORT_BYTES = 1 << 17
# Around whatever has failed, be it about a command or not.
_YOUKI_FRAMES = ("error in executing command", "exec process failed")
_NOT_EXECUTABLE = (
    "permission denied", "exec format", "is a directory", "does not have correct permissions",
)  # fmt: skip
_KEEPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "runtime_keeper.py")


def find_runtime(name: str) -> str:
    """The path of a runtime's program. UnsupportedError if it is not installed."""
    path = shutil.which(name)
    if path is None:
        where = "there is no such program" if os.path.isabs(name) else "it is not in PATH"
        raise UnsupportedError(f"runtime '{name}' is not installed: {where}")
    return os.path.abspath(path)


def launch_with_runtime(
    container: Container, spec: _core.LaunchSpec, started: Callable[[int], None]
) -> tuple[int, str]:
    """As _core.launch. LaunchError says what the runtime did not like."""
    name = container.options.runtime
    program = find_runtime(name)
    refuse_what_it_cannot(container.options)
    account = Account(*_core.prepare_for_runtime(spec, True))
    config = bundle_config(
        container,
        spec,
        account,
        root=os.path.join(container.directory, "merged"),
        folder=os.path.join(container.directory, "bundle"),
    )
    python = [sys.executable, "-I", "-S", _KEEPER]
    if spec.cgroups and not has_only_version_2():
        # Before it is the container's user: of version 1, groups are joined by one's own processes.
        config["hooks"] = {"createRuntime": [{"path": python[0], "args": [*python, "join"]}]}
    keeper = [*python, program, container.id]
    ours, theirs = _socket_pair()
    failure: list[LaunchError] = []

    def receive() -> tuple[int, int, int] | None:
        theirs.close()
        message, descriptors, _, _ = socket.recv_fds(
            ours, _REPORT_BYTES, 2, socket.MSG_CMSG_CLOEXEC
        )
        if descriptors:
            pidfd, terminal = (*descriptors, -1)[:2]
            pid = _pid_of(pidfd)
            try:  # the keeper waits for that, and from then on for our end
                ours.send(b"\0", socket.MSG_NOSIGNAL)
            except OSError:
                pass  # it has ended, and with it the container
            return pid, pidfd, terminal
        failure.append(_failure(name, message))
        return None

    with ours, theirs:
        try:
            return _core.launch_with_runtime(
                spec,
                [*keeper, _terminal_size(spec) if spec.tty else ""],
                config_text(config),
                account.uid,
                theirs.fileno(),
                ours.fileno(),
                receive,
                started,
            )
        except FastlayersError:
            if failure:
                raise failure[0] from None
            raise


def _terminal_size(spec: _core.LaunchSpec) -> str:
    """ "COLUMNSxLINES" of the caller's terminal, or of who is attached; "0x0" if there is none."""
    for descriptor in (spec.stdout_fd, spec.stdin_fd, spec.stderr_fd) if spec.attach else ():
        try:
            return "x".join(map(str, os.get_terminal_size(descriptor)))
        except (OSError, ValueError, OverflowError):
            continue
    return f"{spec.columns}x{spec.rows}"


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    try:
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError as error:
        raise host_error("cannot start a runtime", error) from None


def _pid_of(pidfd: int) -> int:
    """The number that a process has for us, which is not the one that its keeper sees."""
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as about:
        numbers = (line.split(":")[1] for line in about if line.startswith("Pid:"))
        return int(next(numbers))


def _failure(name: str, message: bytes) -> LaunchError:
    """The error for what a runtime said: that of a command if it is about that, as Docker reads
    it."""
    if not message:
        return LaunchError(f"runtime '{name}' was ended before it had started the container")
    text = fields.text(fields.parse_object(message, "keeper's report"), "error", "keeper's report")
    lower = text.lower()
    for frame in _YOUKI_FRAMES:
        lower = lower.replace(frame, "")
    kind = LaunchError
    if "exec" in lower:
        if "not found" in lower or "no such file or directory" in lower:
            kind = CommandNotFoundError
        elif any(why in lower for why in _NOT_EXECUTABLE):
            kind = NotExecutableError
    return kind(f"runtime '{name}': {text}")
