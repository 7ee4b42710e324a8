"""The rules of the OCI runtime specification 1.1 (config.md, config-linux.md) for what a bundle of
ours may say: every field with its type, which are required, and that there is no other."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

UINT32 = (1 << 32) - 1
UINT64 = (1 << 64) - 1


def _text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _path(value: Any) -> bool:
    return _text(value) and value.startswith("/")


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _number(smallest: int, largest: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and smallest <= value <= largest


def _one_of(*words: str) -> Callable[[Any], bool]:
    return lambda value: value in words


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: _text(value) and re.fullmatch(pattern, value) is not None


_capabilities = [_matches("CAP_[A-Z_]+")]
_action = _matches("SCMP_ACT_(KILL|KILL_PROCESS|KILL_THREAD|TRAP|ERRNO|TRACE|ALLOW|LOG|NOTIFY)")
# A key with "!" is required.
CONFIG: dict[str, Any] = {
    "ociVersion!": _matches(r"1\.[0-2]\.\d+"),
    "hostname": _text,
    "domainname": _text,
    "annotations": {"a": _text},
    "root!": {"path!": _text, "readonly": _flag},
    "process!": {
        "terminal": _flag,
        "cwd!": _path,
        "args!": [_text],
        "env": [_matches(r"(?s)[^=]+=.*")],
        "noNewPrivileges": _flag,
        "oomScoreAdj": _number(-1000, 1000),
        "rlimits": [
            {
                "type!": _matches("RLIMIT_[A-Z]+"),
                "soft!": _number(0, UINT64),
                "hard!": _number(0, UINT64),
            }
        ],
        "user!": {
            "uid!": _number(0, UINT32),
            "gid!": _number(0, UINT32),
            "umask": _number(0, 0o777),
            "additionalGids": [_number(0, UINT32)],
        },
        "capabilities": {
            "bounding": _capabilities,
            "effective": _capabilities,
            "permitted": _capabilities,
        },
    },
    "mounts": [{"destination!": _path, "type": _text, "source": _text, "options": [_text]}],
    "linux": {
        "cgroupsPath": _path,
        "sysctl": {"net.ipv4.ip_forward": _text},
        "namespaces": [
            {
                "type!": _one_of("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"),
                "path": _path,
            }
        ],
        "maskedPaths": [_path],
        "readonlyPaths": [_path],
        "devices": [
            {
                "type!": _one_of("c", "b", "u", "p"),
                "path!": _path,
                "major": _number(0, UINT32),
                "minor": _number(0, UINT32),
                "fileMode": _number(0, 0o7777),
                "uid": _number(0, UINT32),
                "gid": _number(0, UINT32),
            }
        ],
        "resources": {
            "devices": [
                {
                    "allow!": _flag,
                    "type": _one_of("a", "b", "c"),
                    "major": _number(0, UINT32),
                    "minor": _number(0, UINT32),
                    "access": _matches("[rwm]+"),
                }
            ],
            "memory": {
                "limit": _number(-1, UINT64),
                "swap": _number(-1, UINT64),
                "reservation": _number(-1, UINT64),
                "disableOOMKiller": _flag,
            },
            "blockIO": {"weight": _number(10, 1000)},
            "cpu": {
                "shares": _number(2, 262144),
                "quota": _number(1000, UINT64),
                "period": _number(1000, 1_000_000),
                "cpus": _matches(r"[0-9,\-]+"),
                "mems": _matches(r"[0-9,\-]+"),
            },
            "pids": {"limit!": _number(1, UINT64)},
        },
        "seccomp": {
            "defaultAction!": _action,
            "defaultErrnoRet": _number(0, UINT32),
            "architectures": [_matches("SCMP_ARCH_[A-Z0-9_]+")],
            "flags": [_matches("SECCOMP_FILTER_FLAG_(TSYNC|LOG|SPEC_ALLOW)")],
            "syscalls": [
                {
                    "names!": [_text],
                    "action!": _action,
                    "errnoRet": _number(0, UINT32),
                    "args": [
                        {
                            "index!": _number(0, 5),
                            "value!": _number(0, UINT64),
                            "valueTwo": _number(0, UINT64),
                            "op!": _matches("SCMP_CMP_(NE|LT|LE|EQ|GE|GT|MASKED_EQ)"),
                        }
                    ],
                }
            ],
        },
    },
}


def violations(value: Any, shape: Any = None, where: str = "config") -> list[str]:
    """What is against the rules."""
    shape = CONFIG if shape is None else shape
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{where} is no object: {value!r}"]
        rules = {key.rstrip("!"): rule for key, rule in shape.items()}
        needed = {key[:-1] for key in shape if key.endswith("!")}
        found = [f"{where}.{key} is not known" for key in value if key not in rules]
        found += [f"{where}.{key} is missing" for key in needed if key not in value]
        for key, item in value.items():
            if key in rules:
                found += violations(item, rules[key], f"{where}.{key}")
        return found
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where} is no list: {value!r}"]
        return [
            wrong
            for number, item in enumerate(value)
            for wrong in violations(item, shape[0], f"{where}[{number}]")
        ]
    return [] if shape(value) else [f"{where} is {value!r}"]
