"""The engines that are compared."""

from __future__ import annotations

from .base import Contestant, Unable
from .bsdtar import Bsdtar
from .buildah import Buildah
from .docker import Docker
from .fastlayers import Fastlayers
from .fastlayers_api import FastlayersApi
from .gnu_tar import GnuTar
from .interpreter import Interpreter
from .podman import Podman
from .rootless import Rootless
from .runtime import Runtime
from .skopeo import Skopeo
from .umoci import Umoci

__all__ = ["Contestant", "Unable", "all_contestants"]


def all_contestants() -> list[Contestant]:
    """In the order of the tables' columns; the first is what ratios refer to."""
    return [
        *(Fastlayers("erofs"), Fastlayers("overlay"), Docker(), Podman(), Buildah()),
        *(Rootless(Fastlayers("overlay")), Rootless(Podman())),
        *(Umoci(), FastlayersApi(), Skopeo(), Bsdtar(), GnuTar()),
        *(Runtime("runc"), Runtime("crun"), Interpreter()),
    ]
