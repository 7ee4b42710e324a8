"""References: the names of images as people type them, and what they stand for.

    [registry/]repository[:tag][@digest]

The first component is a registry if it has a '.' or a ':' or is "localhost"; otherwise the image
is on Docker Hub, under "library/" when its name has one component only.
"""

from __future__ import annotations

from fastlayers.errors import InvalidError
from fastlayers.oci import digest as digests
from fastlayers.oci.frozen import Frozen

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
_OFFICIAL = "library/"
_NAME_LIMIT = 255
_TAG_LIMIT = 128
_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WORD = _LOWER + _UPPER + "_"
_BAD_FORMAT = "invalid reference format"


class Reference(Frozen):
    """An image's name: registry, repository, and a tag or a digest or both (the digest wins)."""

    __slots__ = ("digest", "registry", "repository", "tag")

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    def __init__(
        self, registry: str, repository: str, tag: str | None = None, digest: str | None = None
    ) -> None:
        self._set(registry=registry, repository=repository, tag=tag, digest=digest)

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Reads what a person typed; InvalidError says what is wrong with it."""
        if digests.is_hex(text) and len(text) == digests.HEX_LENGTH:
            raise InvalidError(
                f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
            )
        name, at, digest = text.partition("@")
        if at and not digests.is_digest(digest):
            raise _invalid(text)
        head, colon, tag = name.rpartition(":")
        if not colon or "/" in tag:
            head, tag = name, ""
        elif not _is_tag(tag):
            raise _invalid(text)
        registry, repository = _split(head)
        if not _is_registry(registry):
            raise _invalid(text)
        if not all(_is_component(part) for part in repository.split("/")):
            if repository != repository.lower():
                raise InvalidError(
                    f"{_BAD_FORMAT}: repository name ({repository}) must be lowercase"
                )
            raise _invalid(text)
        if len(registry) + 1 + len(repository) > _NAME_LIMIT:
            raise InvalidError(
                f"{_BAD_FORMAT}: repository name must not be more than {_NAME_LIMIT} characters"
            )
        return cls(registry, repository, tag or None, digest or None)

    @property
    def tag_or_default(self) -> str:
        """The tag that is meant: "latest" where nothing is given, "" for a digest alone."""
        if self.digest is not None:
            return self.tag or ""
        return self.tag or DEFAULT_TAG

    @property
    def repository_name(self) -> str:
        """The full name without tag and digest: docker.io/library/ubuntu."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar_repository(self) -> str:
        """The name without tag and digest as people write it: ubuntu."""
        first, slash, _ = self.repository.partition("/")
        if self.registry != DEFAULT_REGISTRY or (slash and _is_registry_part(first)):
            return self.repository_name
        official, short = self.repository.startswith(_OFFICIAL), self.repository[len(_OFFICIAL) :]
        return short if official and "/" not in short else self.repository

    @property
    def name(self) -> str:
        """The full name that the store knows: docker.io/library/ubuntu:latest."""
        return self.repository_name + self._suffix()

    @property
    def familiar(self) -> str:
        """The name as people write it: ubuntu:latest."""
        return self.familiar_repository + self._suffix()

    def _suffix(self) -> str:
        return f"@{self.digest}" if self.digest else f":{self.tag_or_default}"

    def __str__(self) -> str:
        return self.familiar

    def __repr__(self) -> str:
        return f"Reference.parse({self.name!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reference):
            return NotImplemented
        return self.name == other.name and self.tag_or_default == other.tag_or_default

    def __hash__(self) -> int:
        return hash(self.name)


def familiar(name: str) -> str:
    """A full name as people write it; a text that is no reference comes back as it is."""
    try:
        return Reference.parse(name).familiar
    except InvalidError:
        return name


def _invalid(text: str) -> InvalidError:
    return InvalidError(f"{_BAD_FORMAT}: {text[:300]!r}" if text else f"{_BAD_FORMAT}: it is empty")


def _is_registry_part(first: str) -> bool:
    """Whether the first of several components is taken for a registry."""
    return "." in first or ":" in first or first == "localhost"


def _split(head: str) -> tuple[str, str]:
    first, slash, rest = head.partition("/")
    if slash and _is_registry_part(first):
        if first == "index.docker.io":
            first = DEFAULT_REGISTRY
    else:
        first, rest = DEFAULT_REGISTRY, head
    if first == DEFAULT_REGISTRY and "/" not in rest:
        rest = _OFFICIAL + rest
    return first, rest


def _is_tag(tag: str) -> bool:
    return len(tag) <= _TAG_LIMIT and tag[:1] not in ("", ".", "-") and not tag.strip(_WORD + ".-")


def _is_component(text: str) -> bool:
    """Lower-case words joined by '.', '_', '__' or any number of '-'."""
    if not text or text.strip(_LOWER + "._-") or text[0] not in _LOWER or text[-1] not in _LOWER:
        return False
    separator = ""
    for character in text:
        if character in _LOWER:
            if separator and separator not in (".", "_", "__") and separator.strip("-"):
                return False
            separator = ""
        else:
            separator += character
    return True


def _is_registry(text: str) -> bool:
    """A host name, IPv4 address or IPv6 address in brackets, and perhaps a port."""
    if text.startswith("["):
        inside, bracket, port = text[1:].partition("]")
        return (
            bool(bracket and inside)
            and not inside.strip(_LOWER + _UPPER + ":.")
            and (not port or (port[0] == ":" and _is_port(port[1:])))
        )
    host, colon, port = text.partition(":")
    if colon and not _is_port(port):
        return False
    return all(
        label and not label.strip(_LOWER + _UPPER + "-") and "-" not in (label[0], label[-1])
        for label in host.split(".")
    )


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit()
