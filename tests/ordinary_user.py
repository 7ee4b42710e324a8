"""`fastlayers` as an ordinary user of this machine, made for the test, types it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fastlayers
from tests.command_line import CommandLine

FIRST_ID, ID_COUNT = 700_000, 65_536


class OrdinaryUser(CommandLine):
    """A user with a home, whose store is where it is by default."""

    uid: int
    gid: int
    home: Path
    package: Path
    group: Path | None = None  # the control group that its commands begin in, if not the test's

    @property
    def environment(self) -> dict[str, str]:
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {
            "HOME": str(self.home),
            "PATH": path,
            "PYTHONPATH": str(self.package),
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.extra,
        }

    def become(self, *command: str) -> list[str]:
        """A command as this user."""
        ids = (f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups")
        enter = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(self.group)]
        return [*(enter if self.group else []), "setpriv", *ids, "--", *command]

    def argv(self, *words: str) -> list[str]:
        return self.become(self.python, "-m", "fastlayers", *words)

    @property
    def python(self) -> str:
        """The interpreter, not the test's environment, which the user may not read."""
        return os.path.realpath(sys.executable)


@contextlib.contextmanager
def ordinary_user(*, with_ids: bool) -> Iterator[OrdinaryUser]:
    """A user of this machine, with a range of subordinate ids or without; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="fastlayers-user-", dir="/var/tmp") as directory:
        place = Path(directory)
        place.chmod(0o755)
        shutil.copytree(
            Path(fastlayers.__file__).parent,
            place / "package" / "fastlayers",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        name = f"fl{os.getpid()}{'r' if with_ids else 's'}"
        home = place / "home"
        _must("useradd", "--system", "--create-home", "--home-dir", str(home), name)
        try:
            if with_ids:
                span = f"{FIRST_ID}-{FIRST_ID + ID_COUNT - 1}"
                _must("usermod", "--add-subuids", span, "--add-subgids", span, name)
            user = OrdinaryUser(home / ".local/share/fastlayers")
            user.uid, user.gid = home.stat().st_uid, home.stat().st_gid
            user.home, user.package = home, place / "package"
            yield user
            for container in user.must("ps", "-aq").lines:
                user.call("rm", "-f", container)
        finally:
            _must("userdel", name)


def _must(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
