"""Networks by pasta: published ports, networks that containers share, and that nothing is left."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import busybox_root
from tests.command_line import CommandLine
from tests.ordinary_user import ordinary_user

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox", "pasta")]

_DATAGRAMS = """
import socket, sys
here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
here.bind(("0.0.0.0", int(sys.argv[1])))
while True:
    here.sendto(*here.recvfrom(100))
"""
_SERVER = "exec nc -ll -p 80 -e cat"


@pytest.fixture
def box(fresh: CommandLine) -> CommandLine:
    """A store with the image `box`."""
    fresh.must("import", "-", "box", stdin=busybox_root.tar())
    return fresh


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return int(probe.getsockname()[1])


def until(what: Callable[[], bool]) -> bool:
    """Whether it comes true within some seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


def echoes(port: int, address: str = "127.0.0.1") -> bool:
    """Whether what is sent to a port comes back."""
    try:
        with socket.create_connection((address, port), 2) as there:
            there.sendall(b"hello")
            return there.recv(100) == b"hello"
    except OSError:
        return False


def answers_datagrams(port: int) -> bool:
    """The same of UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.settimeout(1)
        here.connect(("127.0.0.1", port))
        try:
            here.send(b"hello")
            return here.recv(100) == b"hello"
        except OSError:
            return False


def pastas() -> set[int]:
    """All of them that run here."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().startswith(("passt", "pasta")):
                found.add(int(path.parent.name))
        except OSError:
            continue
    return found


def supervisor(box: CommandLine, name: str) -> int:
    """The process that runs a container in the background."""
    pid = _parent(int(box.must("inspect", "-f", "{{.State.Pid}}", name).out))
    is_keeper = b"runtime_keeper" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return _parent(pid) if is_keeper else pid


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_published_port_leads_into_the_container(box: CommandLine, by: list[str]) -> None:
    before, port = pastas(), free_port()
    box.must("run", "-d", "--name", "web", *by, "-p", f"{port}:80", "box", "sh", "-c", _SERVER)
    try:
        assert until(lambda: echoes(port))
        assert f"80/tcp -> 0.0.0.0:{port}" in box.must("port", "web").lines
        assert f"0.0.0.0:{port}->80/tcp" in box.must("ps").out
        about = json.loads(box.must("inspect", "web").out)[0]
        assert about["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"] == str(port)
        assert about["HostConfig"]["PortBindings"] == {
            "80/tcp": [{"HostIp": "", "HostPort": str(port)}]
        }
        assert about["Config"]["ExposedPorts"] == {"80/tcp": {}}
        again = box.fails(125, "run", "--rm", "-p", f"{port}:80", "box", "true")
        assert f"Bind for 0.0.0.0:{port} failed: port is already allocated" in again.err
        box.must("restart", "-t", "0", "web")
        assert until(lambda: echoes(port))
    finally:
        box.must("rm", "-f", "web")
    assert until(lambda: pastas() <= before)
    assert not echoes(port)


def test_the_network_is_the_containers_own(box: CommandLine, by: list[str]) -> None:
    script = "ls /sys/class/net; cat /proc/sys/net/ipv4/conf/eth0/log_martians"
    done = box.must("run", "--rm", *by, "--network", "pasta", "--sysctl",
                    "net.ipv4.conf.default.log_martians=1", "--sysctl",
                    "net.ipv4.conf.eth0.log_martians=1", "box", "sh", "-c", script)  # fmt: skip
    assert done.lines == ["eth0", "lo", "1"]


def test_who_kills_the_supervisor_leaves_no_pasta(box: CommandLine, by: list[str]) -> None:
    before = pastas()
    box.must("run", "-d", "--name", "web", *by, "-p", "80", "box", "sleep", "60")
    assert pastas() > before
    os.kill(supervisor(box, "web"), signal.SIGKILL)
    assert until(lambda: pastas() <= before)
    assert box.must("port", "web").out == ""
    box.must("rm", "-f", "web")


def test_a_start_that_fails_leaves_no_pasta(box: CommandLine, by: list[str]) -> None:
    before = pastas()
    box.fails(127, "run", "--rm", *by, "-p", "80", "box", "absent")
    assert until(lambda: pastas() <= before)


def test_udp_is_forwarded(box: CommandLine) -> None:
    port = free_port()
    box.must("run", "-d", "--name", "echo", "-p", f"{port}:{port}/udp", "box", "sleep", "60")
    pid = box.must("inspect", "-f", "{{.State.Pid}}", "echo").out.strip()
    inside = ["nsenter", "-t", pid, "-n", sys.executable, "-c", _DATAGRAMS, str(port)]
    server = subprocess.Popen(inside)
    try:
        assert until(lambda: answers_datagrams(port))
    finally:
        server.kill()
        server.wait()
        box.must("rm", "-f", "echo")


def test_a_container_joins_the_network_of_another(box: CommandLine, by: list[str]) -> None:
    box.must("run", "-d", "--name", "web", "--network", "pasta", "box", "sh", "-c", _SERVER)
    box.must("exec", "web", "sh", "-c", "echo 1.2.3.4 known >> /etc/hosts")
    name = box.must("exec", "web", "hostname").out
    script = "hostname; grep -c known /etc/hosts; readlink /proc/self/ns/net"
    done = box.must("run", "--rm", *by, "--network", "container:web", "box", "sh", "-c", script)
    space = box.must("exec", "web", "readlink", "/proc/self/ns/net").out
    assert done.out == f"{name}1\n{space}"
    for words, why in (
        (["-h", "x"], "hostname and the network mode"),
        (["-p", "80"], "port publishing and the container type network mode"),
        (["--expose", "80"], "port exposing and the container type network mode"),
        (["--dns", "1.1.1.1"], "dns and the network mode"),
        (["--add-host", "a:1.2.3.4"], "custom host-to-IP mapping and the network mode"),
    ):
        failed = box.fails(125, "run", "--rm", "--network", "container:web", *words, "box", "true")
        assert f"conflicting options: {why}" in failed.err
    box.must("stop", "-t", "0", "web")
    failed = box.fails(125, "run", "--rm", *by, "--network", "container:web", "box", "true")
    assert "of a non running container: container web is exited" in failed.err
    box.must("rm", "-f", "web")
    # Also where that is the host's.
    box.must("run", "-d", "--name", "web", *by, "box", "sleep", "60")
    look = ("box", "readlink", "/proc/self/ns/net")
    done = box.must("run", "--rm", *by, "--network", "container:web", *look)
    assert done.out == os.readlink("/proc/self/ns/net") + "\n"
    box.must("rm", "-f", "web")


def test_the_hosts_network_discards_published_ports(box: CommandLine) -> None:
    done = box.must("run", "--rm", "--network", "host", "-p", "80:80", "box", "true")
    assert done.err == "WARNING: Published ports are discarded when using host network mode\n"


def test_bad_ports_are_refused_before_anything_is_made(box: CommandLine) -> None:
    for verb in ("run", "create"):
        assert "invalid containerPort: x" in box.fails(125, verb, "-p", "x", "box", "true").err
    assert box.must("ps", "-aq").out == ""


@pytest.fixture
def open_tun() -> Iterator[None]:
    """Everybody may open /dev/net/tun, as where udev runs."""
    tun = Path("/dev/net/tun")
    mode = tun.stat().st_mode
    tun.chmod(0o666)
    yield
    tun.chmod(mode)


@pytest.mark.usefixtures("open_tun")
@pytest.mark.needs("newuidmap", "useradd")
@pytest.mark.parametrize("with_ids", [True, False])
def test_an_ordinary_user_publishes_ports(with_ids: bool, by: list[str]) -> None:
    with ordinary_user(with_ids=with_ids) as user:
        user.must("import", "-", "box", stdin=busybox_root.tar())
        before, port = pastas(), free_port()
        web = ("run", "-d", "--name", "web", *by, "-p", f"{port}:80")
        user.must(*web, "box", "sh", "-c", _SERVER)
        assert until(lambda: echoes(port))
        failed = user.fails(125, "run", "--rm", *by, "-p", "81:80", "box", "true")
        assert "Bind for 0.0.0.0:81 failed: this user may not have ports that low" in failed.err
        script = "ls /sys/class/net"
        for network in ("container:web", "container:host"):
            user.must("run", "-d", "--name", "host", *by, "box", "sleep", "60")
            done = user.must("run", "--rm", *by, "--network", network, "box", "sh", "-c", script)
            assert (done.lines == ["eth0", "lo"]) == (network == "container:web")
            user.must("rm", "-f", "host")
        user.must("rm", "-f", "web")
        assert until(lambda: pastas() <= before)
