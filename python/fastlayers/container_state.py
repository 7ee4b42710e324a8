"""The state of a container, as a file that reads correctly whoever died.

state.json says what the process that runs the container wrote last; whether it still runs, only
the lock says: it is held by that process and by nothing else.
"""

from __future__ import annotations

import os

from fastlayers.errors import CorruptError
from fastlayers.host import read_file, write_file
from fastlayers.lock import is_held
from fastlayers.oci import fields
from fastlayers.oci.frozen import Frozen
from fastlayers.process import boot_id, may_have_cgroups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastlayers.oci.fields import Json

CREATED = "created"
RUNNING = "running"
PAUSED = "paused"
EXITED = "exited"
# What is said of a container whose end nobody could record: as if by SIGKILL; and, as Docker says
# it, of one that ended with the machine.
KILLED = 137
LOST = 255


class State(Frozen):
    """One snapshot. `pid` is 0 unless it runs; `started` and `finished` are RFC 3339 text, "" if
    that has not happened; `error` says why it could not be started, or
    what of its output was lost; `out_of_memory` that the kernel ended a process of it for want of
    memory. `paused`: it runs, but is held still. `ports`: what is published, as
    port_option.Published reads it. `boot`: which boot of the machine it was started in, "" if that
    is not known."""

    __slots__ = (
        "boot",
        "error",
        "exit_code",
        "finished",
        "out_of_memory",
        "paused",
        "pid",
        "pid_start",
        "ports",
        "started",
        "status",
    )

    status: str
    pid: int
    pid_start: int  # clock ticks since boot, to tell a process from a later one of the same number
    exit_code: int
    started: str
    finished: str
    error: str
    out_of_memory: bool
    paused: bool
    ports: tuple[str, ...]
    boot: str

    def __init__(
        self,
        status: str = CREATED,
        *,
        pid: int = 0,
        pid_start: int = 0,
        exit_code: int = 0,
        started: str = "",
        finished: str = "",
        error: str = "",
        out_of_memory: bool = False,
        paused: bool = False,
        ports: Sequence[str] = (),
        boot: str = "",
    ) -> None:
        self._set(
            status=status,
            pid=pid,
            pid_start=pid_start,
            exit_code=exit_code,
            started=started,
            finished=finished,
            error=error,
            out_of_memory=out_of_memory,
            paused=paused,
            ports=tuple(ports),
            boot=boot,
        )

    @property
    def word(self) -> str:
        """What people call it: the status, or "paused"."""
        return PAUSED if self.paused else self.status

    def __repr__(self) -> str:
        return f"State({self.status!r}, pid={self.pid}, exit_code={self.exit_code})"

    def as_paused(self) -> State:
        """The same, held still."""
        return State(
            self.status,
            pid=self.pid,
            pid_start=self.pid_start,
            started=self.started,
            paused=True,
            ports=self.ports,
            boot=self.boot,
        )

    def to_json(self) -> Json:
        """The state as a JSON object; whether it is paused the kernel knows."""
        document: Json = {name: getattr(self, name) for name in self.__slots__ if name != "paused"}
        return {**document, "ports": list(self.ports)}


class StateFile:
    """state.json and the lock in a container's directory."""

    __slots__ = ("lock_path", "path")

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, "state.json")
        self.lock_path = os.path.join(directory, "lock")

    def read(self) -> State:
        """The state as it is now."""
        for _ in range(2):
            state = self._read()
            if state.status != RUNNING:
                return state
            if is_held(self.lock_path):
                return state if self._runs_on() else state.as_paused()
            # The one who ran it may have finished between the two looks; its last word counts.
        code = LOST if state.boot and state.boot != boot_id() else KILLED
        return State(EXITED, exit_code=code, started=state.started, finished=self._last_sign())

    def _runs_on(self) -> bool:
        if not may_have_cgroups():
            return True
        from fastlayers.cgroup import is_frozen

        return not is_frozen(os.path.basename(os.path.dirname(self.path)))

    def write(self, state: State) -> None:
        """Replaces the state; only for the process that holds the lock."""
        write_file(self.path, fields.dump(state.to_json()), sync=False, mode=0o600)

    def _read(self) -> State:
        raw = read_file(self.path)
        if raw is None:
            return State()
        try:
            return _parse(raw)
        except CorruptError:
            # Power failed before the file reached the disk: then nothing runs any more.
            return State(EXITED, exit_code=LOST, finished=self._last_sign())

    def _last_sign(self) -> str:
        from fastlayers.oci import timestamp

        try:
            return timestamp.from_ns(os.stat(self.path).st_mtime_ns)
        except OSError:
            return ""


def _parse(raw: bytes) -> State:
    document = fields.parse_object(raw, "state.json")
    return State(
        fields.text(document, "status", "state.json"),
        pid=fields.size(document, "pid", "state.json"),
        pid_start=fields.size(document, "pid_start", "state.json"),
        exit_code=fields.size(document, "exit_code", "state.json"),
        started=fields.text(document, "started", "state.json"),
        finished=fields.text(document, "finished", "state.json"),
        error=fields.text(document, "error", "state.json"),
        out_of_memory=fields.flag(document, "out_of_memory", "state.json"),
        ports=fields.strings(document, "ports", "state.json") or (),
        boot=fields.text(document, "boot", "state.json"),
    )
