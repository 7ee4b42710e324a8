"""A store for building one image in, and the steps that recipes are made of."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from fastlayers import Image, Store

from ..layout import BenchImage
from .host_network import HostNetwork

CACHE = Path(__file__).parents[1] / "cache"
_SHOWN_BYTES = 2000
_EPOCH = "1735689600"  # 2025-01-01


class Builder:
    """Builds on `base`; everything but the finished layout is gone at the end."""

    def __init__(self, base: BenchImage | None, *, quick: bool) -> None:
        self.quick = quick
        self._base = base
        CACHE.mkdir(exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="build-", dir=CACHE))
        self.store = Store(str(self.folder / "store"))
        self._network = HostNetwork()

    def __enter__(self) -> Self:
        # No later time is in an image then, and none with a part of a second, which not every
        # engine keeps: as in images that registries serve.
        self._epoch = os.environ.get("SOURCE_DATE_EPOCH")
        os.environ["SOURCE_DATE_EPOCH"] = _EPOCH
        return self

    def __exit__(self, *_: object) -> None:
        del os.environ["SOURCE_DATE_EPOCH"]
        if self._epoch is not None:
            os.environ["SOURCE_DATE_EPOCH"] = self._epoch
        shutil.rmtree(self.folder)

    def base(self) -> Image:
        """The Debian base, loaded."""
        assert self._base is not None
        return Image.load(self._base.layout, store=self.store)[0]

    def step(self, image: Image, script: str, message: str, volumes: Sequence[str] = ()) -> Image:
        """One more layer: what the shell script changes in a container with the host's network."""
        box = image.create(
            volumes=[*self._network.volumes, *volumes], env=self._network.environment
        )
        done = box.run(["sh", "-euc", script])
        if done.exit_code != 0:
            said = (done.stdout + done.stderr)[-_SHOWN_BYTES:].decode(errors="replace")
            raise SystemExit(f"bench: {message}: exit code {done.exit_code}\n{said}")
        made = box.commit(message=message)
        box.remove()
        return made


Recipe = Callable[[Builder], Image]
