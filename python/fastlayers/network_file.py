"""The files that tell a container where it is: hosts, hostname, resolv.conf.

They lie in the container's directory, are written anew at every start and bound over those of the
image, so they never become part of a commit.
"""

from __future__ import annotations

import os

from fastlayers.host import read_file, write_file

HOSTS = "hosts"
HOSTNAME = "hostname"
RESOLV_CONF = "resolv.conf"
_HOST_FILES = "/etc"
# What systemd-resolved writes for those who cannot reach its stub on the host's loopback.
_RESOLVED = "/run/systemd/resolve/resolv.conf"
_STUB = "127.0.0.53"
_LOCAL_HOSTS = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::\tip6-localnet\n"
    "ff00::\tip6-mcastprefix\n"
    "ff02::1\tip6-allnodes\n"
    "ff02::2\tip6-allrouters\n"
)
_OWN_ADDRESS = "127.0.1.1"


def write_network_files(directory: str, hostname: str, network: str) -> None:
    """Writes the three files for a container with this host name and network."""
    contents = {
        HOSTNAME: f"{hostname}\n".encode(),
        HOSTS: _hosts(hostname, network),
        RESOLV_CONF: _resolv_conf(network),
    }
    for name, content in contents.items():
        path = os.path.join(directory, name)
        if read_file(path) != content:
            write_file(path, content, sync=False)


def _hosts(hostname: str, network: str) -> bytes:
    text = _LOCAL_HOSTS.encode()
    if network == "host":
        hosts = _read(os.path.join(_HOST_FILES, "hosts"))
        if hosts.strip():
            text = hosts if hosts.endswith(b"\n") else hosts + b"\n"
    names = {name for line in text.splitlines() for name in line.partition(b"#")[0].split()[1:]}
    if hostname.encode() not in names:
        text += f"{_OWN_ADDRESS}\t{hostname}\n".encode()
    return text


def _resolv_conf(network: str) -> bytes:
    text = _read(os.path.join(_HOST_FILES, "resolv.conf"))
    if network != "host" and _name_servers(text) == [_STUB]:
        return _read(_RESOLVED) or text
    return text


def _name_servers(text: bytes) -> list[str]:
    lines = (line.split() for line in text.decode("utf-8", "replace").splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def _read(path: str) -> bytes:
    """A file of the host; empty where the host has none."""
    return read_file(path) or b""
