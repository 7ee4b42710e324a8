"""An engine as an ordinary user runs it, who has a range of subordinate ids."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from .base import DockerWords

_USER = "fastlayers-bench"
_IDS = "900000-965535"
_NOBODY = 65534, 65534


class Rootless(DockerWords):
    """Has a home in the place of its store, and nothing of root's environment."""

    rows = ("pull node-app", "run --rm true", "commit of a copied node_modules",
            "commit of one file", "rmi")  # fmt: skip

    def __init__(self, engine: DockerWords) -> None:
        super().__init__()
        self.name = f"{engine.name} rootless"
        self.program = engine.program
        self.pull_options = engine.pull_options
        self._engine = engine
        self._ids = _NOBODY

    def missing(self) -> str | None:
        for program in ("useradd", "newuidmap", "setpriv"):
            if shutil.which(program) is None:
                return f"{program} is not installed"
        why = self._engine.missing()
        program = shutil.which(self.program)
        if (
            why is None
            and subprocess.run(
                self._as_user(str(program), "--version"), capture_output=True, cwd="/"
            ).returncode
        ):
            return f"{self.program} is where no ordinary user can execute it"
        return why

    def start(self, place: Path) -> None:
        super().start(place)
        self._engine.place = place
        subprocess.run(["userdel", _USER], capture_output=True)  # one that was left
        make = ["useradd", "--system", "--no-create-home", "--home-dir", str(place), _USER]
        ids = ["usermod", "--add-subuids", _IDS, "--add-subgids", _IDS, _USER]
        for command in (make, ids):
            subprocess.run(command, check=True)
        about = pwd.getpwnam(_USER)
        self._ids = about.pw_uid, about.pw_gid
        for folder in (place, place / "tmp"):
            folder.mkdir(exist_ok=True)
            os.chown(folder, *self._ids)
            folder.chmod(0o755)

    def stop(self) -> None:
        subprocess.run(["pkill", "-KILL", "-u", _USER], capture_output=True)
        subprocess.run(["userdel", _USER], capture_output=True)
        self._ids = _NOBODY

    def argv(self, *words: str | Path) -> list[str]:
        place = self.place
        home = (f"HOME={place}", f"XDG_RUNTIME_DIR={place}", f"TMPDIR={place / 'tmp'}")
        return self._as_user(*home, *self._engine.argv(*words))

    def _as_user(self, *command: str) -> list[str]:
        ids = (f"--reuid={self._ids[0]}", f"--regid={self._ids[1]}", "--clear-groups")
        return ["setpriv", *ids, "env", "-i", f"PATH={os.environ['PATH']}", *command]
