"""Debian's docker-registry on loopback, with and without a password."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PROGRAM = "docker-registry"
USER, PASSWORD = "someone", "secret, with: signs"
_START_SECONDS = 20


def is_installed() -> bool:
    """Whether there is a registry to start."""
    return shutil.which(PROGRAM) is not None


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def bcrypt(password: str) -> str:
    """The hash that the registry's password file wants; perl has the C library's crypt."""
    script = ["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", password, "$2a$05$" + "a" * 21 + "u"]
    return subprocess.run(script, check=True, capture_output=True, text=True).stdout


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / "server.pem", folder / "server.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return certificate, key


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    password: bool = False,
    tls: tuple[Path, Path] | None = None,
    clients: Path | None = None,
    access_log: bool = False,
) -> Iterator[str]:
    """Runs a registry whose data lie in `folder`; gives its host:port. Each request is a line
    of `folder`/log if `access_log` says so. With `clients`, only who shows a certificate that this
    one vouches for is served."""
    folder.mkdir(parents=True, exist_ok=True)
    host = f"127.0.0.1:{free_port()}"
    http: dict[str, object] = {"addr": host}
    if tls is not None:
        http["tls"] = {
            "certificate": str(tls[0]),
            "key": str(tls[1]),
            **({"clientcas": [str(clients)]} if clients else {}),
        }
    config: dict[str, object] = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": http,
        "log": {"level": "error", "accesslog": {"disabled": not access_log}},
    }
    if password:
        (folder / "passwords").write_text(f"{USER}:{bcrypt(PASSWORD)}\n")
        config["auth"] = {"htpasswd": {"realm": "a realm", "path": str(folder / "passwords")}}
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [PROGRAM, "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )
    try:
        _wait(host, process)
        yield host
    finally:
        process.terminate()
        process.wait(10)


def _wait(host: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://{host}/v2/", timeout=1).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{PROGRAM} did not start at {host}")
