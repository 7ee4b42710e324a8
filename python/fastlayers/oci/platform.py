"""Platforms: operating system, architecture and variant, and the choice among several."""

from __future__ import annotations

import os

from fastlayers.errors import InvalidError, NotFoundError
from fastlayers.oci.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastlayers.oci.descriptor import Descriptor

_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i486": ("386", ""),
    "i586": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv8l": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armv5tel": ("arm", "v5"),
    "loongarch64": ("loong64", ""),
}
_WORD = "abcdefghijklmnopqrstuvwxyz0123456789_.-"
# What an arm processor runs besides its own variant.
_ARM_ORDER = ("v8", "v7", "v6", "v5")
# Annotation of BuildKit's attestations: they look like images of the platform unknown/unknown.
_REFERENCE_TYPE = "vnd.docker.reference.type"


class Platform(Frozen):
    """What an image runs on, in the spelling of Go: linux, amd64, ""."""

    __slots__ = ("architecture", "os", "variant")

    os: str
    architecture: str
    variant: str

    def __init__(self, os: str, architecture: str, variant: str = "") -> None:
        architecture, default = _ARCHITECTURES.get(architecture, (architecture, ""))
        variant = variant or default
        if architecture == "arm64" and variant in ("8", "v8"):
            variant = ""
        elif architecture == "arm":
            variant = "v7" if not variant else "v" + variant.removeprefix("v")
        elif architecture == "amd64" and variant == "v1":
            variant = ""
        self._set(os=os, architecture=architecture, variant=variant)

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Reads "linux/arm64/v8", "linux/arm64", or an architecture or system alone."""
        parts = text.lower().split("/")
        if len(parts) > 3 or not all(
            part[:1].isalnum() and not part.strip(_WORD) for part in parts
        ):
            raise InvalidError(
                f"invalid platform {text[:100]!r}: it is written os/architecture[/variant]"
            )
        if len(parts) == 1:
            host = cls.host()
            if parts[0] == "linux":
                return host
            return cls(host.os, parts[0])
        return cls(*parts)

    @classmethod
    def host(cls) -> Platform:
        """This machine's."""
        return cls("linux", os.uname().machine)

    def matches(self, other: Platform) -> bool:
        """Whether what is built for `other` is what is asked for by this platform."""
        return self._rank(other) is not None

    def _rank(self, other: Platform) -> int | None:
        """How well `other` serves, 0 best; None if it does not."""
        if (self.os, self.architecture) != (other.os, other.architecture):
            return None
        if self.variant == other.variant:
            return 0
        if self.architecture == "arm":
            if {self.variant, other.variant} <= set(_ARM_ORDER):
                distance = _ARM_ORDER.index(other.variant) - _ARM_ORDER.index(self.variant)
                return distance if distance > 0 else None
            return None
        # Only the plain build is sure to run where a variant was asked for.
        return 1 if not other.variant else None

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def __repr__(self) -> str:
        return f"Platform.parse({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Platform) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def select(descriptors: Iterable[Descriptor], platform: Platform) -> Descriptor:
    """The best image for a platform among an index's entries; attestations and other artifacts
    are passed over, and an entry that names no platform serves when nothing better is there."""
    best: Descriptor | None = None
    best_rank = 0
    for descriptor in descriptors:
        if not descriptor.is_document or descriptor.artifact_type:
            continue
        if _REFERENCE_TYPE in descriptor.annotations:
            continue
        rank = 100 if descriptor.platform is None else platform._rank(descriptor.platform)
        if rank is not None and (best is None or rank < best_rank):
            best, best_rank = descriptor, rank
    if best is None:
        raise NotFoundError(f"no matching manifest for {platform} in the manifest list entries")
    return best
