"""The syntax of -p and --expose, and how ports are listed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers.errors import FastlayersError, InvalidError, UnsupportedError
from fastlayers.port_option import (
    Published,
    bindings,
    parse_expose,
    parse_publish,
    shown,
)

_PORTS = st.integers(1, 65535)
_ADDRESSES = st.one_of(
    st.just(""), st.ip_addresses(v=4).map(str), st.just("[::1]"), st.just("[::]")
)


@given(_ADDRESSES, st.none() | _PORTS, _PORTS, st.sampled_from(["", "/tcp", "/udp", "/UDP"]))
def test_what_is_written_is_what_is_bound(
    address: str, host: int | None, port: int, protocol: str
) -> None:
    outside = f"{address}:{host or ''}:" if address else f"{host}:" if host else ""
    number = host or 0
    [one] = parse_publish(f"{outside}{port}{protocol}")
    assert (one.address, one.first, one.last) == (address.strip("[]"), number, number)
    assert one.name == f"{port}/{protocol[1:].lower() or 'tcp'}"


@given(st.integers(1, 65000), st.integers(1, 65000), st.integers(1, 400))
def test_ranges_are_bound_port_by_port(host: int, port: int, more: int) -> None:
    found = parse_publish(f"{host}-{host + more}:{port}-{port + more}")
    assert [(one.first, one.last, one.port) for one in found] == [
        (host + n, host + n, port + n) for n in range(more + 1)
    ]
    [one] = parse_publish(f"{host}-{host + more}:{port}")
    assert (one.first, one.last, one.port) == (host, host + more, port)


@given(st.text(alphabet="0123456789:-/[].tcpudx, +_", max_size=20))
def test_no_text_does_anything_but_mean_ports_or_be_refused(text: str) -> None:
    try:
        found = parse_publish(text)
    except FastlayersError:
        return
    assert found and all(1 <= one.port <= 65535 and one.last <= 65535 for one in found)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("abc", "invalid containerPort: abc"),
        ("abc:80", "invalid hostPort: abc"),
        ("1.2.3:80:80", "invalid IP address: 1.2.3"),
        ("localhost:80:80", "invalid IP address: localhost"),
        ("127.0.0.1:80", "invalid hostPort: 127.0.0.1"),
        ("80:80/foo", "invalid proto: foo"),
        ("80-82:80-81", "invalid ranges specified for container and host Ports: 80-81 and 80-82"),
        ("", "no port specified: <empty>"),
        ("::", "no port specified: ::<empty>"),
        ("9-8", "invalid containerPort: 9-8"),
        ("70000:80", "invalid hostPort: 70000"),
        ("80:0", "invalid containerPort: 0"),
        ("+80", "invalid containerPort: +80"),
    ],
)
def test_complaints_are_dockers(text: str, complaint: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_publish(text)
    assert str(caught.value) == complaint


def test_sctp_is_exposed_but_not_published() -> None:
    with pytest.raises(UnsupportedError, match="sctp"):
        parse_publish("80:80/sctp")
    assert parse_expose("80-81/sctp") == ["80/sctp", "81/sctp"]


def test_all_that_is_exposed_is_published_once() -> None:
    found = bindings(["8080:80"], True, ["80/tcp", "53/udp"])
    assert [(one.first, one.name) for one in found] == [(8080, "80/tcp"), (0, "53/udp")]


@given(st.sampled_from(["0.0.0.0", "::", "127.0.0.1"]), _PORTS, _PORTS)
def test_a_published_port_is_read_as_it_was_written(address: str, host: int, port: int) -> None:
    one = Published.parse(Published(address, host, port, "udp").to_text())
    assert (one.address, one.host_port, one.name) == (address, host, f"{port}/udp")


def test_ports_are_listed_as_docker_lists_them() -> None:
    published = [
        Published(address, host, port, "tcp")
        for host, port in ((8000, 8000), (8001, 8001), (8002, 8002), (8100, 82))
        for address in ("0.0.0.0", "::")
    ]
    assert shown(published, ["53/udp", "443/tcp", "82/tcp"]) == (
        "53/udp, 443/tcp, 0.0.0.0:8000-8002->8000-8002/tcp, [::]:8000-8002->8000-8002/tcp, "
        "0.0.0.0:8100->82/tcp, [::]:8100->82/tcp"
    )
