"""A network of its own for a container, by pasta(1): a program of the host's that forwards, as an
ordinary process, what goes out of a network namespace, and the ports that are published into it.

It is a child of who runs the container, and is killed when that ends, however that comes about.
"""

from __future__ import annotations

import os
import shutil
import socket

from fastlayers import _core
from fastlayers.errors import (
    ConflictError,
    HostError,
    InvalidError,
    LaunchError,
    UnsupportedError,
)
from fastlayers.host import host_error, read_file
from fastlayers.port_option import Binding, Published, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# As in slirp's networks: the container, the way out, and the name server in front of the host's.
NAME_SERVER = "10.0.2.3"
_ADDRESSES = {
    "-4": ("-a", "10.0.2.100", "-n", "24", "-g", "10.0.2.2"),
    "-6": ("-a", "fd66:6c79:7273::100", "-g", "fd66:6c79:7273::2"),
}
_EVERYWHERE = {"-4": "0.0.0.0", "-6": "::"}
_INTERFACE = "eth0"
_TUN = "/dev/net/tun"
_PATIENCE_MS = 30_000
_ATTEMPTS = 20
_GATEWAY_FLAG = 2  # RTF_GATEWAY of <linux/route.h>
_NOISE = b"to syslog"


def find_pasta() -> str:
    """The program's path. UnsupportedError if it is not installed or cannot work for this user."""
    path = shutil.which("pasta")
    if path is None:
        raise UnsupportedError(
            "pasta is not installed, which gives containers networks of their own and publishes "
            "their ports: install it (Debian's and Ubuntu's package passt), or use --network host"
        )
    if not os.path.exists(_TUN):
        raise UnsupportedError(f"pasta needs {_TUN}, which is not here: have root run modprobe tun")
    if not os.access(_TUN, os.R_OK | os.W_OK):
        raise UnsupportedError(
            f"pasta needs {_TUN}, which this user may not open: have root run chmod 666 {_TUN}"
        )
    return os.path.abspath(path)


class Pasta:
    """One that runs, until close()."""

    def __init__(self, bindings: Sequence[Binding], forward_names: bool) -> None:
        self._child = self._read_end = self.network_fd = -1
        families = _families()
        reservation = _Reservation(families)
        try:
            self.ports = reservation.take(bindings)
            self._start(families, forward_names)
            # The ports are held until pasta has them, so that two never share one.
            self._wait()
        except BaseException:
            self.close()
            raise
        finally:
            reservation.close()

    def _start(self, families: Sequence[str], forward_names: bool) -> None:
        command = [find_pasta(), "--config-net", "--foreground", "--quiet", "--no-netns-quit"]
        command += ["-I", _INTERFACE, "--no-map-gw"]
        # As another user it would not be killed with us. It drops its capabilities by itself.
        command += ["--runas", "0"] if _core.in_initial_user_namespace() else []
        command += families if len(families) == 1 else []
        command += [word for family in families for word in _ADDRESSES[family]]
        command += ["--dns-forward", NAME_SERVER] if forward_names else []
        command += [*_port_words(self.ports), "-T", "none", "-U", "none"]
        # Beyond the standard streams newer versions close what they inherit.
        command += ["--pid", "/proc/self/fd/1", "--netns", "/proc/self/fd/0"]
        self.network_fd = _core.new_network()
        try:
            self._read_end, write_end = os.pipe()
        except OSError as error:
            raise host_error("cannot start pasta", error) from None
        try:
            os.set_blocking(write_end, False)  # what it says later, nobody reads
            self._child = _core.spawn_attendant(command, self.network_fd, write_end)
        finally:
            os.close(write_end)

    def _wait(self) -> None:
        """Until it writes its number, or ends with what it has to say."""
        import select

        poll = select.poll()
        poll.register(self._read_end, select.POLLIN)
        said = b""
        while True:
            if not poll.poll(_PATIENCE_MS):
                raise HostError(f"pasta is not ready after {_PATIENCE_MS // 1000} seconds")
            piece = os.read(self._read_end, 4096)
            said += piece
            lines = said.split(b"\n")
            if any(line.isdigit() for line in lines[:-1]):
                return
            if not piece:
                words = [line.decode("utf-8", "replace") for line in lines if _NOISE not in line]
                reason = "; ".join(word.strip() for word in words if word.strip())
                raise LaunchError(f"pasta: {reason or 'it ended at once'}")

    def close(self) -> None:
        """Ends it; the network is gone when nobody is in it any more."""
        if self._child >= 0:
            import signal

            try:
                signal.pidfd_send_signal(self._child, signal.SIGKILL)
                os.waitid(os.P_PIDFD, self._child, os.WEXITED)
            except (ProcessLookupError, ChildProcessError):
                pass  # the program that we are part of reaps all its children
        for descriptor in (self._child, self._read_end, self.network_fd):
            if descriptor >= 0:
                os.close(descriptor)
        self._child = self._read_end = self.network_fd = -1


class _Reservation:
    """Ports of the host that nobody else has, until close()."""

    def __init__(self, families: Sequence[str]) -> None:
        self._everywhere = [_EVERYWHERE[family] for family in families]
        self._sockets: list[socket.socket] = []
        self._taken: set[tuple[str, str, int]] = set()

    def take(self, bindings: Sequence[Binding]) -> list[Published]:
        """One of the ports that each wants; those that want a certain one come first."""
        found: dict[Binding, list[Published]] = {}
        for binding in sorted(bindings, key=lambda one: (not one.first, one.last - one.first)):
            found[binding] = self._take(binding)
        return [port for binding in bindings for port in found[binding]]

    def close(self) -> None:
        for held in self._sockets:
            held.close()

    def _take(self, binding: Binding) -> list[Published]:
        addresses = [binding.address] if binding.address else self._everywhere
        wanted = range(binding.first, binding.last + 1) if binding.first else [0] * _ATTEMPTS
        error = OSError()
        for number in wanted:
            held: list[socket.socket] = []
            try:
                for address in addresses:
                    held.append(self._bind(address, binding.protocol, number))
                    number = held[0].getsockname()[1]
            except OSError as failure:
                for one in held:
                    one.close()
                error = failure
                continue
            self._sockets += held
            self._taken |= {(a, binding.protocol, number) for a in addresses}
            return [Published(a, number, binding.port, binding.protocol) for a in addresses]
        raise _refused(addresses[0], binding, error)

    def _bind(self, address: str, protocol: str, number: int) -> socket.socket:
        import errno

        is_new, is_tcp = ":" in address, protocol == "tcp"
        if is_new and "::" not in self._everywhere:
            raise InvalidError(f"cannot publish at [{address}]: the host has no way out by IPv6")
        if not is_new and "0.0.0.0" not in self._everywhere:
            raise InvalidError(f"cannot publish at {address}: the host has no way out by IPv4")
        if (address, protocol, number) in self._taken:
            raise OSError(errno.EADDRINUSE, "")
        made = socket.socket(
            socket.AF_INET6 if is_new else socket.AF_INET,
            socket.SOCK_STREAM if is_tcp else socket.SOCK_DGRAM,
        )
        try:
            if is_new:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # Of TCP, connections that are over do not count, and who listens does. Of UDP all
            # count; afterwards pasta, which shares its ports, may join.
            if is_tcp:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, number))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        except BaseException:
            made.close()
            raise
        return made


def _refused(address: str, binding: Binding, error: OSError) -> Exception:
    import errno

    what = f"Bind for {place(address, binding.first)} failed"
    if error.errno == errno.EACCES:
        return UnsupportedError(
            f"{what}: this user may not have ports that low: take one from 1024 on, or have root "
            f"run sysctl -w net.ipv4.ip_unprivileged_port_start={binding.first}"
        )
    if error.errno == errno.EADDRINUSE:
        if binding.first != binding.last:
            return ConflictError("all ports are allocated")
        return ConflictError(f"{what}: port is already allocated")
    return InvalidError(f"{what}: {(error.strerror or str(error)).lower()}")


def _port_words(ports: Sequence[Published]) -> list[str]:
    """The options for what is published. Of one port number pasta takes one place: all addresses
    are none."""
    addresses: dict[tuple[str, int, int], list[str]] = {}
    for port in ports:
        addresses.setdefault((port.protocol, port.host_port, port.port), []).append(port.address)
    runs: list[tuple[str, str, int, int, int]] = []  # protocol, address, host, inside, how many
    for (protocol, host, inside), found in sorted(addresses.items()):
        is_all = set(found) == set(_EVERYWHERE.values())
        for address in [""] if is_all else found:
            for at, (*kind, first, first_inside, count) in enumerate(runs):
                goes_on = host - first == inside - first_inside == count
                if kind == [protocol, address] and goes_on:
                    runs[at] = (protocol, address, first, first_inside, count + 1)
                    break
            else:
                runs.append((protocol, address, host, inside, 1))
    words = []
    for protocol, address, host, inside, count in runs:
        spec = f"{host}-{host + count - 1}:{inside}-{inside + count - 1}"
        if count == 1:
            spec = f"{host}:{inside}"
        words += ["-t" if protocol == "tcp" else "-u", f"{address}/{spec}" if address else spec]
    for flag in ("-t", "-u"):
        words += [] if flag in words else [flag, "none"]
    return words


def _families() -> list[str]:
    """ "-4", "-6" or both: by which the host reaches others. UnsupportedError for none."""
    found = []
    for line in (read_file("/proc/net/route") or b"").splitlines()[1:]:
        words = line.split()
        if words[1] == words[7] == b"00000000" and int(words[3], 16) & _GATEWAY_FLAG:
            found.append("-4")
            break
    for line in (read_file("/proc/net/ipv6_route") or b"").splitlines():
        words = line.split()
        if words[1] == b"00" and set(words[0]) == {ord("0")} and int(words[8], 16) & _GATEWAY_FLAG:
            found.append("-6")
            break
    if not found:
        raise UnsupportedError("network pasta: the host has no default route: use --network none")
    return found


def host_address() -> str:
    """The address of the host that its default route goes out from; a container reaches it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))  # TEST-NET-2; nothing is sent
            return str(probe.getsockname()[0])
        except OSError as error:
            raise host_error("the host has no address for host-gateway", error) from None
