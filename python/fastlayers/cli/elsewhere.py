"""Images that are looked at where they are: docker://NAME, oci:FOLDER:NAME, and so on."""

from __future__ import annotations

from fastlayers.errors import FastlayersError, NotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastlayers.image import Image
    from fastlayers.store import Store
    from fastlayers.transports.remote import RemoteImage

_FILES = ("docker-archive:", "oci:", "oci-archive:")
_PREFIXES = ("docker://", *_FILES)


def image_or_remote(store: Store, name: str) -> Image | RemoteImage:
    """The image of the store with this name; where there is none, and the name is the spelling of
    a place, the image there."""
    try:
        if not name.startswith("docker://"):
            return store.image(name)
    except FastlayersError as error:
        if not name.startswith(_PREFIXES) or not isinstance(error, NotFoundError):
            raise
    from fastlayers import transports

    return transports.look(store, name)


def image_to_look_into(store: Store, name: str) -> Image:
    """The image of the store with this name; where there is none, and the name is the spelling of
    a file or folder, the image there, for as long as the command runs."""
    try:
        return store.image(name)
    except FastlayersError:
        if not name.startswith(_FILES):
            raise
    from fastlayers import cli, transports
    from fastlayers.transports.temporary import remove_temporary_stores

    cli.at_end(remove_temporary_stores)
    return transports.image_at(store, name)
