"""Cgroups: what a container may use, and how it is held still.

Limits are kept by the kernel's controllers (admin-guide/cgroup-v2.rst, cgroup-v1/), each in the
hierarchy that it is in on this host. A container has the group fastlayers/<id> in those that it
needs only: moving a process costs milliseconds. In version 2 it lies below the root, or for an
ordinary user below the outermost group around this process that was given to the user ("delegation
containment": a process is moved only by who may write to the group around both places).
"""

from __future__ import annotations

import errno
import os
import time

from fastlayers import _core
from fastlayers.errors import FastlayersError, HostError, UnsupportedError
from fastlayers.host import host_error
from fastlayers.process import groups_around, is_apart, own_group, processes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fastlayers.limits import Limits

_PARENT = "fastlayers"  # process.may_have_cgroups() knows it too
_CALLERS = "callers"  # in it: who was in the group that is divided among containers
_SUPERVISORS = "supervisors"  # in it: who left the service or session that it was begun in
_SHOWN = ("cpu", "memory", "pids")  # controllers that a container which is not limited has, too
_PERIOD_US = 100_000
_FREEZE_SECONDS = 10.0
_REMOVE_SECONDS = 5.0
_PAUSE_SECONDS = 0.001
_ROUNDS = 100
_NO_DISK_WEIGHT = "this kernel does not weigh disk access: leave --blkio-weight out"
_NO_SWAP_LIMIT = "this kernel does not limit swap: leave --memory-swap out"
# What goes into a group's file to let it run and to hold it, in version 2 and in version 1.
_FREEZER_WORDS = {"cgroup.freeze": ("0", "1"), "freezer.state": ("THAWED", "FROZEN")}


class Hierarchies:
    """Where the controllers of this host are: each in version 2 if it is there, else in 1."""

    __slots__ = ("home", "is_inside", "unified", "version_1")

    unified: str  # the root of version 2; "" if it is not mounted
    home: str  # the group of version 2 in which containers have theirs; "" if it is nowhere allowed
    is_inside: bool  # whether this process is in it, and so what it starts can be moved into groups
    version_1: dict[str, str]

    def __init__(
        self, mountinfo: str = "/proc/self/mountinfo", membership: str = "/proc/self/cgroup"
    ) -> None:
        self.unified = self.home = ""
        self.version_1 = {}
        shown = "/"  # what of the hierarchy the mount shows
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as table:
            for line in table:
                before, _, behind = line.partition(" - ")
                kind, _, options = behind.split(" ", 2)
                path = before.split(" ")[4]
                if kind == "cgroup2" and not self.unified:
                    self.unified, shown = path, before.split(" ")[3]
                elif kind == "cgroup":
                    for name in options.strip().split(","):
                        self.version_1.setdefault(name, path)
        if not self.unified:
            self.is_inside = False
            return
        own = os.path.relpath(own_group(membership), shown)
        is_shown = own.split("/")[0] not in (".", "..")  # it is in the part that is mounted here
        around, services = groups_around(self.unified, own if is_shown else "")
        self.home = next(filter(_is_given, around), "")
        if not self.home and _core.in_initial_user_namespace() and os.geteuid() == 0:
            self.home = self.unified  # mounted read-only, say
        self.is_inside = bool(self.home)
        self.home = self.home or next(filter(_is_given, services), "")

    def is_unified(self, controller: str) -> bool:
        """Whether a controller is in version 2."""
        return bool(self.unified) and controller in _words(self.unified, "cgroup.controllers")

    def group(self, controller: str, container_id: str) -> str:
        """The folder of a container's group for a controller. UnsupportedError without it."""
        if self.is_unified(controller):
            why = self.why_not(controller)
            if why:
                raise UnsupportedError(f"cannot limit what the container uses: {why}")
            return os.path.join(self.home, _PARENT, container_id)
        if controller in self.version_1:
            return os.path.join(self.version_1[controller], _PARENT, container_id)
        raise UnsupportedError(
            f"this host has no {controller} controller of cgroups: such a limit cannot be kept"
        )

    def freezer(self, container_id: str) -> str:
        """The folder of the group that can be frozen."""
        if self.home:
            return os.path.join(self.home, _PARENT, container_id)
        if self.unified and "freezer" not in self.version_1:
            raise UnsupportedError(f"cannot hold processes together: {self.why_not()}")
        return self.group("freezer", container_id)

    def why_not(self, controller: str = "") -> str:
        """Why this process cannot start containers in groups of version 2 that have a controller,
        and what to change; "" if it can."""
        if not self.is_inside:
            return (
                f"this process is in the control group {own_group()}, which is not this user's: "
                "begin with systemd-run --user --scope -p Delegate=yes, or have root give the user "
                "a group (chown it and its cgroup.procs, cgroup.subtree_control and "
                "cgroup.threads) and put the shell into one below it"
            )
        if controller and controller not in _words(self.home, "cgroup.controllers"):
            return (
                f"the control group {self.home} was not given the controller {controller}: where "
                "systemd gave it, have root run systemctl edit user@.service, with "
                "Delegate=cpu cpuset io memory pids under [Service]"
            )
        return ""

    def limits_swap(self) -> bool:
        """Whether this kernel limits memory and swap together, or the one beside the other."""
        path = os.path.join(self.version_1.get("memory", ""), "memory.memsw.limit_in_bytes")
        return self.is_unified("memory") or os.path.exists(path)

    def existing(self, container_id: str) -> list[str]:
        """All groups that a container has."""
        roots = dict.fromkeys([self.home, *self.version_1.values()])
        paths = (os.path.join(root, _PARENT, container_id) for root in roots if root)
        return [path for path in paths if os.path.isdir(path)]


def _with_home() -> Hierarchies:
    """Of this process once it may make groups for containers, if its systemd helps it to that."""
    hierarchies = Hierarchies()
    if hierarchies.unified and not hierarchies.is_inside:
        from fastlayers.systemd import enter_scope

        if enter_scope():
            return Hierarchies()
    return hierarchies


def create(container_id: str, limits: Limits) -> list[str]:
    """Makes the groups that keep limits; returns their folders, for the process to join."""
    hierarchies = _with_home()
    groups: dict[str, None] = {}
    try:
        for controller, settings in _settings(hierarchies, limits):
            path = hierarchies.group(controller, container_id)
            if hierarchies.is_unified(controller):
                _enable(hierarchies.home, controller)
            _make(path)
            groups[path] = None
            if controller == "cpuset" and not hierarchies.is_unified(controller):
                _inherit_cpuset(path)
            for name, value in list(_as_there(path, settings, limits)):
                _write(path, name, value)
    except BaseException as error:
        remove(container_id)
        if isinstance(error, OSError):
            needed = [controller for controller, _ in _settings(hierarchies, limits)]
            doing = "cannot limit what the container uses"
            raise _refused(doing, error, why_no_limits(needed)) from None
        raise
    return list(groups)


def restrict_devices(container_id: str, allowed: Sequence[tuple[bool, int, int, str]]) -> str:
    """Makes the group in which no devices can be opened but these: whether it is a block device,
    major and minor number (-1: any), and for what: of "rwm", where nodes may be made of any device,
    as with Docker."""
    hierarchies = _with_home()
    root = hierarchies.version_1.get("devices") or hierarchies.home
    if not root:
        raise UnsupportedError(
            "cannot keep the host's devices from the container: there are no control groups here "
            "(mount -t cgroup2 none /sys/fs/cgroup), which CAP_SYS_ADMIN takes, and a device that "
            "is not for r and w; with --privileged it is given all"
        )
    group = os.path.join(root, _PARENT, container_id)
    is_new = not os.path.isdir(group)
    try:
        _make(group)
        if root == hierarchies.home:
            _core.restrict_devices(group, list(allowed))
        elif is_new:  # what runs in it must not be without its devices for an instant
            _write(group, "devices.deny", "a")
            for rule in ("c *:* m", "b *:* m"):
                _write(group, "devices.allow", rule)
            for is_block, major, minor, access in allowed:
                number = f"{major}:{'*' if minor < 0 else minor}"
                _write(group, "devices.allow", f"{'b' if is_block else 'c'} {number} {access}")
    except BaseException as error:
        if is_new and os.path.isdir(group):
            _remove(group)  # the container may have others, and be running in them
        if isinstance(error, OSError):
            doing = "cannot keep the host's devices from the container"
            raise host_error(doing, error) from None
        raise
    return group


def leave_unit() -> bool:
    """Moves this process out of the service or session that it was begun in, with which systemd
    would end it; False where it may not. In a group of the user's its containers can be paused."""
    hierarchies = _with_home()
    roots = [hierarchies.home] if hierarchies.is_inside and _is_given(hierarchies.home) else []
    by_name = hierarchies.version_1.get("name=systemd", "")
    roots += [by_name] if by_name and os.access(by_name, os.W_OK) else []
    for root in roots:
        group = os.path.join(root, _PARENT, _SUPERVISORS)
        try:
            _make(group)
            _write(group, "cgroup.procs", str(os.getpid()))
        except OSError as error:
            raise host_error("cannot leave the control group of who began this", error) from None
    return bool(roots)


def groups_to_join(container_id: str) -> list[str]:
    """The groups that what is executed in a container has to be in. UnsupportedError if this
    process may not bring it there."""
    hierarchies = Hierarchies()
    groups = hierarchies.existing(container_id)
    if any(hierarchies.home and group.startswith(hierarchies.home) for group in groups):
        why = _with_home().why_not()
        if why:
            raise UnsupportedError(f"cannot join the container's control group: {why}")
    return groups


def bring_in(group: str, first_pid: int) -> None:
    """Moves all processes of a container into a group."""
    for _ in range(_ROUNDS):
        inside = set(_words(group, "cgroup.procs"))
        outside = [pid for pid in processes_of(first_pid) if str(pid) not in inside]
        if not outside:
            return
        for pid in outside:
            try:
                _write(group, "cgroup.procs", str(pid))
            except ProcessLookupError:
                continue  # it has ended
    raise HostError("the container's processes cannot be held together: new ones keep appearing")


def _as_there(
    group: str, settings: list[tuple[str, str]], limits: Limits
) -> Iterator[tuple[str, str]]:
    """The settings in the files that this kernel has. UnsupportedError names what it lacks."""
    for name, value in settings:
        is_there = os.path.exists(os.path.join(group, name))
        if name == "io.weight":
            # Which scheduler a disk has decides; bfq takes Docker's range as it is. So does runc.
            if os.path.exists(os.path.join(group, "io.bfq.weight")):
                yield "io.bfq.weight", str(limits.blkio_weight)
                continue
            if not is_there:
                raise UnsupportedError(_NO_DISK_WEIGHT)
        if name == "memory.swap.max" and not is_there:
            if limits.memory_swap > 0:
                raise UnsupportedError(_NO_SWAP_LIMIT)
            continue
        yield name, value


def _settings(
    hierarchies: Hierarchies, limits: Limits
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """For each controller that is needed the files to be written, and their values."""
    if limits.memory or limits.memory_reservation or limits.oom_kill_disable:
        yield "memory", _memory(hierarchies, limits)
    period = limits.cpu_period or _PERIOD_US
    quota = limits.nano_cpus * period // 1_000_000_000 or limits.cpu_quota
    if quota or limits.cpu_period or limits.cpu_shares:
        settings = []
        unified = hierarchies.is_unified("cpu")
        if quota or limits.cpu_period:
            most = str(quota) if quota > 0 else "max" if unified else "-1"
            settings += (
                [("cpu.max", f"{most} {period}")]
                if unified
                else [("cpu.cfs_period_us", str(period)), ("cpu.cfs_quota_us", most)]
            )
        if limits.cpu_shares:
            # Of the range 2 to 262144 to that of weights, as runc does it.
            weight = 1 + (limits.cpu_shares - 2) * 9999 // 262142
            shares = str(limits.cpu_shares)
            settings.append(("cpu.weight", str(weight)) if unified else ("cpu.shares", shares))
        yield "cpu", settings
    if limits.pids:
        yield "pids", [("pids.max", str(limits.pids))]
    if limits.cpuset_cpus or limits.cpuset_mems:
        sets = (("cpuset.cpus", limits.cpuset_cpus), ("cpuset.mems", limits.cpuset_mems))
        yield "cpuset", [(name, value) for name, value in sets if value]
    if limits.blkio_weight:
        yield _disk_weight(hierarchies, limits.blkio_weight)


def _disk_weight(hierarchies: Hierarchies, weight: int) -> tuple[str, list[tuple[str, str]]]:
    """Which scheduler a disk has decides what the file is called, or whether it is there."""
    if hierarchies.is_unified("io"):
        # Of the range 10 to 1000 to 1 to 10000, as runc does it.
        return "io", [("io.weight", str(1 + (weight - 10) * 9999 // 990))]
    root = hierarchies.version_1.get("blkio", "")
    for name in ("blkio.weight", "blkio.bfq.weight"):
        if root and os.path.exists(os.path.join(root, name)):
            return "blkio", [(name, str(weight))]
    raise UnsupportedError(_NO_DISK_WEIGHT)


def _memory(hierarchies: Hierarchies, limits: Limits) -> list[tuple[str, str]]:
    swap, settings = limits.memory_and_swap, []
    if hierarchies.is_unified("memory"):
        if limits.oom_kill_disable:
            raise UnsupportedError(
                "cgroups of version 2 end what is out of memory: leave --oom-kill-disable out"
            )
        if limits.memory_reservation:
            settings.append(("memory.low", str(limits.memory_reservation)))
        if limits.memory:
            most = "max" if swap < 0 else str(swap - limits.memory)
            settings += [("memory.max", str(limits.memory)), ("memory.swap.max", most)]
        return settings
    if limits.memory_reservation:
        settings.append(("memory.soft_limit_in_bytes", str(limits.memory_reservation)))
    if limits.oom_kill_disable:
        settings.append(("memory.oom_control", "1"))
    if not limits.memory:
        return settings
    settings.append(("memory.limit_in_bytes", str(limits.memory)))
    if hierarchies.limits_swap():
        settings.append(("memory.memsw.limit_in_bytes", str(swap)))
    elif limits.memory_swap > 0:
        raise UnsupportedError(_NO_SWAP_LIMIT)
    return settings


def _enable(home: str, controller: str) -> None:
    """Hands a controller of version 2 down to the containers' groups."""
    parent = os.path.join(home, _PARENT)
    _make(parent)
    for path in (home, parent):
        if controller in _words(path, "cgroup.subtree_control"):
            continue
        if path == home and os.path.exists(os.path.join(home, "cgroup.type")):
            _vacate(home)
        _write(path, "cgroup.subtree_control", f"+{controller}")


def _vacate(home: str) -> None:
    """Moves who is in a group into one of its own below: but for the root of all, which alone has
    no type, a group has either processes or groups with controllers ("no internal process
    constraint"). There are some in a group that was given to a user, and at the root of a
    container's cgroup namespace. The controllers of threads (pids, cpu, cpuset) would be taken, but
    then the groups below are no place for processes ("domain invalid")."""
    callers = os.path.join(home, _PARENT, _CALLERS)
    for _ in range(_ROUNDS):
        pids = _words(home, "cgroup.procs")
        if not pids:
            return
        _make(callers)
        for pid in pids:
            try:
                _write(callers, "cgroup.procs", pid)
            except ProcessLookupError:
                continue  # it has ended


def _inherit_cpuset(path: str) -> None:
    """In version 1 a new group has no processors and no memory until it is given some."""
    for group in (os.path.dirname(path), path):
        for name in ("cpuset.cpus", "cpuset.mems"):
            if not _read(group, name):
                _write(group, name, _read(os.path.dirname(group), name))


def has_home() -> bool:
    """Whether this process may make groups of version 2 for containers, where it is."""
    return Hierarchies().is_inside


def gather(container_id: str, *, by_runtime: bool) -> str:
    """Makes the group that holds the processes of a container without a PID namespace of its own
    together; returns its folder. What a killed supervisor left in it is ended.

    A runtime that is told of a group enables controllers in those around it, where by then no
    processes may be: they would become threads' groups."""
    hierarchies = _with_home()
    group = hierarchies.freezer(container_id)
    try:
        for controller in _SHOWN if by_runtime or is_apart() else ():
            if hierarchies.is_unified(controller) and not hierarchies.why_not(controller):
                _enable(hierarchies.home, controller)
        _make(group)
    except OSError as error:
        raise host_error("cannot keep the container's processes together", error) from None
    end_all(container_id)
    return group


def end_all(container_id: str) -> None:
    """Kills what is in a container's groups, until nothing is."""
    import signal

    deadline = time.monotonic() + _REMOVE_SECONDS
    for group in Hierarchies().existing(container_id):
        while pids := [int(word) for word in _words(group, "cgroup.procs")]:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            if time.monotonic() > deadline:
                raise HostError("the container's processes do not end, although they were killed")
            time.sleep(_PAUSE_SECONDS)


def freeze(container_id: str, first_pid: int) -> None:
    """Holds all processes of a container still until `thaw`. HostError if that does not work."""
    group = Hierarchies().freezer(container_id)
    is_new = not os.path.isdir(group)
    try:
        _make(group)
        bring_in(group, first_pid)
        if not _set_frozen(group, True):
            raise UnsupportedError("this kernel cannot freeze a cgroup")
        deadline = time.monotonic() + _FREEZE_SECONDS
        while not _is_frozen(group):
            if time.monotonic() > deadline:
                raise HostError("the container's processes do not come to rest")
            time.sleep(_PAUSE_SECONDS)
    except BaseException as error:
        thaw(container_id)
        if is_new and not _words(group, "cgroup.procs"):
            _remove(group)  # else what joins the container later would be sent into it
        if isinstance(error, OSError):
            elsewhere = "it was started in a control group that is not this user's, or from another"
            advice = why_no_pause() or elsewhere
            raise _refused("cannot pause the container", error, advice) from None
        raise


def _refused(doing: str, error: OSError, advice: str) -> FastlayersError:
    if isinstance(error, PermissionError) and not _core.in_initial_user_namespace() and advice:
        return UnsupportedError(f"{doing}: {advice}")
    return host_error(doing, error)


def why_no_limits(controllers: Iterable[str] = ("cpu", "memory", "pids")) -> str:
    """Why an ordinary user cannot limit what a container uses, and what to change; "" if that is
    possible."""
    hierarchies = Hierarchies()
    if hierarchies.unified and not hierarchies.is_inside:
        from fastlayers.systemd import can_ask

        if can_ask():
            return ""  # for a group; which controllers it has is seen when it is there
    closed = []
    for controller in controllers:
        if hierarchies.is_unified(controller):
            why = hierarchies.why_not(controller)
            if why:
                return why
            continue
        group = os.path.join(hierarchies.version_1.get(controller, ""), _PARENT)
        if not os.access(group, os.W_OK):
            closed.append(group)
    if not closed:
        return ""
    return (
        f"the control groups are root's: have root make {' and '.join(closed)} and give "
        f"{'them' if closed[1:] else 'it'} to this user (chown)"
    )


def why_no_pause() -> str:
    """Why an ordinary user cannot pause a container, and what to change; "" if that is possible."""
    hierarchies = Hierarchies()
    if hierarchies.home or "freezer" not in hierarchies.version_1:
        return hierarchies.why_not()
    closed = why_no_limits(["freezer"])
    return f"{closed}; or {hierarchies.why_not()}" if closed and hierarchies.unified else closed


def _is_given(group: str) -> bool:
    """Whether this process may divide a group among others."""
    files = ("", "cgroup.procs", "cgroup.subtree_control")
    return all(os.access(os.path.join(group, name), os.W_OK) for name in files)


def thaw(container_id: str) -> None:
    """Ends what freeze() began; nothing if it did not."""
    for group in Hierarchies().existing(container_id):
        try:
            _set_frozen(group, False)
        except FileNotFoundError:
            continue  # it was removed meanwhile


def is_frozen(container_id: str) -> bool:
    """Whether a container is held still."""
    return any(_is_frozen(group) for group in Hierarchies().existing(container_id))


def _set_frozen(group: str, frozen: bool) -> bool:
    """Whether the group can be frozen at all."""
    for name, words in _FREEZER_WORDS.items():
        if os.path.exists(os.path.join(group, name)):
            _write(group, name, words[frozen])
            return True
    return False


def _is_frozen(group: str) -> bool:
    if os.path.exists(os.path.join(group, "cgroup.events")):
        words = _words(group, "cgroup.events")
        return words[words.index("frozen") + 1] == "1" if "frozen" in words else False
    return _read(group, "freezer.state") == "FROZEN"


def was_out_of_memory(container_id: str) -> bool:
    """Whether the kernel has ended a process of the container for want of memory."""
    for group in Hierarchies().existing(container_id):
        for name in ("memory.events", "memory.oom_control"):
            words = _words(group, name)
            if "oom_kill" in words and words[words.index("oom_kill") + 1] != "0":
                return True
    return False


def remove(container_id: str) -> None:
    """Removes the groups of a container that has ended."""
    for group in Hierarchies().existing(container_id):
        _remove(group)


def _remove(group: str) -> None:
    deadline = time.monotonic() + _REMOVE_SECONDS
    while True:
        try:
            os.rmdir(group)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            # Who was just reaped may still be on his way out.
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise host_error("cannot remove a cgroup", error) from None
            if not _remove_below(group):
                time.sleep(_PAUSE_SECONDS)


def _remove_below(group: str) -> bool:
    """Removes the groups that a container which may make some has made in its own, however deep
    they are. Whether there was one and all are gone."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    names: list[str] = []
    found = False
    try:
        place = os.open(group, flags)
    except FileNotFoundError:
        return True
    try:
        while True:
            with os.scandir(place) as entries:
                below = (one.name for one in entries if one.is_dir(follow_symlinks=False))
                name = next(below, None)
            if name is None and not names:
                return found
            other = os.open(name or "..", flags, dir_fd=place)
            os.close(place)
            place = other
            if name is not None:
                names.append(name)
                found = True
            else:
                os.rmdir(names.pop(), dir_fd=place)
    except OSError:
        return False
    finally:
        os.close(place)


def _make(path: str) -> None:
    os.makedirs(path, 0o755, exist_ok=True)


def _write(group: str, name: str, value: str) -> None:
    with open(os.path.join(group, name), "w", encoding="ascii") as file:
        file.write(value)


def _read(group: str, name: str) -> str:
    try:
        with open(os.path.join(group, name), encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _words(group: str, name: str) -> list[str]:
    return _read(group, name).split()
