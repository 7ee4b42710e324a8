"""Processes of the host, told apart from later ones that got the same number."""

from __future__ import annotations

import os

from fastlayers.host import host_error, read_file

_CGROUPS = "/sys/fs/cgroup"
_ID_LENGTH = 64
# Of version 1, all in which cgroup.py makes groups.
_HIERARCHIES = (
    "freezer", "memory", "cpu", "cpu,cpuacct", "pids", "cpuset", "blkio", "devices",
)  # fmt: skip


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 if there is no such process."""
    return int(stat_field(pid, 19) or 0)


def boot_id() -> str:
    """Which boot of the machine this is: times since then mean nothing in another; "" if it is not
    told."""
    return (read_file("/proc/sys/kernel/random/boot_id") or b"").decode("ascii", "replace").strip()


def stat_field(pid: int, field: int) -> bytes:
    """A field of /proc/<pid>/stat, counted from the state; empty if the process is gone."""
    fields = stat_fields(pid)
    return fields[field] if fields else b""


def stat_fields(pid: int) -> list[bytes]:
    """The fields of /proc/<pid>/stat from the state on; none if the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            line = file.read()
    except OSError:
        return []
    # The name, in parentheses, may contain anything; the fields begin behind the last one.
    return line[line.rindex(b")") + 2 :].split()


def processes_of(first: int) -> list[int]:
    """The processes of the container whose first process this is, parents before children: all that
    are in its PID namespace, or where it has none of its own in its control group, and all that
    descend from those.

    The first process of a namespace adopts every orphan in it, but what was executed in it later
    has its parent outside.
    """
    children: dict[int, list[int]] = {}
    found = [first]
    place, place_of = _pid_namespace(first), _pid_namespace
    if place == _pid_namespace(os.getpid()):
        place, place_of = _container_group(first), _container_group
    for name in os.listdir("/proc"):
        if name.isdigit():
            pid, parent = int(name), stat_field(int(name), 1)
            if parent:  # empty: it ended while we looked
                children.setdefault(int(parent), []).append(pid)
                if place and pid != first and place_of(pid) == place:
                    found.append(pid)
    known = set(found)
    for pid in found:
        further = [child for child in sorted(children.get(pid, ())) if child not in known]
        known.update(further)
        found.extend(further)
    return found


def _pid_namespace(pid: int) -> str:
    """ "" if it is gone, or nobody that this process may look at."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def _container_group(pid: int) -> str:
    """The name of the control group of a container's that a process is in; "" for none."""
    for line in (read_file(f"/proc/{pid}/cgroup") or b"").splitlines():
        parent, _, name = line.rpartition(b"/")
        if parent.endswith(b"/fastlayers") and len(name) == _ID_LENGTH:
            return name.decode("ascii", "replace")
    return ""


def own_group(membership: str = "/proc/self/cgroup") -> str:
    """The group of version 2 that this process is in, from the root: "/user.slice"; cgroups(7)."""
    with open(membership, encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            if line.startswith("0::"):
                return line[3:].rstrip("\n").removesuffix(" (deleted)")
    return "/"


def has_only_version_2() -> bool:
    """Whether this host has control groups of version 2 alone: then containers see theirs only."""
    return os.path.exists(os.path.join(_CGROUPS, "cgroup.controllers"))


def is_in_unit(membership: str = "/proc/self/cgroup") -> bool:
    """Whether systemd has this process among those of a service or session (systemd.kill(5))."""
    with open(membership, "rb") as table:
        return any(
            step.endswith((b".service", b".scope"))
            for line in table
            if line.split(b":")[1] in (b"", b"name=systemd")
            for step in line.rstrip().split(b"/")
        )


def is_apart(membership: str = "/proc/self/cgroup") -> bool:
    """Whether this process has left such a unit; what it starts needs a group of its own."""
    return own_group(membership).endswith("/fastlayers/supervisors")


def groups_around(root: str, own: str) -> tuple[list[str], list[str]]:
    """The folders of the groups around one, outermost first, where `root` is that of the first; and
    of those of its user's systemd, in which containers may be that were started elsewhere."""
    around, services = [root], []
    for step in filter(None, own.split("/")):
        around.append(os.path.join(around[-1], step))
        if step.startswith("user-") and step.endswith(".slice"):
            services.append(os.path.join(around[-1], f"user@{step[5:-6]}.service"))
    return around, services


def may_have_cgroups() -> bool:
    """Whether containers may have control groups here at all: quicker to know than where."""
    places = [f"{_CGROUPS}/{name}" for name in _HIERARCHIES]
    try:
        own = own_group()
    except OSError:
        own = "/"
    for root in (_CGROUPS, f"{_CGROUPS}/unified"):
        around, services = groups_around(root, own)
        places += around + services
    return any(os.path.isdir(os.path.join(place, "fastlayers")) for place in places)


def open_process(pid: int, started: int) -> int:
    """A descriptor of the very process that started then; -1 if it is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return -1
    except OSError as error:
        raise host_error(f"cannot signal process {pid}", error) from None
    if start_time(pid) == started:
        return handle
    os.close(handle)
    return -1


def send_signal(pid: int, started: int, number: int) -> bool:
    """Sends a signal to the very process that started then; False if it is gone."""
    import signal

    handle = open_process(pid, started)
    if handle < 0:
        return False
    try:
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    except OSError as error:
        raise host_error(f"cannot signal process {pid}", error) from None
    finally:
        os.close(handle)
    return True
