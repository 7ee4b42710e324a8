"""Rootless: how an ordinary user comes to be root of a user namespace, in which everything else
works as it does for root.

There is no process that keeps the namespace: all that work on a store share one, for as long as any
of them lives, so that one command can enter the containers of another. ROOT/namespace lists them
(a line each: process, and when it started), newest last; whoever comes joins the newest that lives,
or makes a new namespace when none does. The ids in it are 0 for the user, and from 1 on the ranges
that /etc/subuid and /etc/subgid give to the user (subuid(5)), set by newuidmap(1); where there are
none, or no newuidmap, 0 only.
"""

from __future__ import annotations

import os

from fastlayers import _core
from fastlayers.errors import FastlayersError, InvalidError, UnsupportedError
from fastlayers.host import make_directory, read_file, write_file
from fastlayers.lock import FileLock
from fastlayers.process import start_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

entered = False  # whether this process has become root by enter()
single_because = ""  # why it has one id only, if enter() found that, and what to change
_PROCESSES = "namespace"
_IDS = "ids"
_ROOT_VARIABLE = "FASTLAYERS_ROOT"
_FORBID = "FASTLAYERS_FORBID"
_SETTERS = ("newuidmap", "newgidmap")
_SINGLE_ID = "newuidmap"  # as FASTLAYERS_FORBID names it
# A setting of the kernel that takes user namespaces away, what it is then, and what it should be.
_SETTINGS = (
    ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    ("user/max_user_namespaces", "0", "user.max_user_namespaces=65536"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)

# An extent of ids: the first one inside, the first one outside, how many.
Extent = tuple[int, int, int]


def enter(root: str | None = None) -> None:
    """Makes this process root of a user namespace, for the store at `root` (None: the default one),
    which is the default from then on, also of programs it starts. Nothing for who is root already.

    The process must have one thread: call it before others are started, and before numpy is
    imported. UnsupportedError says what this machine forbids and how to change that.
    """
    global entered
    if os.geteuid() == 0:
        return
    from fastlayers.store import default_root

    root = os.path.abspath(root or default_root())
    make_directory(root, 0o700)
    with _lock(root) as lock:
        processes = _read(lock)
        uids, gids = _id_ranges()
        try:
            processes = _join_newest(processes)
            if not processes:
                _core.enter_user_namespace(uids, gids)
        except FastlayersError as error:
            raise _explained(error) from None
        _write(lock, [*processes, _own_line()])
    os.environ[_ROOT_VARIABLE] = root
    entered = True


def remain(root: str) -> None:
    """Says that this process, a fork of one that has entered, goes on living in the namespace."""
    if not _core.in_initial_user_namespace() and os.path.isdir(root):
        with _lock(root) as lock:
            _write(lock, [*_read(lock), _own_line()])


def _lock(root: str) -> FileLock:
    return FileLock(os.path.join(root, _PROCESSES), exclusive=True)


def _read(lock: FileLock) -> list[str]:
    size = os.fstat(lock.descriptor).st_size
    return os.pread(lock.descriptor, size, 0).decode("ascii", "replace").splitlines()


def _write(lock: FileLock, lines: Sequence[str]) -> None:
    data = "".join(line + "\n" for line in lines).encode("ascii", "replace")
    os.ftruncate(lock.descriptor, 0)
    os.pwrite(lock.descriptor, data, 0)


def _own_line() -> str:
    pid = os.getpid()
    return f"{pid} {start_time(pid)}"


def _join_newest(processes: list[str]) -> list[str]:
    """Joins the newest that lives; returns those that are left when later ones are dead."""
    while processes:
        pid, _, started = processes[-1].partition(" ")
        if pid.isdigit() and started.isdigit():
            try:
                handle = os.pidfd_open(int(pid))
            except OSError:
                handle = -1
            if handle >= 0:
                try:
                    is_same = start_time(int(pid)) == int(started)
                    if is_same and _core.join_user_namespace(handle):
                        return processes
                finally:
                    os.close(handle)
        processes = processes[:-1]
    return []


# Ids


def _id_ranges() -> tuple[list[Extent], list[Extent]]:
    """The ids of users and of groups that this user's namespace has."""
    global single_because
    own = [(0, os.getuid(), 1)], [(0, os.getgid(), 1)]
    users, groups = _subordinate_ids()
    single_because = _why_single(users, groups)
    if single_because:
        return own
    return own[0] + _numbered(users), own[1] + _numbered(groups)


def _subordinate_ids() -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """What /etc/subuid and /etc/subgid give to this user: the first id, and how many."""
    names = {str(os.getuid()), _user_name()}
    return _given_to(names, "/etc/subuid"), _given_to(names, "/etc/subgid")


def _given_to(names: set[str], path: str) -> list[tuple[int, int]]:
    found = []
    for line in (read_file(path) or b"").decode("utf-8", "replace").splitlines():
        name, _, rest = line.strip().partition(":")
        first, _, count = rest.partition(":")
        if name in names and first.isdigit() and count.isdigit() and int(count) > 0:
            found.append((int(first), int(count)))
    return found


def _numbered(ranges: Sequence[tuple[int, int]]) -> list[Extent]:
    """Ranges one behind the other, from 1 on."""
    extents, inside = [], 1
    for first, count in ranges:
        extents.append((inside, first, count))
        inside += count
    return extents


def _why_single(users: Sequence[object], groups: Sequence[object]) -> str:
    """Why there is no more than the user's own id, and what to change; "" if there is more."""
    if _SINGLE_ID in os.environ.get(_FORBID, "").split(","):
        return "forbidden by FASTLAYERS_FORBID"
    missing = [name for name in _SETTERS if not _is_installed(name)]
    if missing:
        return f"there is no {missing[0]}: install it (Debian's and Ubuntu's package uidmap)"
    if not _user_name():
        return f"user {os.getuid()} has no name in /etc/passwd, and newuidmap wants one"
    for ranges, path in ((users, "/etc/subuid"), (groups, "/etc/subgid")):
        if not ranges:
            option = "--add-subuids" if path == "/etc/subuid" else "--add-subgids"
            return (
                f"{path} gives this user no ids: have root run "
                f"usermod {option} 100000-165535 {_user_name()}"
            )
    return ""


def _is_installed(name: str) -> bool:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return any(os.access(os.path.join(folder, name), os.X_OK) for folder in folders)


def _user_name() -> str:
    """ "" for a user who has none."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def _explained(error: FastlayersError) -> FastlayersError:
    if not isinstance(error, UnsupportedError):
        return error
    advice = [
        f"sysctl -w {wanted}"
        for path, forbids, wanted in _SETTINGS
        if (read_file(f"/proc/sys/{path}") or b"").strip().decode("ascii", "replace") == forbids
    ]
    what = (
        "have root run " + " and ".join(advice)
        if advice
        else "run as root, or outside of the sandbox or container that forbids it"
    )
    explained = UnsupportedError(f"{error}: {what}")
    explained.errno = error.errno
    return explained


# What a store was made with


def check_ids(root: str) -> None:
    """InvalidError if the files of a store belong to other ids than this process has. The first
    that makes something there settles it. UnsupportedError for an ordinary user."""
    if os.geteuid() != 0:
        raise UnsupportedError(
            "an ordinary user has to be root of a user namespace for this: call "
            "fastlayers.rootless.enter() at the beginning of the program"
        )
    path = os.path.join(root, _IDS)
    recorded = read_file(path)
    known = None if recorded is None else recorded.decode("ascii", "replace")
    own = _own_ids()
    if known is None and (own is None or _is_empty(root)):
        if own is not None:
            write_file(path, own.encode("ascii"), sync=False)
        return
    if own == known:
        return
    if own is None or known is None or not _has_all(own, known):
        raise InvalidError(
            f"the store {root} belongs to {_described(known)}, and this process has "
            f"{_described(own)}: use another --root, or the same ids again"
        )


def own_map(kind: str) -> list[Extent]:
    """The "uid" or "gid" map of this process's namespace."""
    lines = (read_file(f"/proc/self/{kind}_map") or b"").splitlines()
    return [(int(a), int(b), int(c)) for a, b, c in (line.split() for line in lines)]


def _own_ids() -> str | None:
    """None in the initial namespace."""
    if _core.in_initial_user_namespace():
        return None
    return "".join(
        f"{kind} {inside} {outside} {count}\n"
        for kind in ("uid", "gid")
        for inside, outside, count in own_map(kind)
    )


def _is_empty(root: str) -> bool:
    return not any(os.listdir(os.path.join(root, name)) for name in ("chains", "containers"))


def _extents(text: str) -> list[tuple[str, int, int, int]]:
    found = []
    for line in text.splitlines():
        kind, *numbers = line.split()
        if len(numbers) == 3 and all(number.isdigit() for number in numbers):
            found.append((kind, int(numbers[0]), int(numbers[1]), int(numbers[2])))
    return found


def _has_all(own: str, recorded: str) -> bool:
    """Whether all ids that there were are there, and the same. One alone stood for all others."""
    now, before = _extents(own), _extents(recorded)
    if _is_single(now) != _is_single(before):
        return False
    return all(
        any(
            kind == other
            and first <= inside
            and inside + count <= first + length
            and outside - inside == begin - first
            for other, first, begin, length in now
        )
        for kind, inside, outside, count in before
    )


def _is_single(extents: Sequence[tuple[str, int, int, int]]) -> bool:
    return all(count == 1 for *_, count in extents)


def _described(ids: str | None) -> str:
    if ids is None:
        return "the host's ids (root's)"
    text = ", ".join(
        f"{kind} {outside}" if count == 1 else f"{kind}s {outside}-{outside + count - 1}"
        for kind, _, outside, count in _extents(ids)
    )
    return text or "unknown ids"
