"""Where an image is, as skopeo's users spell it: docker://NAME, oci:PATH:TAG, and so on."""

from __future__ import annotations

from typing import NamedTuple

from fastlayers.errors import InvalidError
from fastlayers.oci.reference import Reference

# The ways of keeping images, and what follows their names.
TRANSPORTS = {
    "docker": "docker://NAME[:TAG|@DIGEST]",
    "docker-archive": "docker-archive:FILE[:NAME[:TAG]]",
    "oci": "oci:FOLDER[:NAME]",
    "oci-archive": "oci-archive:FILE[:NAME]",
    "store": "store:NAME[:TAG]",
}


class Location(NamedTuple):
    """A place for one image. `path` is a file's or folder's, "" for a registry and the store;
    `name` is "" where the only image of a place is meant."""

    transport: str
    path: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Location:
        """Reads a spelling; one without a transport is a name in the store. InvalidError."""
        transport, colon, rest = text.partition(":")
        if transport == "containers-storage":
            transport = "store"
        if transport not in TRANSPORTS or not colon:
            return cls("store", "", _checked(text))
        if transport == "docker":
            if not rest.startswith("//"):
                raise InvalidError(f"invalid location {text!r}: it is {TRANSPORTS[transport]}")
            return cls(transport, "", _checked(rest[2:]))
        if transport == "store":
            return cls(transport, "", _checked(rest))
        path, _, name = rest.partition(":")
        if not path:
            raise InvalidError(f"invalid location {text!r}: it is {TRANSPORTS[transport]}")
        return cls(transport, path, name)

    @property
    def reference(self) -> Reference:
        """The name as a reference. InvalidError."""
        return Reference.parse(self.name)

    def __str__(self) -> str:
        if self.transport == "docker":
            return f"docker://{self.name}"
        return ":".join(part for part in (self.transport, self.path, self.name) if part)


def _checked(name: str) -> str:
    Reference.parse(name)
    return name
