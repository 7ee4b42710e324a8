"""A registry of one's own: docker-registry on loopback, filled from OCI layouts, ended by pid."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

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
        self._process: subprocess.Popen[bytes] | None = None

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
        self._process = subprocess.Popen(
            ["docker-registry", "serve", settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        )
        host, _, port = self.address.partition(":")
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                socket.create_connection((host, int(port)), 1).close()
                return self
            except OSError:
                if time.monotonic() > end or self._process.poll() is not None:
                    self.__exit__(None, None, None)
                    raise RuntimeError("docker-registry does not start") from None
                time.sleep(0.05)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def push(self, image: BenchImage) -> str:
        """Serves an image; returns the reference it can be pulled by."""
        reference = f"{self.address}/{image.tag}"
        subprocess.run(
            [*_COPY, f"oci:{image.layout}:{image.tag}", f"docker://{reference}"],
            check=True,
        )
        return reference
