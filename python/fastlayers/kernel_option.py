"""What --ulimit, --sysctl and --device mean: settings of the kernel for a container's processes.

Forms and messages are Docker's; the numbers of limits are setrlimit(2)'s.
"""

from __future__ import annotations

import os
import stat

from fastlayers import _core
from fastlayers.errors import HostError, InvalidError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_RESOURCES = {
    "cpu": 0, "fsize": 1, "data": 2, "stack": 3, "core": 4, "rss": 5, "nproc": 6, "nofile": 7,
    "memlock": 8, "as": 9, "locks": 10, "sigpending": 11, "msgqueue": 12, "nice": 13, "rtprio": 14,
    "rttime": 15,
}  # fmt: skip
_UNLIMITED = (1 << 64) - 1
_SYS_RESOURCE = 24
# Of the IPC namespace; what begins with fs.mqueue. is as well, with net. of the network namespace.
_IPC_PARAMETERS = (
    "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall",
    "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
)  # fmt: skip


def parse_ulimit(text: str) -> tuple[str, int, int]:
    """Name, soft and hard limit of "NAME=SOFT[:HARD]"; -1 is for none. InvalidError."""
    name, equals, values = text.partition("=")
    if not equals:
        raise InvalidError(f"invalid ulimit argument: {text[:100]}")
    if name not in _RESOURCES or name == "as":
        raise InvalidError(f"invalid ulimit type: {name[:100]}")
    parts = values.split(":")
    if len(parts) > 2:
        raise InvalidError(
            f"too many limit value arguments - {values[:100]}, can only have up to two, "
            "`soft[:hard]`"
        )
    numbers = [_number(part) for part in parts]
    soft, hard = numbers[0], numbers[-1]
    if hard != -1 and (soft == -1 or soft > hard):
        raise InvalidError(
            f"ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        )
    return name, soft, hard


def _number(text: str) -> int:
    digits = text[1:] if text[:1] == "-" else text
    if not (digits.isascii() and digits.isdigit()) or (text != "-1" and digits != text):
        raise InvalidError(f'strconv.ParseInt: parsing "{text[:40]}": invalid syntax')
    number = int(text)
    if number >= 1 << 63:
        raise InvalidError(f'strconv.ParseInt: parsing "{text[:40]}": value out of range')
    return number


def ulimits(texts: Sequence[str]) -> list[tuple[int, int, int]]:
    """Resource, soft and hard limit of each, as the kernel numbers them; of two for one resource
    the later. HostError for one that this process may not give."""
    import resource

    limits = {}
    for name, soft, hard in map(parse_ulimit, texts):
        number = _RESOURCES[name]
        own = resource.getrlimit(number)[1]
        raised = own != resource.RLIM_INFINITY and (hard == -1 or hard > own)
        if raised and not _has_capability(_SYS_RESOURCE):
            wanted = "unlimited" if hard == -1 else hard
            raise HostError(
                f"cannot set ulimit {name} to {wanted}: {own} is the most that this process may "
                "give, as it does not have CAP_SYS_RESOURCE"
            )
        limits[number] = (soft & _UNLIMITED, hard & _UNLIMITED)
    return [(number, soft, hard) for number, (soft, hard) in limits.items()]


def _has_capability(number: int) -> bool:
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("CapEff:"):
                return bool(int(line.split()[1], 16) >> number & 1)
    return False


def parse_sysctl(text: str) -> tuple[str, str]:
    """Name and value of "NAME=VALUE", of those that belong to a namespace. InvalidError."""
    name, equals, value = text.partition("=")
    good = name in _IPC_PARAMETERS or name.startswith(("net.", "fs.mqueue."))
    # It becomes a path; "net.ipv4.conf.eth0/1" is how a dot in a name is written.
    steps = [part.replace("/", ".") for part in name.split(".")]
    if not equals or not good or {"", ".", ".."} & set(steps):
        raise InvalidError(f"sysctl '{text[:200]}' is not allowed")
    return name, value


def check_sysctls(texts: Sequence[str], network: str, ipc: str) -> tuple[str, ...]:
    """Those that can be set in the namespaces that the container has. InvalidError."""
    for text in texts:
        name, _ = parse_sysctl(text)
        if name.startswith("net."):
            if network == "host":
                raise InvalidError(f'sysctl "{name}" not allowed in host network namespace')
        elif ipc == "host":
            raise InvalidError(
                f'sysctl "{name}" is not allowed in the hosts ipc namespace: leave --ipc host out'
            )
    return tuple(texts)


# Any container has these (Docker's list): character devices, by number; -1 is any minor number.
HARMLESS_DEVICES = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9))
ALLOWED_DEVICES = (*HARMLESS_DEVICES, (5, 0), (5, 1), (5, 2), (136, -1))


def allowed_devices(texts: Sequence[str]) -> list[tuple[bool, int, int, str]]:
    """What a container with these devices may open: whether it is a block device, numbers, and of
    "rwm" what for. By several names a device is for all that it is by one of them."""
    found = {(False, *number): "rwm" for number in ALLOWED_DEVICES}
    for text in texts:
        for _, _, is_block, major, minor, *_ in devices([text]):
            number = (is_block, major, minor)
            access = found.get(number, "") + parse_device(text)[2]
            found[number] = "".join(letter for letter in "rwm" if letter in access)
    return [(*number, access) for number, access in found.items()]


def limits_access(text: str) -> bool:
    """Whether a device is not given to be both read and written, which takes a control group."""
    return not {"r", "w"} <= set(parse_device(text)[2])


def parse_device(text: str) -> tuple[str, str, str]:
    """Path on the host, path in the container and access of "HOST[:CONTAINER[:rwm]]"."""
    parts = text.split(":")
    if len(parts) > 3 or not parts[0]:
        raise InvalidError(f"bad format for path: {text[:200]}")
    source, target, access = parts[0], parts[0], "rwm"
    if len(parts) == 2 and _is_access(parts[1]):
        access = parts[1]
    elif len(parts) > 1:
        target = parts[1] or source
    if len(parts) == 3:
        access = parts[2]
        if not _is_access(access):
            raise InvalidError(f"bad mode specified: {access[:100]}")
    if not os.path.isabs(source):
        raise InvalidError(f"{source[:200]} is not an absolute path")
    if not os.path.isabs(target):
        raise InvalidError(f"{target[:200]} is not an absolute path")
    return source, target, access


def _is_access(text: str) -> bool:
    return bool(text) and set(text) <= set("rwm") and len(set(text)) == len(text)


def devices(texts: Sequence[str]) -> list[tuple[str, str, bool, int, int, int, int, int]]:
    """Path on the host and in the container, whether it is a block device, major and minor number,
    mode, uid and gid of each, and of all below a directory. InvalidError for what is no device of
    the host, UnsupportedError where it would be given for more than it is to be."""
    if not _core.in_initial_user_namespace() and any(map(limits_access, texts)):
        raise UnsupportedError(
            "without root a device is given to be read and written (rw, rwm): to keep it from "
            "either takes a control group of devices, which root alone has"
        )
    found = []
    for source, target, _ in map(parse_device, texts):
        problem = f'error gathering device information while adding custom device "{source}"'
        try:
            status = os.stat(source)
            here = [(source, target, status)]
            if stat.S_ISDIR(status.st_mode):
                here = list(_below(source, target))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise InvalidError(f"{problem}: {why}") from None
        if not here or not all(_is_device(status) for _, _, status in here):
            raise InvalidError(f"{problem}: not a device node")
        for source, path, status in here:
            number = (os.major(status.st_rdev), os.minor(status.st_rdev))
            mode = stat.S_IMODE(status.st_mode)
            block = stat.S_ISBLK(status.st_mode)
            found.append((source, path, block, *number, mode, status.st_uid, status.st_gid))
    return found


def _below(source: str, target: str) -> Iterator[tuple[str, str, os.stat_result]]:
    for directory, _, names in os.walk(source):
        place = os.path.normpath(os.path.join(target, os.path.relpath(directory, source)))
        for name in sorted(names):
            path = os.path.join(directory, name)
            status = os.lstat(path)
            if _is_device(status):
                yield path, os.path.join(place, name), status


def _is_device(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
