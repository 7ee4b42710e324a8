"""fastlayers: container images as layers that are never unpacked.

    from fastlayers import Image

    base = Image.pull("debian:bookworm")
    box = base.create(name="base-container")
    box.run(["sh", "-c", "apt-get update && apt-get install -y nodejs"])
    node = box.commit("node-base", message="Add node")

Importing the package is cheap: a name is loaded when it is first used.
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = [
    "Checkpoint",
    "Container",
    "ContainerOptions",
    "FastlayersError",
    "HistoryStep",
    "Image",
    "ImagePath",
    "Layer",
    "Result",
    "Store",
    "errors",
    "login",
    "logout",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastlayers import errors
    from fastlayers.checkpoint import Checkpoint
    from fastlayers.container import Container
    from fastlayers.container_options import ContainerOptions
    from fastlayers.errors import FastlayersError
    from fastlayers.image import Image, Layer
    from fastlayers.image_path import ImagePath
    from fastlayers.oci.history import HistoryStep
    from fastlayers.result import Result
    from fastlayers.store import Store
    from fastlayers.transports import login, logout

_HOMES = {
    "Checkpoint": "checkpoint",
    "Container": "container",
    "ContainerOptions": "container_options",
    "FastlayersError": "errors",
    "HistoryStep": "oci.history",
    "Image": "image",
    "ImagePath": "image_path",
    "Layer": "image",
    "Result": "result",
    "Store": "store",
    "errors": "errors",
    "login": "transports",
    "logout": "transports",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"{__name__}.{home}")
    value: object = module if name == home else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
