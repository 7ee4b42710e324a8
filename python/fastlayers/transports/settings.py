"""What is special about a registry's host: registries.toml.

    ["docker.io"]
    mirrors = ["mirror.example:5000"]     # asked first, in this order, for what is read
    ["mirror.example:5000"]
    http = true                           # plain HTTP may be used; on loopback it always may
    ["registry.example"]
    ca = "/etc/ssl/example.pem"           # trusted for this host as well
    certificate = "/etc/ssl/me.pem"       # shown to this host
    key = "/etc/ssl/me.key"               # of the certificate, if it is not in the same file
    verify = false                        # any certificate will do
    proxy = "http://proxy.example:3128"   # instead of the environment's; "" for none

The file is FASTLAYERS_REGISTRIES, or else the first there is of
~/.config/fastlayers/registries.toml (XDG_CONFIG_HOME) and /etc/fastlayers/registries.toml.
"""

from __future__ import annotations

import os
import tomllib
from functools import cache
from typing import Any, NamedTuple

from fastlayers.errors import InvalidError

_LIMIT_BYTES = 1 << 20
_SYSTEM_FILE = "/etc/fastlayers/registries.toml"


class HostSettings(NamedTuple):
    """The settings of one host. `proxy` None: the environment's."""

    http: bool = False
    verify: bool = True
    ca: str = ""
    certificate: str = ""
    key: str = ""
    proxy: str | None = None
    mirrors: tuple[str, ...] = ()


_KINDS: dict[str, type] = {
    "http": bool, "verify": bool, "ca": str, "certificate": str, "key": str, "proxy": str,
    "mirrors": list,
}  # fmt: skip


def settings_of(host: str) -> HostSettings:
    """The settings of a registry ("host" or "host:port"). InvalidError says what is wrong with the
    file."""
    path = settings_path()
    if not path:
        return HostSettings()
    try:
        status = os.stat(path)
    except OSError as error:
        raise InvalidError(f"cannot read {path}: {error.strerror}") from None
    return _read(path, (status.st_ino, status.st_mtime_ns, status.st_size)).get(
        host, HostSettings()
    )


def settings_path() -> str:
    """The file that counts; "" if there is none."""
    named = os.environ.get("FASTLAYERS_REGISTRIES", "")
    if named:
        return named
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    for path in (os.path.join(home, "fastlayers", "registries.toml"), _SYSTEM_FILE):
        if os.path.exists(path):
            return path
    return ""


@cache
def _read(path: str, signature: tuple[int, int, int]) -> dict[str, HostSettings]:
    """`signature` changes with the file."""
    try:
        with open(path, "rb") as file:
            raw = file.read(_LIMIT_BYTES + 1)
        if len(raw) > _LIMIT_BYTES:
            raise InvalidError(f"{path} is longer than {_LIMIT_BYTES} bytes")
        document = tomllib.loads(raw.decode())
    except OSError as error:
        raise InvalidError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # TOML's and Unicode's
        raise InvalidError(f"{path} is not valid TOML: {error}") from None
    return {host: _host(path, host, table) for host, table in document.items()}


def _host(path: str, host: str, table: Any) -> HostSettings:
    if not isinstance(table, dict):
        raise InvalidError(f'{path}: {host} is not a table; write ["{host}"] above its settings')
    for key, value in table.items():
        kind = _KINDS.get(key)
        if kind is None:
            known = ", ".join(_KINDS)
            raise InvalidError(f"{path}: {host} has no setting {key!r}: there are {known}")
        if not isinstance(value, kind):
            raise InvalidError(f"{path}: {key} of {host} is not a {kind.__name__}")
    mirrors = table.get("mirrors", [])
    if not all(isinstance(mirror, str) and mirror for mirror in mirrors):
        raise InvalidError(f"{path}: mirrors of {host} is not a list of hosts")
    if table.get("key") and not table.get("certificate"):
        raise InvalidError(f"{path}: {host} has a key without a certificate")
    return HostSettings(**{**table, "mirrors": tuple(mirrors)})
