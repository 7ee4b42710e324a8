"""`info`: the store, what is in it, and how this machine mounts it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fastlayers import _core
from fastlayers.cli import human
from fastlayers.cli.command import Call, Command
from fastlayers.cli.flags import Flag
from fastlayers.cli.version import architecture, number, print_formatted
from fastlayers.errors import FastlayersError
from fastlayers.process import has_only_version_2

if TYPE_CHECKING:
    from fastlayers.store import Store

COMMAND = Command(
    "[OPTIONS]",
    "Display system-wide information",
    (
        Flag(
            "format",
            "f",
            "string",
            "How to print it:\n"
            "'json':             JSON, on one line\n"
            "'TEMPLATE':         The given Go template",
        ),
    ),
    arguments=(0, 0),
    aliases=("system info", "info"),
)


def run(call: Call) -> int:
    about = _about(call.store)
    if print_formatted(about, call.flags.text("format")):
        return 0
    print("Client:")
    print(f" Version:    {about['ServerVersion']}")
    print()
    print("Server:")
    print(f" Containers: {about['Containers']}")
    print(f"  Running: {about['ContainersRunning']}")
    print(f"  Paused: {about['ContainersPaused']}")
    print(f"  Stopped: {about['ContainersStopped']}")
    print(f" Images: {about['Images']}")
    print(f" Server Version: {about['ServerVersion']}")
    print(f" Storage Driver: {about['Driver']}")
    for name, value in about["DriverStatus"]:
        print(f"  {name}: {value}")
    print(f" Cgroup Driver: {about['CgroupDriver']}")
    print(f" Cgroup Version: {about['CgroupVersion']}")
    print(" Networks:")
    for name, value in about["NetworkStatus"]:
        print(f"  {name}: {value}")
    print(f" Runtimes: {' '.join(about['Runtimes'])}")
    print(f" Rootless: {'true' if about['Rootless'] else 'false'}")
    for name, value in about["RootlessStatus"]:
        print(f"  {name}: {value}")
    print(f" Kernel Version: {about['KernelVersion']}")
    print(f" Operating System: {about['OperatingSystem']}")
    print(f" OSType: {about['OSType']}")
    print(f" Architecture: {about['Architecture']}")
    print(f" CPUs: {about['NCPU']}")
    print(f" Total Memory: {human.binary_size(about['MemTotal'])}")
    print(f" Name: {about['Name']}")
    print(f" Fastlayers Root Dir: {about['DockerRootDir']}")
    return 0


def _about(store: Store) -> dict[str, Any]:
    """In docker's names, for templates that were written for it."""
    states = [container.status for container in store.containers(all=True)]
    system = os.uname()
    return {
        "Containers": len(states),
        "ContainersRunning": states.count("running"),
        "ContainersPaused": states.count("paused"),
        "ContainersStopped": len(states) - states.count("running") - states.count("paused"),
        "Images": len(store.images()),
        "Driver": store.known_backend,
        "DriverStatus": _driver_status(store),
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": "2" if has_only_version_2() else "1",
        "NetworkStatus": _network_status(),
        "Runtimes": _runtimes(),
        "Rootless": not _core.in_initial_user_namespace() or os.geteuid() != 0,
        "RootlessStatus": _rootless_status(store),
        "KernelVersion": system.release,
        "OperatingSystem": _operating_system(),
        "OSType": "linux",
        "Architecture": system.machine,
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "Name": system.nodename,
        "ServerVersion": number(),
        "Platform": f"linux/{architecture()}",
        "DockerRootDir": store.root,
    }


def _driver_status(store: Store) -> list[list[str]]:
    """Why this backend, and what the kernel said about each way of mounting."""
    try:
        status = [["Reason", store.backend_reason]]
    except FastlayersError as error:
        status = [["Reason", str(error)]]
    names = {
        "erofs_file": "EROFS from files",
        "erofs_loop": "EROFS through loop devices",
        "overlay": "Overlay",
    }
    store.prepare()
    for key, (works, why) in _core.probe(store.root).items():
        answer = "yes" if works else "no"
        status.append([names.get(key, key), f"{answer} ({why})" if why else answer])
    return status


def _network_status() -> list[list[str]]:
    """The networks that a container may have, and why not."""
    from fastlayers.pasta import find_pasta

    try:
        find_pasta()
        pasta = "yes (ports can be published)"
    except FastlayersError as error:
        pasta = f"no ({error})"
    return [["host", "yes"], ["none", "yes"], ["pasta", pasta]]


def _runtimes() -> dict[str, dict[str, str]]:
    """The programs that can start a container, besides this engine."""
    import shutil

    from fastlayers.container_options import RUNTIMES

    found = {name: shutil.which(name) for name in RUNTIMES}
    return {name: {"path": path} for name, path in found.items() if path is not None}


def _rootless_status(store: Store) -> list[list[str]]:
    """What an ordinary user has here, and what to change for more; nothing for root."""
    from fastlayers import cgroup, rootless

    if os.geteuid() != 0:
        try:
            rootless.enter(store.root)
        except FastlayersError as error:
            return [["User namespace", f"no ({error})"]]
    if _core.in_initial_user_namespace():
        return []
    status = [["User namespace", "yes"]]
    for name, kind in (("User IDs", "uid"), ("Group IDs", "gid")):
        extents = rootless.own_map(kind)
        text = ", ".join(f"{_span(a, count)} = {_span(b, count)}" for a, b, count in extents)
        status.append([name, text])
    if _core.has_single_id():
        why = rootless.single_because or "the user namespace around us has no more"
        status.append(["More IDs", f"no ({why})"])
        status.append(["Root emulation", "yes (owners and identities are pretended)"])
    else:
        status.append(["More IDs", "yes (newuidmap, /etc/subuid and /etc/subgid)"])
    why = cgroup.why_no_limits()
    status.append(["Limits", f"no ({why})" if why else "yes"])
    why = cgroup.why_no_pause()
    status.append(["Pause", f"no ({why})" if why else "yes"])
    return status


def _span(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + count - 1}"


def _operating_system() -> str:
    """PRETTY_NAME of the host."""
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as file:
            lines = dict(line.rstrip("\n").partition("=")[::2] for line in file)
    except OSError:
        return "Linux"
    return lines.get("PRETTY_NAME", "Linux").strip("\"'")
