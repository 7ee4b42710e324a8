"""Mounts of a container: what `-v`, `--mount` and `--tmpfs` mean, and where their data lies.

    -v SOURCE:TARGET[:OPTIONS]   a directory or file of the host, or a volume's name
    -v TARGET                    a volume of the container's own

All volumes are ROOT/volumes/<name>; own_volume() names those that nobody has named.
`--mount` and `--tmpfs` are read in mount_option.
"""

from __future__ import annotations

import os
import posixpath

from fastlayers.errors import InvalidError, UnsupportedError
from fastlayers.oci.digest import HEX_LENGTH, digest_of, hex_of
from fastlayers.oci.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BIND = "bind"
VOLUME = "volume"
ANONYMOUS = "anonymous"
TMPFS = "tmpfs"
IMAGE = "image"

# What is left of a file's name beside the endings of its record and of that while it is written.
LONGEST_VOLUME_NAME = 220
_ALNUM = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
# What Docker accepts and what, on Linux with the default propagation, changes nothing.
_WITHOUT_EFFECT = ("rw", "rprivate", "consistent", "cached", "delegated")
_OTHER_PROPAGATION = ("private", "shared", "rshared", "slave", "rslave")


class Mount(Frozen):
    """One mount. `kind` is BIND (`source` is a path), VOLUME (a name), ANONYMOUS (none), TMPFS
    (none) or IMAGE (a name). `options` are a tmpfs's own: size, mode, uid, gid, nr_inodes, and
    exec and suid where they are allowed. A bind that `must_exist` is never made."""

    __slots__ = ("copy_up", "kind", "must_exist", "options", "read_only", "source", "target")

    kind: str
    source: str
    target: str
    read_only: bool
    copy_up: bool
    must_exist: bool
    options: Mapping[str, str]

    def __init__(
        self,
        kind: str,
        source: str,
        target: str,
        *,
        read_only: bool = False,
        copy_up: bool = True,
        must_exist: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self._set(
            kind=kind,
            source=source,
            target=target,
            read_only=read_only,
            copy_up=copy_up,
            must_exist=must_exist,
            options=dict(options or {}),
        )

    @classmethod
    def parse(cls, text: str) -> Mount:
        """Reads the argument of -v."""
        parts = text.split(":")
        if len(parts) > 3 or not all(parts):
            raise InvalidError(f"invalid volume specification: '{text[:200]}'")
        kind = BIND if len(parts) > 1 and parts[0].startswith("/") else VOLUME
        what = (
            f"invalid volume specification: '{text[:200]}': "
            f'invalid mount config for type "{kind}"'
        )
        if len(parts) == 1:
            return cls(ANONYMOUS, "", check_target(parts[0], what))
        source, target = parts[0], check_target(parts[1], what)
        options = parts[2].split(",") if len(parts) == 3 else []
        read_only, copies = _read_options(text, options)
        if kind == BIND:
            return cls(BIND, posixpath.normpath(source), target, read_only=read_only, copy_up=False)
        return cls(VOLUME, check_volume_name(source), target, read_only=read_only, copy_up=copies)


def absolute(text: str) -> str:
    """The argument of -v with a source that is relative to the working directory made absolute."""
    source, colon, rest = text.partition(":")
    return f"{os.path.abspath(source)}:{rest}" if colon and source.startswith(".") else text


def check_volume_name(name: str) -> str:
    """The name, if a volume may have it."""
    if name[:1] in _ALNUM and not name.strip(_ALNUM + "_.-"):
        if len(name) < 2:
            raise InvalidError(
                f"create {name}: volume name is too short, names should be at least two "
                "alphanumeric characters"
            )
        if len(name) > LONGEST_VOLUME_NAME:
            raise InvalidError(
                f"create {name[:40]}...: volume name is too long, at most {LONGEST_VOLUME_NAME} "
                "characters are possible"
            )
        return name
    raise InvalidError(
        f'create {name[:200]}: "{name[:200]}" includes invalid characters for a local '
        'volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to '
        "pass a host directory, use absolute path"
    )


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


def check_target(path: str, what: str) -> str:
    """A place inside, made clean; `what` begins the complaint."""
    if "\0" in path:
        raise InvalidError(f"{what}: the path contains a NUL byte")
    if not path.startswith("/"):
        raise InvalidError(
            f"{what}: invalid mount path: '{path[:200]}' mount path must be absolute"
        )
    target = "/" + posixpath.normpath(path).lstrip("/")
    if target == "/":
        raise InvalidError(f"{what}: destination can't be '/'")
    return target


def resolve(asked: Iterable[Mount], of_image: Iterable[str]) -> list[Mount]:
    """All mounts of a container, those of the image included where nothing else is mounted;
    what is mounted inside another mount comes after it."""
    mounts: dict[str, Mount] = {}
    for mount in asked:
        if mount.target in mounts:
            raise InvalidError(f"Duplicate mount point: {mount.target}")
        mounts[mount.target] = mount
    for path in of_image:
        target = check_target(posixpath.join("/", path), f"volume of the image '{path[:200]}'")
        mounts.setdefault(target, Mount(ANONYMOUS, "", target))
    return sorted(mounts.values(), key=lambda mount: (mount.target.count("/"), mount.target))


def own_volume(container_id: str, target: str) -> str:
    """The name of a container's own volume: 64 hex digits as Docker's, but they can be told from
    the container, so that nothing has to remember them."""
    return hex_of(digest_of(os.fsencode(f"{container_id}:{target}")))


def own_volumes(mounts: Iterable[Mount], container_id: str) -> list[str]:
    """The names of those that were made for the container alone, and that nobody has named."""
    return [
        mount.source
        for mount in mounts
        if mount.kind == VOLUME
        and len(mount.source) == HEX_LENGTH
        and mount.source == own_volume(container_id, mount.target)
    ]


def with_own_volumes(mounts: Iterable[Mount], container_id: str) -> list[Mount]:
    """The mounts of a container, where all volumes have names."""
    return [
        mount
        if mount.kind != ANONYMOUS
        else Mount(
            VOLUME,
            own_volume(container_id, mount.target),
            mount.target,
            read_only=mount.read_only,
            copy_up=mount.copy_up,
        )
        for mount in mounts
    ]


def source_path(mount: Mount, root: str) -> str:
    """Where the data of a container's mount lies, "" if nowhere."""
    if mount.kind == BIND:
        return mount.source
    if mount.kind == VOLUME:
        return os.path.join(root, "volumes", mount.source)
    return ""
