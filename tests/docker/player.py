"""Plays the script with one program that answers to the name docker."""

from __future__ import annotations

import os
import pwd
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests import busybox_root
from tests.docker import inside
from tests.docker.answer import Answer
from tests.docker.script import FILES

_PATIENCE_SECONDS = 30


class Player:
    """A folder with the script's files, in which command lines are played."""

    def __init__(
        self, place: Path, environment: Mapping[str, str], through: Sequence[str] = ()
    ) -> None:
        """`through` is put before each command line: who else is to run it."""
        self._work = place / "work"
        self._through = list(through)
        self._work.mkdir()
        (self._work / "box.tar").write_bytes(busybox_root.tar())
        (self._work / "data.tar").write_bytes(inside.archive())
        for name, text in FILES.items():
            file = self._work / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        home = place / "home"
        home.mkdir()
        kept = ("LANG", "TMPDIR", "PYTHONPATH")
        self._places = {str(self._work): "<work>"} | dict.fromkeys(_all_capabilities(), "<all>")
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TERM": "xterm",
            "TZ": "UTC",
            **{name: os.environ[name] for name in kept if name in os.environ},
            **environment,
        }

    def play(self, commands: Iterable[str]) -> dict[str, Answer]:
        """The answer of each command line, in order."""
        return {command: self.answer(command) for command in commands}

    def answer(self, command: str) -> Answer:
        """Runs one command line to its end; one that has none is killed, and that is its answer."""
        bounded = ["timeout", "-s", "KILL", str(_PATIENCE_SECONDS)]
        done = subprocess.run(
            [*bounded, *self._through, "sh", "-c", command],
            cwd=self._work,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
        texts = (raw.decode(errors="backslashreplace") for raw in (done.stdout, done.stderr))
        return Answer(done.returncode, *texts).normal(self._places)


def _all_capabilities() -> list[str]:
    """As /proc/PID/status shows those that can be had here, and in a user namespace."""
    status = Path("/proc/self/status").read_text()
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    return [status.partition("CapBnd:\t")[2].split("\n")[0], f"{(2 << last) - 1:016x}"]


def docker(place: Path, host: str) -> Player:
    """The docker of this machine, with the daemon at `host`."""
    return Player(place, {"DOCKER_HOST": host})


def fastlayers(place: Path, user: str | None = None) -> Player:
    """fastlayers with a store in `place`, played by `user` (root if None)."""
    programs = place / "bin"
    programs.mkdir()
    for name in ("docker", "fastlayers"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m fastlayers "$@"\n')
        program.chmod(0o755)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "FASTLAYERS_ROOT": str(place / "store"),
    }
    if user is None:
        return Player(place, environment)
    group = str(pwd.getpwnam(user).pw_gid)
    through = ["setpriv", "--reuid", user, "--regid", group, "--init-groups"]
    player = Player(place, environment, through)
    subprocess.run(["chown", "-R", f"{user}:", place], check=True)
    return player
