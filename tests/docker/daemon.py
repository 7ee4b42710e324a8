"""A Docker of one's own: its data in a folder, its network its own, ended by pid."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.daemon import Daemon

_PATIENCE_SECONDS = 60.0


@contextmanager
def docker(place: Path) -> Iterator[str]:
    """Runs dockerd in a folder; gives what DOCKER_HOST is to be."""
    host = f"unix://{place}/docker.sock"
    environment = {**os.environ, "DOCKER_HOST": host}

    def answers() -> bool:
        return not subprocess.run(
            ["docker", "version"], env=environment, capture_output=True
        ).returncode

    # Its bridge and its rules are in a network of its own.
    command: list[str | Path] = ["unshare", "--net", "sh", "-c"]
    command += ['ip link set lo up; exec "$@"', "-"]
    command += ["dockerd", "--config-file", "", "--data-root", place / "data"]
    command += ["--exec-root", place / "exec", "--pidfile", place / "docker.pid", "-H", host]
    log = place / "dockerd.log"
    daemon = Daemon(command, log, answers, patience_seconds=_PATIENCE_SECONDS)
    try:
        yield host
    finally:
        daemon.stop()
        # It leaves one mount, the network namespace it ran containers in.
        subprocess.run(["umount", place / "exec/netns/default"], capture_output=True)


def versions(host: str) -> str:
    """Client and server, in words."""
    form = "client {{.Client.Version}}, daemon {{.Server.Version}}"
    done = subprocess.run(
        ["docker", "version", "--format", form],
        env={**os.environ, "DOCKER_HOST": host},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
