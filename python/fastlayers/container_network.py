"""The network of a container that has neither the host's nor none: while it is being started, and
for as long as it runs."""

from __future__ import annotations

import os

from fastlayers.container_options import PEER
from fastlayers.container_state import RUNNING
from fastlayers.errors import ConflictError, InvalidError, NotFoundError
from fastlayers.host import host_error
from fastlayers.process import start_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastlayers.container_record import ContainerRecord
    from fastlayers.oci.fields import Json
    from fastlayers.pasta import Pasta
    from fastlayers.store import Store


class ContainerNetwork:
    """`fd` is what LaunchSpec.network_fd is to be, `ports` what is published."""

    __slots__ = ("_pasta", "_peer_fd", "ports")

    def __init__(self, container: ContainerRecord) -> None:
        self._pasta: Pasta | None = None
        self._peer_fd = -1
        self.ports: tuple[str, ...] = ()
        options = container.options
        if options.network.startswith(PEER):
            self._peer_fd = _open_peer(container)
            return
        from fastlayers.network_file import needs_forwarding
        from fastlayers.pasta import Pasta
        from fastlayers.port_option import bindings

        wanted = bindings(options.publish, options.publish_all, container.runtime.exposed_ports)
        self._pasta = Pasta(wanted, needs_forwarding())
        self.ports = tuple(port.to_text() for port in self._pasta.ports)

    @property
    def fd(self) -> int:
        """A descriptor of the network namespace; -1: it is this process's own."""
        return self._peer_fd if self._pasta is None else self._pasta.network_fd

    def close(self) -> None:
        """Ends what was there for the container alone."""
        if self._pasta is not None:
            self._pasta.close()
        elif self._peer_fd >= 0:
            os.close(self._peer_fd)
            self._peer_fd = -1


def peer_of(store: Store, network: str) -> ContainerRecord:
    """The container whose network is meant."""
    name = network.removeprefix(PEER)
    peer = store.try_container(name)
    if peer is None:
        raise NotFoundError(f"joining network namespace of container: No such container: {name}")
    return peer


def check_network(store: Store, options: Json) -> None:
    """Refuses what does not go with a network, and settles in the options of a new container whose
    network it shares."""
    network = str(options["network"])
    if not network.startswith(PEER):
        if network == "pasta":
            from fastlayers.pasta import find_pasta

            find_pasta()
        return
    conflicts = (
        ("hostname", "hostname and the network mode"),
        ("dns", "dns and the network mode"),
        ("add_hosts", "custom host-to-IP mapping and the network mode"),
        ("publish", "port publishing and the container type network mode"),
        ("publish_all", "port publishing and the container type network mode"),
        ("expose", "port exposing and the container type network mode"),
    )
    for option, what in conflicts:
        if options[option]:
            raise InvalidError(f"conflicting options: {what}")
    peer = peer_of(store, network)
    options["network"] = PEER + peer.id
    if options["uts"] != "host":
        options["hostname"] = peer.hostname


def _open_peer(container: ContainerRecord) -> int:
    """The network namespace of the container whose network is to be joined; -1 if this process is
    in it, which might not be allowed to join it."""
    peer = peer_of(container.store, container.options.network)
    state = peer.state_file.read()
    if state.status == RUNNING:
        try:
            network = os.open(f"/proc/{state.pid}/ns/net", os.O_RDONLY)
        except FileNotFoundError:
            network = -1
        except OSError as error:
            raise host_error(f"cannot join the network of container {peer.name}", error) from None
        if network >= 0:
            if start_time(state.pid) == state.pid_start:  # so it was of no later process
                if not os.path.samestat(os.fstat(network), os.stat("/proc/self/ns/net")):
                    return network
                os.close(network)
                return -1
            os.close(network)
    raise ConflictError(
        "cannot join network namespace of a non running container: "
        f"container {peer.name} is {state.status}"
    )
