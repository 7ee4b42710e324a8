"""`pull`: an image from its registry or one of its mirrors into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastlayers.errors import CorruptError, FastlayersError, NotFoundError, RegistryError

from .registry import RegistryClient
from .settings import settings_of
from .store_writer import store_image

if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.oci.platform import Platform
    from fastlayers.oci.reference import Reference
    from fastlayers.store import Store

    from .source import Progress


def pull(
    store: Store, reference: Reference, platform: Platform | None, progress: Progress | None
) -> Image:
    """Asks the mirrors in their order, then the registry; what one of them has sent before it
    failed is not sent again by the next. If none has the image the error is the registry's, and
    says what the mirrors said."""
    store.prepare()
    failures: list[str] = []
    for mirror in settings_of(reference.registry).mirrors:
        try:
            return _from(mirror, store, reference, platform, progress)
        except (RegistryError, NotFoundError, CorruptError) as error:
            failures.append(f"mirror {mirror}: {error}")
    try:
        return _from(reference.registry, store, reference, platform, progress)
    except FastlayersError as error:
        if failures:
            error.args = (f"{error} ({'; '.join(failures)})",)
        raise


def _from(
    host: str,
    store: Store,
    reference: Reference,
    platform: Platform | None,
    progress: Progress | None,
) -> Image:
    with RegistryClient(host, local=store.small_blob) as client:
        return store_image(store, client.resolve(reference, platform), progress, fetched=True)
