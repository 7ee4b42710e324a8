"""The engines that are compared: one file each, all with the same four verbs."""

from __future__ import annotations

from .base import Contestant
from .bsdtar import Bsdtar
from .fastlayers import Fastlayers
from .podman import Podman
from .umoci import Umoci


def all_contestants() -> list[Contestant]:
    """Every contestant, installed or not; `missing()` tells."""
    return [Fastlayers("erofs"), Fastlayers("overlay"), Podman(), Umoci(), Bsdtar()]
