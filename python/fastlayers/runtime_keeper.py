"""The keeper of a container that an OCI runtime starts (cpp/run/runtime.hpp): a program of its own.

    python -I -S runtime_keeper.py RUNTIME ID COLUMNSxLINES

It is the first process of a PID namespace (or, where the container has the host's processes, their
adopter), in the folder of the bundle, with the container's standard streams as its own. The runtime
makes and starts the container; its first process then is a child of ours, whose exit code is ours
as well. What became of the start goes to descriptor 3: a JSON object and, if the container runs, a
pidfd of its first process and its terminal, if it has one (no size: it is to have none). The other
side then says that it has looked; if it ends before we do, so does the container.

    python -I -S runtime_keeper.py join

is what the runtime calls while it makes the container ("createRuntime" of the runtime-spec): brings
the first process into the control groups that are mounted in the bundle.
"""

from __future__ import annotations

import _thread
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import termios

_REPORT = 3
_CONSOLE = "console"
# As an absolute path, from whatever folder a runtime connects, that fits into the 107 bytes of a
# socket's.
_FROM_ANYWHERE = f"/proc/{os.getpid()}/cwd/{_CONSOLE}"
_SIGNAL_BASE = 128
_LONGEST_ERROR = 4000  # letters: it goes into one message
_LARGEST_LOG_BYTES = 1 << 16
_OF_ANY_ENTRY = ("timestamp", "level", "target", "message")


class Refused(Exception):
    """The runtime has not done it; says why."""


def main(runtime: str, container_id: str, size: str) -> int:
    report = socket.socket(fileno=_REPORT)
    report.set_inheritable(False)
    if os.getpid() != 1:  # else the kernel ends all if we end, and us with who has started us
        _thread.start_new_thread(_end_with, (report,))
    try:
        descriptors = _start(runtime, container_id, size)
    except (Refused, OSError, ValueError) as error:
        report.sendall(json.dumps({"error": str(error)}).encode())
        return 1
    init = _pid()
    try:
        socket.send_fds(report, [b"{}"], descriptors)
    except OSError:  # there is nobody any more who would own it
        _end(descriptors[0])
    for descriptor in descriptors:
        os.close(descriptor)
    report.recv(1)  # the other side has looked whom it got: nobody is reaped before
    while True:
        pid, status = os.waitpid(-1, 0)  # orphans of the runtime's as well
        if pid == init:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else _SIGNAL_BASE - code


def _end_with(starter: socket.socket) -> None:
    """When who started us is gone, ends the container, the runtime, if it is at work, and us."""
    poll = select.poll()
    poll.register(starter, 0)  # for the end of the other side alone
    poll.poll()
    try:
        os.kill(_pid(), signal.SIGKILL)  # it is ours, or will be, and was not reaped
    except (OSError, ValueError):
        pass  # it was not made
    os.killpg(0, signal.SIGKILL)


def _end(init: int) -> None:
    try:
        signal.pidfd_send_signal(init, signal.SIGKILL)
    except ProcessLookupError:
        return


def join(state: str) -> int:
    """Brings the container's process into its groups; `state` is what a hook is told of it."""
    try:
        about = json.loads(state)
        folder = os.path.join(about["bundle"], "cgroups")
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write(str(about["pid"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _start(runtime: str, container_id: str, size: str) -> list[int]:
    words = [runtime, "--root", os.path.abspath("state"), "--log", os.path.abspath("runtime.log")]
    words += ["--log-format", "json"]
    options = ["--bundle", os.getcwd(), "--pid-file", os.path.abspath("pid")]
    with socket.socket(socket.AF_UNIX) as console:
        if size:
            console.bind(_CONSOLE)
            console.listen(1)
            options += ["--console-socket", _FROM_ANYWHERE]
        _run([*words, "create", *options, container_id])
        descriptors = [os.pidfd_open(_pid())]
        if size:
            descriptors.append(_take_terminal(console))
            # Before the command begins: later it would be told of a change.
            columns, lines = map(int, size.split("x"))
            fcntl.ioctl(
                descriptors[-1], termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0)
            )
    null = os.open(os.devnull, os.O_RDWR)
    try:
        _run([*words, "start", container_id], streams=null)
    except Refused:
        _end(descriptors[0])
        raise
    for stream in (0, 1, 2):  # only the container is to hold them
        os.dup2(null, stream)
    os.close(null)
    return descriptors


def _run(command: list[str], streams: int | None = None) -> None:
    done = subprocess.run(command, stdin=streams, stdout=streams, stderr=streams, check=False)
    if done.returncode != 0:
        raise Refused(_last_error() or f"{command[0]} ended with exit code {done.returncode}")


def _take_terminal(console: socket.socket) -> int:
    console.setblocking(False)  # it has connected by now
    connection, _ = console.accept()
    with connection:
        _, descriptors, _, _ = socket.recv_fds(connection, 4096, 1)
    if not descriptors:
        raise Refused("the runtime has not sent the terminal")
    return descriptors[0]


def _last_error() -> str:
    """What the runtime has logged last. Of youki, which logs a failure from its cause on to what
    has come of it, the cause too."""
    try:
        with open("runtime.log", encoding="utf-8", errors="replace") as log:
            lines = log.read(_LARGEST_LOG_BYTES).splitlines()
    except OSError:
        return ""
    entries = [entry for entry in map(_entry, lines) if _text(entry)]
    if not entries:
        return ""
    text = _text(entries[-1])
    if len(entries) > 1 and "msg" not in entries[0]:
        text += f" ({_text(entries[0])})"
    return text[:_LONGEST_ERROR]


def _entry(line: str) -> dict[str, object]:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if isinstance(entry, dict) and ("msg" in entry or "message" in entry):
        return entry
    return {"msg": line}


def _text(entry: dict[str, object]) -> str:
    """In one line: its message and, as youki does not have it in there, what it is about."""
    if "msg" in entry:
        text = str(entry["msg"])
    else:
        about = (f"{key} {value}" for key, value in entry.items() if key not in _OF_ANY_ENTRY)
        text = ", ".join([str(entry["message"]), *about])
    return " ".join(text.split())


def _pid() -> int:
    with open("pid", encoding="ascii") as file:
        return int(file.read())


if __name__ == "__main__":
    try:
        is_hook = sys.argv[1:] == ["join"]
        code = join(sys.stdin.read()) if is_hook else main(*sys.argv[1:])
    except BaseException:
        code = 1
    os._exit(code)
