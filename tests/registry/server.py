"""A real registry (Debian's docker-registry) on loopback, with its access log as evidence."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real_registry import PASSWORD, USER, running

_REQUEST = re.compile(r'"(?P<method>[A-Z]+) (?P<path>/v2/\S*) HTTP/[0-9.]+" (?P<status>\d+)')


@dataclass(frozen=True)
class Request:
    """One line of the access log."""

    method: str
    path: str
    status: int


@dataclass
class Registry:
    """A running registry."""

    address: str
    folder: Path
    auth: bool = False

    def requests(self) -> list[Request]:
        """What was asked so far, in order; waits for the log to come to rest."""
        log = self.folder / "log"
        before = -1
        while before != log.stat().st_size:
            before = log.stat().st_size
            time.sleep(0.1)
        found = _REQUEST.finditer(log.read_text(errors="replace"))
        return [Request(m["method"], m["path"], int(m["status"])) for m in found]

    def blobs_sent(self, since: int = 0) -> list[str]:
        """Digests of the blobs that were sent in whole or in part, from a request number on."""
        return [
            request.path.rpartition("/")[2]
            for request in self.requests()[since:]
            if request.method == "GET" and "/blobs/" in request.path and request.status < 300
        ]

    def fill(self, layout: Path, name: str, tag: str) -> str:
        """Copies the one image of an OCI layout into the registry with skopeo; its address."""
        target = f"{self.address}/{name}:{tag}"
        command = ["skopeo", "copy", "-q", "--all", "--dest-tls-verify=false"]
        if self.auth:
            command += ["--dest-creds", f"{USER}:{PASSWORD}"]
        subprocess.run([*command, f"oci:{layout}", f"docker://{target}"], check=True)
        return target


@contextmanager
def serving(folder: Path, *, auth: bool = False) -> Iterator[Registry]:
    """Runs a registry with an empty storage in a folder, until the end of the block."""
    with running(folder, password=auth, access_log=True) as address:
        yield Registry(address, folder, auth)
