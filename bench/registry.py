"""A registry of one's own: docker-registry on loopback, filled from OCI layouts, ended by pid."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import IO, Any, Self

from .daemon import Daemon
from .layout import BenchImage

_PATIENCE_SECONDS = 15.0
_COPY = ("skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false")


class Registry:
    """Serves images from `folder`, which should lie on a RAM disk: it is not what is measured."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self._daemon: Daemon | None = None

    @staticmethod
    def missing() -> str | None:
        """Why there can be none."""
        for program in ("docker-registry", "skopeo"):
            if shutil.which(program) is None:
                return f"{program} is not installed"
        return None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        settings = self._folder / "registry.yml"
        settings.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self._folder}/data}}}}\n"
            f'http: {{addr: "{self.address}"}}\n'
        )
        self._daemon = Daemon(
            ["docker-registry", "serve", settings],
            self._folder / "registry.log",
            self._answers,
            patience_seconds=_PATIENCE_SECONDS,
            environment={"OTEL_TRACES_EXPORTER": "none"},
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        host, _, port = self.address.partition(":")
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            return False
        return True

    def push(self, image: BenchImage) -> str:
        """Serves an image; returns the reference it can be pulled by."""
        reference = f"{self.address}/{image.tag}"
        subprocess.run(
            [*_COPY, f"oci:{image.layout}:{image.tag}", f"docker://{reference}"],
            check=True,
        )
        return reference


def diff_ids_served(reference: str) -> bool:
    """Whether the layers of an image, fetched and inflated, are those that its config names."""
    address, _, rest = reference.partition("/")
    repository, _, tag = rest.rpartition(":")

    def fetch(path: str) -> IO[bytes]:
        kinds = "application/vnd.oci.image.manifest.v1+json"
        kinds += ", application/vnd.docker.distribution.manifest.v2+json"
        url = f"http://{address}/v2/{repository}/{path}"
        found: IO[bytes] = urllib.request.urlopen(
            urllib.request.Request(url, headers={"Accept": kinds})
        )
        return found

    def document(path: str) -> Any:
        with fetch(path) as body:
            return json.load(body)

    manifest = document(f"manifests/{tag}")
    diff_ids = []
    for layer in manifest["layers"]:
        with fetch(f"blobs/{layer['digest']}") as body, gzip.open(body) as plain:
            hashed = hashlib.sha256()
            while piece := plain.read(1 << 20):
                hashed.update(piece)
        diff_ids.append(f"sha256:{hashed.hexdigest()}")
    named: list[str] = document(f"blobs/{manifest['config']['digest']}")["rootfs"]["diff_ids"]
    return diff_ids == named
