"""Processes of the host, told apart from later ones that got the same number."""

from __future__ import annotations

import os

from fastlayers.host import host_error


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 if there is no such process."""
    return int(stat_field(pid, 19) or 0)


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


def descendants(first: int) -> list[int]:
    """A process and all that descend from it, parents before children.

    The first process of a PID namespace adopts every orphan in it, so these are all processes of
    the container, those in further namespaces included.
    """
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            parent = stat_field(int(name), 1)
            if parent:  # empty: it ended while we looked
                children.setdefault(int(parent), []).append(int(name))
    found = [first]
    for pid in found:
        found.extend(sorted(children.get(pid, ())))
    return found


def may_have_cgroups() -> bool:
    """Whether containers may have control groups here at all: quicker to know than where."""
    places = ("", "unified/", "freezer/", "memory/", "cpu/", "pids/", "cpuset/", "cpu,cpuacct/")
    return any(os.path.isdir(f"/sys/fs/cgroup/{place}fastlayers") for place in places)


def send_signal(pid: int, started: int, number: int) -> bool:
    """Sends a signal to the very process that started then; False if it is gone."""
    import signal

    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    except OSError as error:
        raise host_error(f"cannot signal process {pid}", error) from None
    try:
        if start_time(pid) != started:
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    except OSError as error:
        raise host_error(f"cannot signal process {pid}", error) from None
    finally:
        os.close(handle)
    return True
