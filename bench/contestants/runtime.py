"""runc and crun: a container on a root that lies there unpacked, as engines start theirs in the
end. What an engine's start takes longer is its own."""

from __future__ import annotations

import json
import subprocess

from ..measure import Cost, run
from .base import Unable
from .bsdtar import Bsdtar


class Runtime(Bsdtar):
    """One of the two, on a root made by bsdtar."""

    rows = ("run --rm true",)

    def __init__(self, program: str) -> None:
        super().__init__()
        self.name = self.program = program

    def missing(self) -> str | None:
        missing = (super().missing(), Bsdtar().missing())
        return next((why for why in missing if why), None)

    def run(self, reference: str, command: list[str], name: str = "") -> Cost:
        if name:
            raise Unable
        self._write_spec(command)
        words = ["--root", str(self.place / "state"), "run", "--bundle", str(self.place)]
        return run([self.program, *words, "bench"])

    def _write_spec(self, command: list[str]) -> None:
        file = self.place / "config.json"
        if not file.exists():
            subprocess.run([self.program, "spec"], cwd=self.place, check=True)
        spec = json.loads(file.read_text())
        spec["root"] = {"path": "root", "readonly": False}
        spec["process"] |= {"args": command, "terminal": False}
        # The host's, as the engines are told to use.
        kept = [space for space in spec["linux"]["namespaces"] if space["type"] != "network"]
        spec["linux"]["namespaces"] = kept
        file.write_text(json.dumps(spec))
