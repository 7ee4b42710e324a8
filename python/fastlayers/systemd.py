"""What systemd, where it runs this machine, has to be asked for: a control group for an ordinary
user's containers, wherever the command was begun (org.freedesktop.systemd1(5))."""

from __future__ import annotations

import os
import time

from fastlayers.process import own_group

_SECONDS = 10.0
_PAUSE_SECONDS = 0.002
_SERVICE = "org.freedesktop.systemd1"


def can_ask() -> bool:
    """Whether this user has a systemd."""
    import shutil

    return bool(shutil.which("busctl")) and os.path.exists(_bus())


def enter_scope() -> bool:
    """Has the user's systemd move this process into a scope of its own, whose control group is the
    user's, as systemd-run(1) does with what it starts; whether it did."""
    import subprocess

    if not can_ask():
        return False
    before = own_group()
    name = f"fastlayers-{os.getpid()}-{os.urandom(4).hex()}.scope"
    request = [
        "busctl", "--quiet", f"--address=unix:path={_bus()}", "call", _SERVICE,
        "/org/freedesktop/systemd1", f"{_SERVICE}.Manager", "StartTransientUnit",
        "ssa(sv)a(sa(sv))", name, "fail", "3", "PIDs", "au", "1", str(os.getpid()),
        "Delegate", "b", "true", "Description", "s", "fastlayers", "0",
    ]  # fmt: skip
    done = subprocess.run(request, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        return False
    deadline = time.monotonic() + _SECONDS
    while own_group() == before:  # it answers when it has begun
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_SECONDS)
    return True


def _bus() -> str:
    """The socket of the user's systemd; in the user namespace we are root."""
    from fastlayers.rootless import own_map

    outside = [extent[1] for extent in own_map("uid") if extent[0] == os.geteuid()]
    return f"/run/user/{outside[0] if outside else os.geteuid()}/bus"
