"""Docker: a daemon of its own with its default store, ended by pid."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from ..daemon import Daemon
from ..layout import BenchImage
from ..measure import Cost
from .base import DockerWords

_PATIENCE_SECONDS = 30.0


class Docker(DockerWords):
    name = "docker"
    program = "docker"

    def __init__(self) -> None:
        super().__init__()
        self._daemon: Daemon | None = None

    def missing(self) -> str | None:
        for program in ("docker", "dockerd"):
            if shutil.which(program) is None:
                return f"{program} is not installed"
        return None

    def version(self) -> str:
        done = subprocess.run(["dockerd", "--version"], capture_output=True, text=True)
        return done.stdout.strip()

    @property
    def _socket(self) -> str:
        return f"unix://{self.place}/docker.sock"

    def argv(self, *words: str | Path) -> list[str]:
        return ["docker", "-H", self._socket, *map(str, words)]

    def start(self, place: Path) -> None:
        super().start(place)
        exec_root = place / "exec"
        command: list[str | Path] = ["dockerd", "--config-file", "", "--data-root", place / "data"]
        command += ["--exec-root", exec_root, "--pidfile", place / "docker.pid"]
        command += ["-H", self._socket, "--bridge=none", "--iptables=false", "--ip-masq=false"]
        command += ["--ip-forward=false", "--insecure-registry", "127.0.0.0/8"]
        self._daemon = Daemon(
            command, place / "dockerd.log", self._answers, patience_seconds=_PATIENCE_SECONDS
        )

    def _answers(self) -> bool:
        return subprocess.run(self.argv("version"), capture_output=True).returncode == 0

    def stop(self) -> None:
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None
        # It leaves one mount, the network namespace it ran containers in.
        left = self.place / "exec/netns/default"
        subprocess.run(["umount", left], capture_output=True)

    def pull(self, reference: str, image: BenchImage) -> Cost:
        daemons = self._daemons()
        for pid in daemons:
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # begins VmHWM anew
        cost = super().pull(reference, image)
        peak = max(_peak_bytes(pid) for pid in daemons)
        return Cost(cost.seconds, cost.cpu_seconds, max(peak, cost.peak_bytes), cost.output)

    def _daemons(self) -> list[int]:
        assert self._daemon is not None
        pid = self._daemon.pid
        found = [pid]
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
        return found


def _peak_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
