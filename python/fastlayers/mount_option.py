"""What `--mount` and `--tmpfs` mean.

--mount type=bind|volume|tmpfs|image[,src=SOURCE],dst=TARGET[,readonly][,...]
--tmpfs TARGET[:OPTIONS]
"""

from __future__ import annotations

import os
import posixpath

from fastlayers.container_mount import (
    ANONYMOUS,
    BIND,
    IMAGE,
    TMPFS,
    VOLUME,
    Mount,
    check_target,
    check_volume_name,
)
from fastlayers.errors import InvalidError, UnsupportedError
from fastlayers.oci.go_value import parse_bool

# The spellings of each key, and those that may stand without a value.
_KEYS = {
    "type": "type",
    "source": "source",
    "src": "source",
    "target": "target",
    "dst": "target",
    "destination": "target",
    "readonly": "readonly",
    "ro": "readonly",
    "consistency": "consistency",
    "bind-propagation": "bind-propagation",
    "bind-recursive": "bind-recursive",
    "volume-nocopy": "volume-nocopy",
    "tmpfs-size": "tmpfs-size",
    "tmpfs-mode": "tmpfs-mode",
}
_FLAGS = ("readonly", "volume-nocopy")
_UNSUPPORTED = (
    "bind-create-src",
    "bind-nonrecursive",
    "image-subpath",
    "volume-driver",
    "volume-label",
    "volume-opt",
    "volume-subpath",
)
_PROPAGATION = ("private", "shared", "rshared", "slave", "rslave")
_TMPFS_VALUES = ("gid", "mode", "nr_blocks", "nr_inodes", "size", "uid")
_LARGEST_ID = (1 << 32) - 2


def read_fields(text: str) -> dict[str, str]:
    """The fields of --mount by their first names. InvalidError for what is no such text."""
    found: dict[str, str] = {}
    for field in _split(text):
        key, equals, value = field.partition("=")
        name = _KEYS.get(key.lower())
        if key.lower() in _UNSUPPORTED:
            raise UnsupportedError(f"{key.lower()} is not supported")
        if not equals and name not in _FLAGS:
            raise InvalidError(f"invalid field '{field[:100]}' must be a key=value pair")
        if name is None:
            raise InvalidError(f"unexpected key '{key[:100]}' in '{field[:100]}'")
        if name in _FLAGS:
            given = parse_bool(value) if equals else True
            if given is None:
                raise InvalidError(f"invalid value for {key}: {value[:100]}")
            value = "true" if given else ""
        elif name == "type":
            value = value.lower()
        elif name == "tmpfs-size":
            value = str(_size(key, value))
        elif name == "tmpfs-mode" and not _is_mode(value):
            raise InvalidError(f"invalid value for {key}: {value[:100]}")
        found[name] = value
    found.setdefault("type", "volume")
    if not found.get("target"):
        raise InvalidError("target is required")
    for kind in ("volume", "bind", "tmpfs"):
        if found["type"] != kind and any(name.startswith(f"{kind}-") for name in found):
            raise InvalidError(
                f"cannot mix '{kind}-*' options with mount type '{found['type'][:40]}'"
            )
    return found


def parse_mount(text: str) -> Mount:
    """Reads the argument of --mount."""
    if "\0" in text:
        raise InvalidError(f"mount contains a NUL byte: {text[:200]!r}")
    fields = read_fields(text)
    kind, source = fields["type"], fields.get("source", "")
    what = f'invalid mount config for type "{kind[:40]}"'
    read_only = bool(fields.get("readonly"))
    if kind not in (BIND, VOLUME, TMPFS, IMAGE):
        raise InvalidError(f"{what}: mount type unknown")
    if kind == TMPFS and source:
        raise InvalidError(f"{what}: field Source must not be specified")
    if kind in (BIND, IMAGE) and not source:
        raise InvalidError(f"{what}: field Source must not be empty")
    target = check_target(fields["target"], what)
    if kind == TMPFS:
        options = {name: fields[f"tmpfs-{name}"] for name in ("size", "mode")
                   if fields.get(f"tmpfs-{name}", "0") != "0"}  # fmt: skip
        return Mount(TMPFS, "", target, read_only=read_only, options=options)
    if kind == IMAGE:
        return Mount(IMAGE, source, target, read_only=True)
    if kind == BIND:
        _check_bind(fields, what)
        source = posixpath.normpath(source)
        return Mount(BIND, source, target, read_only=read_only, copy_up=False, must_exist=True)
    copies = not fields.get("volume-nocopy")
    if not source:
        return Mount(ANONYMOUS, "", target, read_only=read_only, copy_up=copies)
    name = check_volume_name(source)
    return Mount(VOLUME, name, target, read_only=read_only, copy_up=copies)


def absolute_mount(text: str) -> str:
    """The argument of --mount with a source that begins with a dot made absolute, as Docker's
    command line has it."""
    if "=." not in text:
        return text
    fields = [_absolute_field(field) for field in _split(text)]
    return ",".join(_quoted(field) for field in fields)


def parse_tmpfs(text: str) -> Mount:
    """Reads the argument of --tmpfs."""
    path, _, words = text.partition(":")
    read_only = False
    options: dict[str, str] = {}
    for word in words.split(",") if words else ():
        name, equals, value = word.partition("=")
        if name in ("ro", "rw") and not equals:
            read_only = name == "ro"
        elif name in ("exec", "suid") and not equals:
            options[name] = ""
        elif name in ("noexec", "nosuid") and not equals:
            options.pop(name[2:], None)
        elif name == "dev" and not equals:
            raise UnsupportedError("tmpfs option dev is not supported: nothing else would limit it")
        elif name in _TMPFS_VALUES and equals:
            _check_tmpfs_value(name, value)
            options[name] = value
        elif word not in ("", "nodev"):
            raise InvalidError(f'invalid tmpfs option ["{word[:100]}"]')
    target = check_target(path, f"invalid tmpfs '{text[:200]}'")
    return Mount(TMPFS, "", target, read_only=read_only, options=options)


def tmpfs_mounts(texts: tuple[str, ...]) -> list[Mount]:
    """All of --tmpfs; of two for one place the later one counts, as Docker's."""
    return list({mount.target: mount for mount in map(parse_tmpfs, texts)}.values())


def _split(text: str) -> list[str]:
    """The fields, of which those with a comma in them are quoted as in CSV."""
    if not text:
        raise InvalidError("value is empty")
    if '"' not in text:
        return text.split(",")
    import csv

    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise InvalidError(f"invalid mount: {error}") from None
    return rows[0] if rows else []


def _absolute_field(field: str) -> str:
    key, _, value = field.partition("=")
    if _KEYS.get(key.lower()) == "source" and value.startswith("."):
        return f"{key}={os.path.abspath(value)}"
    return field


def _quoted(field: str) -> str:
    if "," not in field and '"' not in field:
        return field
    doubled = field.replace('"', '""')
    return f'"{doubled}"'


def _size(key: str, value: str) -> int:
    from fastlayers.limits import parse_bytes

    try:
        return parse_bytes(value)
    except InvalidError:
        raise InvalidError(f"invalid value for {key}: {value[:100]}") from None


def _is_mode(text: str) -> bool:
    return 0 < len(text) <= 5 and not text.strip("01234567") and int(text, 8) <= 0o7777


def _check_bind(fields: dict[str, str], what: str) -> None:
    source = fields["source"]
    if not source.startswith("/"):
        raise InvalidError(
            f"{what}: invalid mount path: '{source[:200]}' mount path must be absolute"
        )
    propagation = fields.get("bind-propagation", "rprivate").lower()
    if propagation in _PROPAGATION:
        raise UnsupportedError(f"{what}: mount propagation {propagation} is not supported")
    if propagation != "rprivate":
        raise InvalidError(f"{what}: invalid propagation mode: {propagation[:40]}")
    recursive = fields.get("bind-recursive", "enabled")
    if recursive != "enabled":
        raise UnsupportedError(f"{what}: bind-recursive={recursive[:40]} is not supported")


def _check_tmpfs_value(name: str, value: str) -> None:
    number = value.rstrip("kKmMgGtT%") if name == "size" else value.rstrip("kKmMgGtT")
    if name == "mode":
        good = _is_mode(value)
    elif name in ("uid", "gid"):
        good = value.isascii() and value.isdecimal() and int(value) <= _LARGEST_ID
    else:
        good = number.isascii() and number.isdecimal() and len(value) - len(number) <= 1
    if not good:
        raise InvalidError(f'invalid tmpfs option ["{name}={value[:100]}"]')
