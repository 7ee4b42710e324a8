"""A registry of one's own: docker-registry on loopback, filled from OCI layouts, ended by pid."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from typing import Self

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
