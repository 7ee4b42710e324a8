"""Credentials from the configuration file of Docker's command line and its credential helpers."""

from __future__ import annotations

import base64
import binascii
import json
import os
import subprocess
from typing import Any, NamedTuple

from fastlayers.errors import InvalidError, UnauthorizedError
from fastlayers.host import make_directory, write_file

# The key under which the configuration file keeps the credentials of Docker Hub.
HUB_KEY = "https://index.docker.io/v1/"
_HUB_HOSTS = ("docker.io", "index.docker.io", "registry-1.docker.io")
_FILE_LIMIT = 4 << 20
_HELPER_SECONDS = 30
# What a helper says when it holds nothing for a server: not an error.
_NOTHING_STORED = "credentials not found"


class Credentials(NamedTuple):
    """What a person logged in with; an empty field is not there.

    `identity_token` is exchanged for access tokens; `registry_token` is sent as it is.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __bool__(self) -> bool:
        return any(self)

    def __repr__(self) -> str:  # secrets must not reach a log through a traceback
        return f"Credentials({self.username!r}, ...)"


def config_path() -> str:
    """The configuration file's path: DOCKER_CONFIG names its folder."""
    folder = os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    return os.path.join(folder, "config.json")


def _read_config(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            raw = file.read(_FILE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise InvalidError(f"cannot read {path}: {error.strerror}") from None
    try:
        config = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(config, dict):
        raise InvalidError(f"{path} is not a JSON object")
    return config


def _section(config: dict[str, Any], name: str) -> dict[str, Any]:
    value = config.get(name)
    return value if isinstance(value, dict) else {}


def _host_of(key: str) -> str:
    """The registry's host of an `auths` key: older files hold whole URLs."""
    for prefix in ("https://", "http://"):
        key = key.removeprefix(prefix)
    return key.split("/", 1)[0]


def _of_entry(entry: Any, path: str, key: str) -> Credentials:
    if not isinstance(entry, dict):
        raise InvalidError(f"{path}: the entry of {key} is not a JSON object")
    fields = {name: entry.get(name) or "" for name in ("username", "password", "auth")}
    fields["identity_token"] = entry.get("identitytoken") or ""
    fields["registry_token"] = entry.get("registrytoken") or ""
    if not all(isinstance(value, str) for value in fields.values()):
        raise InvalidError(f"{path}: the entry of {key} has a field that is not a string")
    auth = fields.pop("auth")
    if auth:
        try:
            pair = base64.b64decode(auth, validate=True).decode()
        except (binascii.Error, ValueError):
            raise InvalidError(
                f"{path}: the auth of {key} is not base64 of name:password"
            ) from None
        username, colon, password = pair.partition(":")
        if not colon:
            raise InvalidError(f"{path}: the auth of {key} is not base64 of name:password")
        fields["username"], fields["password"] = username, password.rstrip("\0")
    return Credentials(**fields)


def _ask_helper(helper: str, action: str, text: str) -> bytes | None:
    """What docker-credential-<helper> answers, None if it holds nothing; raises UnauthorizedError
    if it does not work."""
    program = f"docker-credential-{helper}"
    if not helper or not all(c.isalnum() or c in "-_." for c in helper):
        raise UnauthorizedError(f"credential helper {helper!r} is not a valid name")
    try:
        done = subprocess.run(
            [program, action],
            input=text.encode(),
            capture_output=True,
            timeout=_HELPER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnauthorizedError(f"{program} did not answer in {_HELPER_SECONDS} s") from None
    except OSError as error:
        raise UnauthorizedError(f"cannot run {program}: {error.strerror}") from None
    if done.returncode == 0:
        return done.stdout
    said = (done.stdout + done.stderr).decode(errors="replace").strip()
    if _NOTHING_STORED in said:
        return None
    raise UnauthorizedError(f"{program} failed: {said or f'exit code {done.returncode}'}")


def _of_helper(helper: str, key: str) -> Credentials:
    program = f"docker-credential-{helper}"
    stored = _ask_helper(helper, "get", key)
    if stored is None:
        return Credentials()
    try:
        answer = json.loads(stored)
        username, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnauthorizedError(f"{program} gave an answer that is not a credential") from None
    if not isinstance(username, str) or not isinstance(secret, str):
        raise UnauthorizedError(f"{program} gave an answer that is not a credential")
    if username == "<token>":
        return Credentials(identity_token=secret)
    return Credentials(username=username, password=secret)


def _keys(registry: str) -> list[str]:
    """The names that a registry's credentials may lie under; new ones lie under the first."""
    return [HUB_KEY, *_HUB_HOSTS] if registry in _HUB_HOSTS else [registry]


def _helper(config: dict[str, Any], keys: list[str]) -> str:
    """The credential helper for a registry; "" if its credentials lie in the file."""
    helpers = _section(config, "credHelpers")
    own = next((helpers[key] for key in keys if key in helpers), None)
    return str(own or config.get("credsStore") or "")


def find_credentials(registry: str, path: str = "") -> Credentials:
    """The credentials for a registry ("host" or "host:port"), empty if there are none.

    A helper set for this registry (`credHelpers`) comes before the general one (`credsStore`), and
    that before what the file itself holds (`auths`).
    """
    path = path or config_path()
    config = _read_config(path)
    keys = _keys(registry)
    helper = _helper(config, keys)
    if helper:
        found = _of_helper(helper, keys[0])
        if found:
            return found
    auths = _section(config, "auths")
    for key in keys:
        if key in auths:
            found = _of_entry(auths[key], path, key)
            if found:
                return found
    for key, entry in auths.items():
        if _host_of(key) in keys:
            found = _of_entry(entry, path, key)
            if found:
                return found
    return Credentials()


def store_credentials(registry: str, credentials: Credentials) -> str:
    """Keeps a login for this user, in the credential helper if one is set up; returns the path of
    the file if it lies there for all to read who may read the file, else ""."""
    path = config_path()
    keys = _keys(registry)
    config = _read_config(path)
    helper = _helper(config, keys)
    entry: dict[str, str] = {}
    if helper:
        secret = {"ServerURL": keys[0], "Username": credentials.username,
                  "Secret": credentials.password}  # fmt: skip
        _ask_helper(helper, "store", json.dumps(secret))
    else:
        pair = f"{credentials.username}:{credentials.password}"
        entry["auth"] = base64.b64encode(pair.encode()).decode()
    config["auths"] = {**_section(config, "auths"), keys[0]: entry}
    _write_config(path, config)
    return "" if helper else path


def erase_credentials(registry: str) -> bool:
    """Forgets a login; whether there was one."""
    path = config_path()
    keys = _keys(registry)
    config = _read_config(path)
    auths = _section(config, "auths")
    ours = [key for key in auths if key in keys or _host_of(key) in keys]
    helper = _helper(config, keys)
    known = bool(ours)
    if helper and _of_helper(helper, keys[0]):
        _ask_helper(helper, "erase", keys[0])
        known = True
    if ours:
        config["auths"] = {key: entry for key, entry in auths.items() if key not in ours}
        _write_config(path, config)
    return known


def _write_config(path: str, config: dict[str, Any]) -> None:
    """Replaces the file, through a symlink if it is one; only its owner may read it."""
    path = os.path.realpath(path)
    make_directory(os.path.dirname(path), 0o700)
    text = json.dumps(config, indent="\t", ensure_ascii=False)
    write_file(path, text.encode(), sync=True, mode=0o600)
