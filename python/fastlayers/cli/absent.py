"""Flags of docker's run, create and exec that are not there, and why, or what does it instead."""

from __future__ import annotations

_WINDOWS = "it is for containers of Windows"
_ADDRESS = "containers have no network in common, and no address that others reach"
_RATE = "only whole control groups are limited, not single disks"
_HEALTH = "nothing runs besides the container that could ask it: use exec"
_LOG = "the log is a file of the container's; `logs` reads it"

# Of the long name.
REASONS = {
    "blkio-weight-device": _RATE,
    "cgroup-parent": "groups lie below `fastlayers`",
    "cgroupns": "they have one of their own where the host has control groups of version 2 alone",
    "cpu-count": _WINDOWS,
    "cpu-percent": _WINDOWS,
    "cpu-rt-period": "realtime scheduling is not handed out",
    "cpu-rt-runtime": "realtime scheduling is not handed out",
    "device-cgroup-rule": "devices are given by name: use --device",
    "device-read-bps": _RATE,
    "device-read-iops": _RATE,
    "device-write-bps": _RATE,
    "device-write-iops": _RATE,
    "disable-content-trust": "signatures are not looked at",
    "gpus": "give the devices by --device, and the driver's files by -v",
    "health-cmd": _HEALTH,
    "health-interval": _HEALTH,
    "health-retries": _HEALTH,
    "health-start-interval": _HEALTH,
    "health-start-period": _HEALTH,
    "health-timeout": _HEALTH,
    "io-maxbandwidth": _WINDOWS,
    "io-maxiops": _WINDOWS,
    "ip": _ADDRESS,
    "ip6": _ADDRESS,
    "isolation": _WINDOWS,
    "kernel-memory": "Linux does not limit it any more",
    "link": _ADDRESS,
    "link-local-ip": _ADDRESS,
    "log-driver": _LOG,
    "log-opt": _LOG,
    "mac-address": _ADDRESS,
    "memory-swappiness": "control groups of version 2 have no such setting",
    "network-alias": _ADDRESS,
    "restart": "what supervises a container ends with it: let systemd start it again",
    "storage-opt": "the store's file system bounds what a container writes",
    "use-api-socket": "there is no daemon and no socket",
    "userns": "only an ordinary user's containers have user namespaces of their own",
    "volume-driver": "volumes are folders of the store",
    "volumes-from": "name the volumes: -v NAME:PATH",
}


def explain(path: str, error: str) -> str:
    """An error of the flags, with the reason if it names a flag of docker's that is not there."""
    verb = path.removeprefix("container ")
    kind, _, what = error.partition(": ")
    name = what.removeprefix("--") if kind == "unknown flag" else ""
    if verb not in ("run", "create") or name not in REASONS:
        return error
    return f"--{name} is not supported: {REASONS[name]}"
