"""Limits: how much of the host a container may use."""

from __future__ import annotations

import os

from fastlayers.errors import InvalidError
from fastlayers.oci.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SMALLEST_MEMORY = 6 << 20  # less, and nothing starts
_BILLION = 1_000_000_000
_KINDS = {"cpuset_cpus": str, "cpuset_mems": str, "oom_kill_disable": bool}


class Limits(Frozen):
    """Immutable; 0 and "" are for no limit.

    memory       bytes
    memory_swap  bytes of memory and swap together; 0: twice the memory, -1: any
    nano_cpus    billionths of a processor's time
    cpu_shares   the weight where processors are short of time, 2 to 262144
    cpuset_cpus  the processors to run on: "0-2,7"
    pids         processes and threads
    memory_reservation  bytes it is left where memory is short
    oom_kill_disable    out of memory it waits instead of being ended (version 1 only)
    cpu_period, cpu_quota  microseconds, and how many of them it may run; instead of nano_cpus
    cpuset_mems  the memory nodes to use
    blkio_weight the weight where disks are short of time, 10 to 1000
    """

    __slots__ = (
        "blkio_weight",
        "cpu_period",
        "cpu_quota",
        "cpu_shares",
        "cpuset_cpus",
        "cpuset_mems",
        "memory",
        "memory_reservation",
        "memory_swap",
        "nano_cpus",
        "oom_kill_disable",
        "pids",
    )

    memory: int
    memory_swap: int
    nano_cpus: int
    cpu_shares: int
    cpuset_cpus: str
    pids: int
    memory_reservation: int
    oom_kill_disable: bool
    cpu_period: int
    cpu_quota: int
    cpuset_mems: str
    blkio_weight: int

    def __init__(
        self,
        *,
        memory: int = 0,
        memory_swap: int = 0,
        nano_cpus: int = 0,
        cpu_shares: int = 0,
        cpuset_cpus: str = "",
        pids: int = 0,
        memory_reservation: int = 0,
        oom_kill_disable: bool = False,
        cpu_period: int = 0,
        cpu_quota: int = 0,
        cpuset_mems: str = "",
        blkio_weight: int = 0,
    ) -> None:
        """InvalidError names what makes no sense."""
        if memory < 0 or 0 < memory < _SMALLEST_MEMORY:
            raise InvalidError("Minimum memory limit allowed is 6MB")
        if memory_swap and not memory:
            raise InvalidError("You should always set the Memory limit when using Memoryswap limit")
        if memory_swap < -1 or 0 < memory_swap < memory:
            raise InvalidError("Minimum memoryswap limit should be larger than memory limit")
        _check_reservation(memory_reservation, memory)
        _check_period(cpu_period, cpu_quota, nano_cpus)
        if blkio_weight and not 10 <= blkio_weight <= 1000:
            raise InvalidError("Range of blkio weight is from 10 to 1000")
        count = os.cpu_count() or 1
        if nano_cpus < 0 or 0 < nano_cpus < _BILLION // 100 or nano_cpus > count * _BILLION:
            raise InvalidError(
                f"Range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs "
                "available"
            )
        if cpu_shares < 0:
            raise InvalidError(f"invalid CPU shares ({cpu_shares}): must be a positive integer")
        self._set(
            memory=memory,
            memory_swap=memory_swap,
            nano_cpus=nano_cpus,
            cpu_shares=min(max(cpu_shares, 2), 262144) if cpu_shares else 0,
            cpuset_cpus=_check_cpuset(cpuset_cpus, count),
            pids=max(pids, 0),  # Docker takes -1 for no limit, too
            memory_reservation=memory_reservation,
            oom_kill_disable=oom_kill_disable,
            cpu_period=cpu_period,
            cpu_quota=cpu_quota,
            cpuset_mems=_check_memory_nodes(cpuset_mems),
            blkio_weight=blkio_weight,
        )

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)

    @property
    def memory_and_swap(self) -> int:
        """Bytes of both together, 0 or -1 for any number."""
        return self.memory_swap or 2 * self.memory

    def to_json(self) -> dict[str, object]:
        """The limits as a JSON object."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> Limits:
        """Reads what to_json() wrote."""
        known = {name: document[name] for name in cls.__slots__ if name in document}
        for name, value in known.items():
            if type(value) is not _KINDS.get(name, int):
                raise InvalidError(f"container options: limits: {name} is {str(value)[:40]}")
        return cls(**known)  # type: ignore[arg-type]  # checked above


def parse_bytes(text: str) -> int:
    """Bytes as Docker writes them: 500, 500b, 64k, 512m, 2GiB, 1.5g. InvalidError."""
    import re

    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?([kmgtp]?)i?b?", text, re.IGNORECASE)
    if found is None:
        raise InvalidError(f"invalid size: '{text[:40]}'")
    number, unit = found.groups()
    return int(float(number) * 1024 ** " kmgtp".index(unit.lower() or " "))


def parse_cpus(text: str) -> int:
    """Billionths of a number of processors as Docker writes it: 1.5. InvalidError."""
    whole, _, part = text.partition(".")
    if not (whole + part).isdigit() or not text.isascii() or len(part) > 9 or len(whole) > 9:
        raise InvalidError(f"failed to parse {text[:40]} as a rational number")
    return int(whole or "0") * _BILLION + int(part.ljust(9, "0") or "0")


def _check_reservation(reservation: int, memory: int) -> None:
    if reservation < 0 or 0 < reservation < _SMALLEST_MEMORY:
        raise InvalidError("Minimum memory reservation allowed is 6MB")
    if 0 < memory < reservation:
        raise InvalidError(
            "Minimum memory limit can not be less than memory reservation limit, see usage"
        )


def _check_period(period: int, quota: int, nano_cpus: int) -> None:
    if nano_cpus and (period or quota):
        which = "Period" if period else "Quota"
        raise InvalidError(f"Conflicting options: Nano CPUs and CPU {which} cannot both be set.")
    if period and not 1000 <= period <= 1_000_000:
        raise InvalidError(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
        )
    if quota != 0 and quota < 1000 and quota != -1:
        raise InvalidError("CPU cfs quota can not be less than 1ms (i.e. 1000)")


def _check_cpuset(text: str, count: int) -> str:
    if _highest(text, "cpuset cpus") >= count:
        raise InvalidError(
            f"Requested CPUs are not available - requested {text[:60]}, available: 0-{count - 1}"
        )
    return text


def _check_memory_nodes(text: str) -> str:
    _highest(text, "cpuset mems")
    return text


def _highest(text: str, what: str) -> int:
    """The highest number of "0-2,7"; -1 of nothing. InvalidError."""
    highest = -1
    for item in text.split(",") if text else ():
        first, dash, last = item.partition("-")
        bounds = [first, last] if dash else [first, first]
        if not all(bound.isascii() and bound.isdigit() for bound in bounds):
            raise InvalidError(f"Invalid value {text[:60]} for {what}")
        if int(bounds[0]) > int(bounds[1]):
            raise InvalidError(f"Invalid value {text[:60]} for {what}")
        highest = max(highest, int(bounds[1]))
    return highest
