"""Volumes: what `-v` means, and where the data of a container outside its layers lies.

    SOURCE:TARGET[:OPTIONS]   a directory or file of the host, or a volume's name
    TARGET                    a volume of the container's own

Named volumes are ROOT/volumes/<name>; a container's own are in its directory, and go with it.
"""

from __future__ import annotations

import os
import posixpath

from fastlayers.errors import InvalidError, UnsupportedError
from fastlayers.host import make_directory
from fastlayers.oci.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Bind = tuple[str, str, bool, bool]  # source, target, read_only, copy_up

_ALNUM = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
# What Docker accepts and what, on Linux with the default propagation, changes nothing.
_WITHOUT_EFFECT = ("rw", "rprivate", "consistent", "cached", "delegated")
_OTHER_PROPAGATION = ("private", "shared", "rshared", "slave", "rslave")


class Volume(Frozen):
    """One mount; `kind` is "bind" (`source` is a path), "volume" (a name) or "anonymous" (none)."""

    __slots__ = ("copy_up", "kind", "read_only", "source", "target")

    kind: str
    source: str
    target: str
    read_only: bool
    copy_up: bool

    def __init__(
        self, kind: str, source: str, target: str, *, read_only: bool = False, copy_up: bool = True
    ) -> None:
        self._set(kind=kind, source=source, target=target, read_only=read_only, copy_up=copy_up)

    @classmethod
    def parse(cls, text: str) -> Volume:
        """Reads the argument of -v."""
        parts = text.split(":")
        if len(parts) > 3 or not all(parts):
            raise InvalidError(f"invalid volume specification: '{text[:200]}'")
        if len(parts) == 1:
            return cls("anonymous", "", _target(text, parts[0]))
        source, target = parts[0], _target(text, parts[1])
        options = parts[2].split(",") if len(parts) == 3 else []
        read_only, copies = _read_options(text, options)
        if source.startswith("/"):
            return cls(
                "bind", posixpath.normpath(source), target, read_only=read_only, copy_up=False
            )
        if len(source) < 2 or source[0] not in _ALNUM or source.strip(_ALNUM + "_.-"):
            raise InvalidError(
                f'create {source[:200]}: "{source[:200]}" includes invalid characters for a local '
                'volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to '
                "pass a host directory, use absolute path"
            )
        return cls("volume", source, target, read_only=read_only, copy_up=copies)


def absolute(text: str) -> str:
    """The argument of -v with a source that is relative to the working directory made absolute."""
    source, colon, rest = text.partition(":")
    return f"{os.path.abspath(source)}:{rest}" if colon and source.startswith(".") else text


def _read_options(text: str, options: list[str]) -> tuple[bool, bool]:
    read_only, copies = False, True
    for option in options:
        if option == "ro":
            read_only = True
        elif option == "nocopy":
            copies = False
        elif option in ("z", "Z"):
            if os.path.exists("/sys/fs/selinux/enforce"):
                raise UnsupportedError(
                    f"volume '{text[:200]}': relabelling for SELinux (:{option}) is not supported"
                )
        elif option in _OTHER_PROPAGATION:
            raise UnsupportedError(
                f"volume '{text[:200]}': mount propagation {option} is not supported"
            )
        elif option not in _WITHOUT_EFFECT:
            raise InvalidError(f"invalid mode: {option[:40]} (volume '{text[:200]}')")
    if read_only and "rw" in options:
        raise InvalidError(f"invalid mode: ro and rw (volume '{text[:200]}')")
    return read_only, copies


def _target(text: str, path: str) -> str:
    if "\0" in text:
        raise InvalidError(f"volume contains a NUL byte: {text[:200]!r}")
    if not path.startswith("/"):
        raise InvalidError(
            f"invalid volume specification: '{text[:200]}': "
            f"invalid mount path: '{path[:200]}' mount path must be absolute"
        )
    target = "/" + posixpath.normpath(path).lstrip("/")
    if target == "/":
        raise InvalidError(
            f"invalid volume specification: '{text[:200]}': destination can't be '/'"
        )
    return target


def resolve(asked: Iterable[str], of_image: Iterable[str]) -> list[Volume]:
    """All mounts of a container, those of the image included where nothing else is mounted;
    what is mounted inside another mount comes after it."""
    volumes: dict[str, Volume] = {}
    for text in asked:
        volume = Volume.parse(text)
        if volume.target in volumes:
            raise InvalidError(f"Duplicate mount point: {volume.target}")
        volumes[volume.target] = volume
    for path in of_image:
        target = _target(path, posixpath.join("/", path))
        volumes.setdefault(target, Volume("anonymous", "", target))
    return sorted(volumes.values(), key=lambda volume: (volume.target.count("/"), volume.target))


def source_path(volume: Volume, number: int, root: str, directory: str) -> str:
    """Where the data of a container's mount lies; `number` counts its mounts."""
    if volume.kind == "bind":
        return volume.source
    if volume.kind == "volume":
        return os.path.join(root, "volumes", volume.source)
    return os.path.join(directory, "volumes", str(number))


def binds(volumes: Iterable[Volume], root: str, directory: str) -> list[Bind]:
    """The mounts as the launcher takes them; sources that are missing are made."""
    found: list[Bind] = []
    for number, volume in enumerate(volumes):
        source = source_path(volume, number, root, directory)
        if not os.path.exists(source):
            if volume.kind != "bind":
                make_directory(os.path.dirname(source), 0o700)
            make_directory(source)
        found.append((source, volume.target, volume.read_only, volume.copy_up))
    return found
