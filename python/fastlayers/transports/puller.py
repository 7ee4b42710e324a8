"""`pull`: an image from its registry or one of its mirrors into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .hosts import Hosts
from .registry import RegistryClient
from .store_writer import store_image

if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.oci.platform import Platform
    from fastlayers.oci.reference import Reference
    from fastlayers.store import Store

    from .source import Progress


def pull(
    store: Store,
    reference: Reference,
    platform: Platform | None,
    progress: Progress | None,
    *,
    name: str | None = None,
) -> Image:
    """Asks the mirrors in their order, then the registry; what one of them has sent before it
    failed is not sent again by the next. If none has the image the error is the registry's, and
    says what the mirrors said. `name` is what the image is to be called instead of its own name."""
    store.prepare()

    def fetch(host: str) -> Image:
        with RegistryClient(host, local=store.small_blob) as client:
            found = client.resolve(reference, platform)
            if name is not None:
                found.names = [name]
            return store_image(store, found, progress, fetched=True)

    return Hosts(reference.registry).ask(fetch)
