"""Ports of a container: what -p, --expose and -P ask for, and what is published then."""

from __future__ import annotations

from fastlayers.errors import InvalidError, UnsupportedError
from fastlayers.oci.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PROTOCOLS = ("tcp", "udp", "sctp")
_LARGEST = 65535
_LONGEST = 100  # digits


class Binding(Frozen):
    """One port of a container, and where on the host it is wanted: at an address ("": all of them)
    and a port from `first` to `last` (0: any that is free)."""

    __slots__ = ("address", "first", "last", "port", "protocol")

    address: str
    first: int
    last: int
    port: int
    protocol: str

    def __init__(self, address: str, first: int, last: int, port: int, protocol: str) -> None:
        self._set(address=address, first=first, last=last, port=port, protocol=protocol)

    @property
    def name(self) -> str:
        """ "80/tcp": the container's port."""
        return f"{self.port}/{self.protocol}"

    @property
    def host_ports(self) -> str:
        """The host's port or ports as docker shows them."""
        if not self.first:
            return ""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


class Published(Frozen):
    """A port of the host that leads to one of the container."""

    __slots__ = ("address", "host_port", "port", "protocol")

    address: str
    host_port: int
    port: int
    protocol: str

    def __init__(self, address: str, host_port: int, port: int, protocol: str) -> None:
        self._set(address=address, host_port=host_port, port=port, protocol=protocol)

    @property
    def name(self) -> str:
        """ "80/tcp": the container's port."""
        return f"{self.port}/{self.protocol}"

    @property
    def place(self) -> str:
        """ "0.0.0.0:8080" or "[::]:8080"."""
        return place(self.address, self.host_port)

    def to_text(self) -> str:
        """ "0.0.0.0:8080->80/tcp"."""
        return f"{self.place}->{self.name}"

    @classmethod
    def parse(cls, text: str) -> Published:
        """Reads what to_text() wrote."""
        host, arrow, name = text.partition("->")
        address, _, host_port = host.rpartition(":")
        port, _, protocol = name.partition("/")
        if not (arrow and host_port.isdigit() and port.isdigit()):
            raise InvalidError(f"{text[:100]!r} is no published port")
        return cls(address.strip("[]"), int(host_port), int(port), protocol)


def place(address: str, port: int) -> str:
    """Address and port, as one text."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def parse_publish(text: str) -> list[Binding]:
    """What a -p means, "[ADDRESS:][PORT[-PORT]:]PORT[-PORT][/PROTOCOL]", a binding for each port of
    the container. Complaints are docker's."""
    ports, _, protocol = text.partition("/")
    head, _, inside = ports.rpartition(":")
    address, _, outside = head.rpartition(":")
    protocol = protocol.lower() or "tcp"
    address = _address(address)
    if not inside:
        raise InvalidError(f"no port specified: {text[:100]}<empty>")
    first, last = _range_of(inside, "containerPort")
    host_first, host_last = _range_of(outside, "hostPort") if outside else (0, 0)
    if host_last - host_first != last - first and outside and first != last:
        raise InvalidError(
            f"invalid ranges specified for container and host Ports: {inside} and {outside}"
        )
    if protocol not in _PROTOCOLS:
        raise InvalidError(f"invalid proto: {protocol[:100]}")
    if protocol == "sctp":
        raise UnsupportedError(f"{text[:100]}: sctp is not supported: tcp and udp are published")
    if not first:
        raise InvalidError(f"invalid containerPort: {inside}")
    if first == last:
        return [Binding(address, host_first, host_last, first, protocol)]
    found = []
    for port in range(first, last + 1):
        host = host_first + port - first if host_first else 0
        found.append(Binding(address, host, host, port, protocol))
    return found


def parse_expose(text: str) -> list[str]:
    """The ports of a --expose, as an image's config names them: ["80/tcp"]."""
    try:
        ports = parse_ports(text)
    except InvalidError as error:
        raise InvalidError(f"invalid range format for --expose: {error}") from None
    protocol = ports[0].partition("/")[2]
    if protocol not in _PROTOCOLS:
        raise InvalidError(f"invalid proto: {protocol[:100]}")
    return ports


def parse_ports(text: str) -> list[str]:
    """The ports of "PORT[-PORT][/PROTOCOL]": ["80/tcp"]. Complaints are docker's."""
    ports, _, protocol = text.partition("/")
    first, last = _range(ports)
    return [f"{port}/{protocol.lower() or 'tcp'}" for port in range(first, last + 1)]


def parse_port(text: str, what: str = "port") -> int:
    """A number from 0 to 65535; `what` it is for the complaint, which is docker's."""
    why = ""
    if not text:
        why = "value is empty"
    elif not (text.isascii() and text.isdigit()):
        why = "invalid syntax"
    elif len(text) > _LONGEST or int(text) > _LARGEST:
        why = "value out of range"
    if why:
        raise InvalidError(f"invalid {what} '{text[:100]}': {why}")
    return int(text)


def bindings(publish: Sequence[str], publish_all: bool, exposed: Iterable[str]) -> list[Binding]:
    """All that is to be published: `exposed` is what else -P publishes, at ports that are free."""
    found = [binding for text in publish for binding in parse_publish(text)]
    if publish_all:
        known = {binding.name for binding in found}
        more = (part for text in exposed for part in parse_expose(text) if part not in known)
        found += [binding for name in more for binding in parse_publish(name)]
    return found


def shown(published: Iterable[Published], exposed: Iterable[str]) -> str:
    """The ports as `ps` lists them: neighbours that have the same number outside and inside, or are
    not published at all, are one range."""
    published = list(published)
    taken = {port.name for port in published}
    entries = [("", 0, *_split(name)) for name in exposed if name not in taken]
    entries += [(one.address, one.host_port, one.port, one.protocol) for one in published]
    entries.sort(key=lambda entry: (entry[2], entry[0], entry[1], entry[3]))
    open_ranges: dict[tuple[str, str], tuple[int, int]] = {}
    closed, others = [], []
    for address, host_port, port, protocol in entries:
        if address and host_port != port:
            others.append(f"{place(address, host_port)}->{port}/{protocol}")
            continue
        first, last = open_ranges.get((address, protocol), (port, port))
        if port not in (last, last + 1):
            closed.append(_shown_range(address, protocol, first, last))
            first = port
        open_ranges[address, protocol] = (first, port)
    ranges = (_shown_range(*key, *ends) for key, ends in open_ranges.items())
    return ", ".join([*closed, *ranges, *others])


def sort_key(name: str) -> tuple[int, str]:
    """The order of "80/tcp" and its like."""
    return _split(name)


def _shown_range(address: str, protocol: str, first: int, last: int) -> str:
    ports = str(first) if first == last else f"{first}-{last}"
    if not address:
        return f"{ports}/{protocol}"
    return (
        f"[{address}]:{ports}->{ports}/{protocol}"
        if ":" in address
        else (f"{address}:{ports}->{ports}/{protocol}")
    )


def _split(name: str) -> tuple[int, str]:
    port, _, protocol = name.partition("/")
    return int(port) if port.isdigit() else 0, protocol or "tcp"


def _address(text: str) -> str:
    import socket

    if not text:
        return ""
    bare = text[1:-1] if text[0] == "[" and text[-1] == "]" else text
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, bare))
    except (OSError, ValueError):
        raise InvalidError(f"invalid IP address: {bare[:100]}") from None


def _range(text: str) -> tuple[int, int]:
    if not text:
        raise InvalidError("invalid port range: value is empty")
    first, dash, last = text.partition("-")
    low = parse_port(first, "start port")
    high = parse_port(last, "end port") if dash else low
    if high < low:
        raise InvalidError(f"invalid port range: {text[:100]}")
    return low, high


def _range_of(text: str, what: str) -> tuple[int, int]:
    try:
        return _range(text)
    except InvalidError:
        raise InvalidError(f"invalid {what}: {text[:100]}") from None
