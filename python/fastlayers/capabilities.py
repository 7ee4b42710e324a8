"""Capabilities: which of the kernel's a container has, of what a person adds and drops."""

from __future__ import annotations

from fastlayers import _core
from fastlayers.errors import InvalidError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# In the order of their numbers (<linux/capability.h>).
NAMES = tuple(
    "CAP_" + name
    for name in [
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
        "MAC_OVERRIDE",
        "MAC_ADMIN",
        "SYSLOG",
        "WAKE_ALARM",
        "BLOCK_SUSPEND",
        "AUDIT_READ",
        "PERFMON",
        "BPF",
        "CHECKPOINT_RESTORE",
    ]
)
_ALL = "ALL"
_DEFAULT = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
]


def normalized(option: str, names: Sequence[str]) -> tuple[str, ...]:
    """Names as Docker keeps them: in capitals, sorted, with CAP_ in front of all but ALL. Raises
    InvalidError for one that cannot be had here; `option` says where it was given."""
    found = set()
    for name in names:
        upper = name.upper()
        if upper == _ALL:
            found.add(_ALL)
            continue
        full = upper if upper.startswith("CAP_") else "CAP_" + upper
        if full not in NAMES:
            raise InvalidError(f'invalid {option}: unknown capability: "{full[:100]}"')
        if not everything() >> NAMES.index(full) & 1:
            raise InvalidError(
                f"invalid {option}: capability not supported by your kernel or not available in "
                f'the current environment: "{full}"'
            )
        found.add(full)
    return tuple(sorted(found))


def everything() -> int:
    """All capabilities that can be had here, as a mask: bit n is capability n."""
    return _core.bounding_set()


def mask(add: Iterable[str], drop: Iterable[str]) -> int:
    """The capabilities of a container, of normalized names. As with Docker, what is added counts
    more than what is dropped, unless everything is added."""
    if _ALL in add:
        return everything() & ~_mask(drop)
    kept = 0 if _ALL in drop else _mask("CAP_" + name for name in _DEFAULT) & ~_mask(drop)
    return kept | _mask(add)


def names_of(capabilities: int) -> list[str]:
    """The names in a mask."""
    return [name for number, name in enumerate(NAMES) if capabilities >> number & 1]


def _mask(names: Iterable[str]) -> int:
    return sum(1 << NAMES.index(name) for name in set(names) - {_ALL})
