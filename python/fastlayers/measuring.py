"""What the processes of a container use at an instant, by /proc."""

from __future__ import annotations

import os
import time

from fastlayers.container_state import RUNNING
from fastlayers.oci.frozen import Frozen
from fastlayers.process import processes_of, stat_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastlayers.container import Container

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


class Use(Frozen):
    """What is used. `cpu_seconds` is the processor time of those that live, and of their children
    that have ended; `memory` is bytes, shared pages counted once for each process (PSS where the
    kernel tells it); `read` and `written` are bytes to and from disks; `received` and `sent` of a
    network of its own, else 0; `at` is the monotonic clock's seconds."""

    __slots__ = (
        "at",
        "cpu_seconds",
        "memory",
        "memory_limit",
        "processes",
        "read",
        "received",
        "sent",
        "written",
    )

    at: float
    cpu_seconds: float
    memory: int
    memory_limit: int
    processes: int
    read: int
    written: int
    received: int
    sent: int

    def __init__(self, **values: float) -> None:
        self._set(**{name: values.get(name, 0) for name in self.__slots__})

    def cpu_percent(self, before: Use) -> float:
        """Percent of one processor since an earlier measurement."""
        passed = self.at - before.at
        return 100 * max(self.cpu_seconds - before.cpu_seconds, 0) / passed if passed > 0 else 0.0


def measure(container: Container) -> Use:
    """What a container uses; nothing unless it runs."""
    state = container.state()
    limit = container.options.limits.memory or _host_memory()
    if state.status != RUNNING:
        return Use(at=time.monotonic(), memory_limit=limit)
    totals: dict[str, float] = {}
    for pid in processes_of(state.pid):
        for name, value in _of_process(pid).items():
            totals[name] = totals.get(name, 0) + value
    received, sent = (0, 0) if container.options.network == "host" else _network(state.pid)
    return Use(at=time.monotonic(), memory_limit=limit, received=received, sent=sent, **totals)


def _of_process(pid: int) -> dict[str, float]:
    fields = stat_fields(pid)
    if not fields:
        return {}  # it ended while we looked
    pss = _number(_read(pid, "smaps_rollup"), "Pss:") * 1024
    io = _read(pid, "io")
    return {
        "cpu_seconds": sum(map(int, fields[11:15])) / _TICKS,
        "memory": pss or int(fields[21]) * _PAGE_BYTES,
        "processes": int(fields[17]),  # threads: what Docker's PIDS counts
        "read": _number(io, "read_bytes:"),
        "written": _number(io, "write_bytes:"),
    }


def _network(pid: int) -> tuple[int, int]:
    received = sent = 0
    for line in _read(pid, "net/dev").splitlines()[2:]:
        name, _, rest = line.partition(":")
        if name.strip() != "lo":
            words = rest.split()
            received, sent = received + int(words[0]), sent + int(words[8])
    return received, sent


def _host_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES


def _number(text: str, key: str) -> int:
    for line in text.splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0


def _read(pid: int, name: str) -> str:
    try:
        with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
