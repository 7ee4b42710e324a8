"""The files that tell a container where it is: hosts, hostname, resolv.conf.

They lie in the container's directory, are written anew at every start and bound over those of the
image, so they never become part of a commit.
"""

from __future__ import annotations

import os

from fastlayers.errors import InvalidError
from fastlayers.host import host_error, read_file, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

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
_LOOPBACK = "127.0.0.1"


def write_network_files(
    directory: str,
    hostname: str,
    network: str,
    *,
    add_hosts: Sequence[str] = (),
    dns: Sequence[str] = (),
    dns_search: Sequence[str] = (),
    dns_options: Sequence[str] = (),
) -> None:
    """Writes the three files for a container with this host name and network. `add_hosts` are
    "NAME:ADDRESS"; where there are `dns`, `dns_search` or `dns_options` they replace the host's,
    and "." among the domains is for none."""
    hosts, resolv_conf = _hosts(hostname, network), _resolv_conf(network)
    if add_hosts:
        hosts += _more_hosts(add_hosts, network)
    if dns or dns_search or dns_options:
        resolv_conf = _changed(resolv_conf, dns, dns_search, dns_options)
    contents = {HOSTNAME: f"{hostname}\n".encode(), HOSTS: hosts, RESOLV_CONF: resolv_conf}
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


def _more_hosts(add_hosts: Sequence[str], network: str) -> bytes:
    from fastlayers.name_service import GATEWAY, parse_host

    lines = []
    for name, address in map(parse_host, add_hosts):
        if address == GATEWAY and network == "pasta":
            from fastlayers.pasta import host_address

            address = host_address()
        if address == GATEWAY and network != "host":
            raise InvalidError(f"{name}:{GATEWAY}: the host is not reached from network {network}")
        # With its network, the way to the host leads nowhere else.
        lines.append(f"{_LOOPBACK if address == GATEWAY else address}\t{name}\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


def _changed(
    text: bytes, dns: Sequence[str], dns_search: Sequence[str], dns_options: Sequence[str]
) -> bytes:
    """A resolv.conf with other name servers, domains or options, in Docker's order."""
    search = list(dns_search) or _values(text, "search") or _values(text, "domain")
    options = [option for option in dns_options if option] or _values(text, "options")
    lines = [f"nameserver {server}" for server in dns or _name_servers(text)]
    if search and "." not in search:
        lines.append(f"search {' '.join(search)}")
    if options:
        lines.append(f"options {' '.join(options)}")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _values(text: bytes, keyword: str) -> list[str]:
    """The words behind the last line of a kind, which is the one that counts."""
    lines = (line.split() for line in text.decode("utf-8", "replace").splitlines())
    return ([words[1:] for words in lines if words and words[0] == keyword] or [[]])[-1]


def share_network_files(source: str, directory: str) -> None:
    """Gives a container the very files of another, by their directories."""
    for name in (HOSTNAME, HOSTS, RESOLV_CONF):
        new = os.path.join(directory, f".{name}.new")
        try:
            os.link(os.path.join(source, name), new)
            os.replace(new, os.path.join(directory, name))
        except OSError as error:
            raise host_error(f"cannot share /etc/{name} of another container", error) from None


def needs_forwarding() -> bool:
    """Whether a name server of the host listens where only the host's processes reach it."""
    return any(map(_is_loopback, _name_servers(_resolv_conf("none"))))


def _resolv_conf(network: str) -> bytes:
    text = _read(os.path.join(_HOST_FILES, "resolv.conf"))
    if network != "host" and _name_servers(text) == [_STUB]:
        text = _read(_RESOLVED) or text
    servers = _name_servers(text)
    if network == "pasta" and any(map(_is_loopback, servers)):
        from fastlayers.pasta import NAME_SERVER

        others = [server for server in servers if not _is_loopback(server)]
        return _changed(text, [NAME_SERVER, *others], (), ())
    return text


def _is_loopback(server: str) -> bool:
    return server.startswith("127.") or server == "::1"


def _name_servers(text: bytes) -> list[str]:
    lines = (line.split() for line in text.decode("utf-8", "replace").splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def _read(path: str) -> bytes:
    """A file of the host; empty where the host has none."""
    return read_file(path) or b""
