"""Which of the entries of an index is the image that is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fastlayers.errors import NotFoundError
from fastlayers.oci import platform as platforms

if TYPE_CHECKING:
    from fastlayers.oci.document import Descriptor
    from fastlayers.oci.platform import Platform

# BuildKit puts provenance and SBOM manifests beside the images they describe.
_ATTACHED_TO = "vnd.docker.reference.type"
# An index may list indexes; nothing real nests deeper.
INDEX_DEPTH = 4


def is_image(descriptor: Descriptor) -> bool:
    """Whether an index entry is an image (or an index of images): no attestation, no artifact."""
    return (
        descriptor.is_document
        and not descriptor.artifact_type
        and _ATTACHED_TO not in descriptor.annotations
    )


def select_manifest(
    descriptors: Iterable[Descriptor], platform: Platform | None, subject: str
) -> Descriptor:
    """The entry for a platform (None: this machine's)."""
    images = [descriptor for descriptor in descriptors if is_image(descriptor)]
    if not images:
        raise NotFoundError(f"{subject}: its index lists no image")
    try:
        return platforms.select(images, platform or platforms.Platform.host())
    except NotFoundError as error:
        raise NotFoundError(f"{subject}: {error}") from None
