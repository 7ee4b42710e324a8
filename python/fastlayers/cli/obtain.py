"""Getting an image: `pull`, and what `run` and `create` do when they need one."""

from __future__ import annotations

import sys

from fastlayers.cli.command import VerbError
from fastlayers.errors import InvalidError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from fastlayers.cli.command import Call
    from fastlayers.image import Image
    from fastlayers.oci.reference import Reference
    from fastlayers.store import Store


def image_to_run(call: Call, name: str) -> Image:
    """The image of a `run` or `create`, pulled as --pull says; what is said goes to stderr."""
    policy = call.flags.text("pull")
    platform = call.flags.text("platform")
    image = None if policy == "always" else call.store.try_image(name)
    if image is not None and (not platform or policy == "never" or _is_for(image, platform)):
        return _for_platform(image, name, platform)
    from fastlayers.oci.reference import Reference

    try:
        reference = Reference.parse(name)
    except InvalidError as error:
        raise VerbError(str(error)) from None
    if policy == "never":
        raise NotFoundError(f"No such image: {reference.familiar}")
    quiet = call.flags.enabled("quiet")
    if policy == "missing" and not quiet:
        print(f"Unable to find image '{reference.familiar}' locally", file=sys.stderr, flush=True)
    kind = "none" if quiet else "auto"
    image = pull(call, reference, platform, stream=sys.stderr, kind=kind)
    return _for_platform(image, name, platform)


def pull(call: Call, reference: Reference, platform: str, *, stream: TextIO, kind: str) -> Image:
    """Pulls an image and says how it goes, and what came of it, in docker's words; `kind` is how
    progress is shown."""
    from fastlayers.cli.progress import reporter
    from fastlayers.image import Image

    before = call.store.catalog.find_name(reference.name)  # its blobs may be damaged
    source = reference.tag_or_default or reference.name
    heading = f"{source}: Pulling from {reference.repository}"
    with reporter(stream, heading, kind=kind) as progress:
        image = Image.pull(
            reference.name, platform=platform or None, store=call.store, progress=progress
        )
        progress.begin()
        unchanged = before is not None and before.digest == image.digest
        status = "Image is up to date" if unchanged else "Downloaded newer image"
        progress.say(f"Digest: {_digest(image, reference)}")
        progress.say(f"Status: {status} for {reference.familiar}")
    return image


def is_there(store: Store, reference: Reference, platform: str) -> bool:
    """Whether the store has the image, for the platform ("": whatever it is for)."""
    image = store.try_image(reference.name)
    return image is not None and (not platform or _is_for(image, platform))


def _for_platform(image: Image, name: str, platform: str) -> Image:
    """The image, if it is for this platform: one that is for a single platform is what it is."""
    if platform and not _is_for(image, platform):
        raise NotFoundError(
            f"image with reference {name} was found but its platform ({image.config.platform}) "
            f"does not match the specified platform ({platform})"
        )
    return image


def _is_for(image: Image, platform: str) -> bool:
    from fastlayers.oci.platform import Platform

    return image.config.platform.matches(Platform.parse(platform))


def _digest(image: Image, reference: Reference) -> str:
    """What the registry calls the image: of an image for many platforms, their index."""
    if reference.digest:
        return reference.digest
    for name in image.repo_digests:
        repository, _, digest = name.partition("@")
        if repository == reference.familiar_repository:
            return digest
    return image.digest
