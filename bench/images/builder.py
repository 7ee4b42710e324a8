"""A store for building one image in, and the steps that recipes are made of."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from fastlayers import Image, Store

from ..layout import BenchImage
from .host_network import HostNetwork

CACHE = Path(__file__).parents[1] / "cache"
_SHOWN_BYTES = 2000


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
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
