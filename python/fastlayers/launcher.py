"""Running a container to its end, in this process; its state file is kept while it runs.

Whoever calls `run_to_end` holds the container's lock and goes on holding it.
"""

from __future__ import annotations

import os

from fastlayers import _core
from fastlayers.confinement import confine, may_make_devices
from fastlayers.container_config import process_env
from fastlayers.container_options import PEER
from fastlayers.container_state import CREATED, EXITED, RUNNING, State
from fastlayers.errors import FastlayersError, LaunchError
from fastlayers.mounted import refuse_mounted
from fastlayers.network_file import write_network_files
from fastlayers.oci import timestamp
from fastlayers.process import boot_id, is_apart, may_have_cgroups, start_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastlayers.container import Container
    from fastlayers.container_options import ContainerOptions
    from fastlayers.oci.runtime import RuntimeConfig


class Streams:
    """The descriptors a container's standard streams are relayed to; `attach` False: none.

    `client` is a socket to one who is attached from the start to what runs in the background, and
    `window` the rows and columns of his terminal.
    """

    __slots__ = ("attach", "client", "interactive", "stderr_fd", "stdin_fd", "stdout_fd", "window")

    def __init__(
        self,
        *,
        attach: bool = True,
        interactive: bool = False,
        stdin_fd: int = 0,
        stdout_fd: int = 1,
        stderr_fd: int = 2,
    ) -> None:
        self.attach = attach
        self.client = -1
        self.window = (0, 0)
        self.interactive = interactive
        self.stdin_fd = stdin_fd
        self.stdout_fd = stdout_fd
        self.stderr_fd = stderr_fd

    def leave_to(self, client: int) -> None:
        """What runs is to be in the background, and the client the first who is attached."""
        self.attach, self.client = False, client
        # Now: a supervisor has none of our descriptors.
        for descriptor in (self.stdout_fd, self.stdin_fd, self.stderr_fd):
            try:
                columns, rows = os.get_terminal_size(descriptor)
            except OSError:
                continue
            self.window = (rows, columns)
            return


def launch_spec(
    container: Container, runtime: RuntimeConfig, argv: Sequence[str], streams: Streams
) -> _core.LaunchSpec:
    """What the core is to start."""
    store, options = container.store, container.options
    spec = _core.LaunchSpec()
    spec.root = store.root
    spec.diff_ids = list(container.diff_ids)
    spec.backend = store.mount_backend
    spec.directory = container.directory
    fill_process(spec, container, runtime, argv, streams, tty=options.tty)
    confine(spec, options)
    fill_namespaces(spec, options)
    spec.hostname = container.hostname
    spec.network = "none" if options.network == "none" else "host"
    spec.read_only = options.read_only
    spec.shm_bytes = options.shm_size or spec.shm_bytes
    mounts = container.mounts
    if mounts:
        from fastlayers.mount_plan import plan_mounts

        plan_mounts(spec, container, mounts)
    # A container that nobody watches and that goes when it ends leaves no log behind.
    spec.log = not (options.auto_remove and streams.attach)
    spec.stdin_once = options.interactive and not options.detached
    if not streams.attach:
        serve(spec, streams)
    spec.discard = options.auto_remove
    # If we are killed nobody would own the container's end: it ends with us.
    spec.kill_with_parent = True
    return spec


def serve(spec: _core.LaunchSpec, streams: Streams) -> None:
    """Its streams are to be those of who attaches."""
    spec.served = True
    spec.client = streams.client
    spec.rows, spec.columns = streams.window


def fill_namespaces(spec: _core.LaunchSpec, options: ContainerOptions) -> None:
    """What of the host the container shares, and how its own is set up."""
    spec.domainname = options.domainname
    spec.host_pid, spec.host_uts = options.pid == "host", options.uts == "host"
    spec.ipc = options.ipc
    spec.init = options.init
    if options.sysctls or options.devices:
        from fastlayers.kernel_option import devices, parse_sysctl

        spec.sysctls = [parse_sysctl(text) for text in options.sysctls]
        spec.set_devices(devices(options.devices))


def fill_process(
    spec: _core.LaunchSpec,
    container: Container,
    runtime: RuntimeConfig,
    argv: Sequence[str],
    streams: Streams,
    *,
    tty: bool,
) -> None:
    """What every process in a container has: the first one, and those that join it."""
    spec.argv = list(argv)
    spec.env = process_env(runtime, container.hostname, tty)
    spec.cwd = runtime.working_dir or "/"
    if not spec.cwd.startswith("/"):
        spec.cwd = "/" + spec.cwd
    spec.user = runtime.user
    options = container.options
    spec.groups = list(options.group_add)
    spec.oom_score_adj = options.oom_score_adj or None
    if options.ulimits:
        from fastlayers.kernel_option import ulimits

        spec.set_ulimits(ulimits(options.ulimits))
    spec.tty = tty
    spec.interactive = streams.interactive
    spec.attach = streams.attach
    spec.stdin_fd = streams.stdin_fd
    spec.stdout_fd = streams.stdout_fd
    spec.stderr_fd = streams.stderr_fd


def network_files(container: Container) -> None:
    """Writes the files that tell a container where it is."""
    options = container.options
    if options.network.startswith(PEER):
        from fastlayers.container_network import peer_of
        from fastlayers.network_file import share_network_files

        peer = peer_of(container.store, options.network)
        share_network_files(peer.directory, container.directory)
        return
    write_network_files(
        container.directory,
        container.hostname,
        options.network,
        add_hosts=options.add_hosts,
        dns=options.dns,
        dns_search=options.dns_search,
        dns_options=options.dns_options,
    )


def run_to_end(
    container: Container,
    make_spec: Callable[[], _core.LaunchSpec],
    on_started: Callable[[int], None] | None = None,
) -> int:
    """Starts the container and waits for its end; returns the exit code.

    `on_started` gets the process number once the command runs. If it could not be started, the
    state says why, as Docker's does, and the error is raised.
    """
    launch = _Launch(container, on_started)
    out_of_memory = False
    try:
        try:
            code, lost_output = launch.run(make_spec)
        finally:
            out_of_memory = _leave_cgroups(container)
    except FastlayersError as error:
        if not launch.started:
            code = error.exit_code if isinstance(error, LaunchError) else LaunchError.exit_code
            container.state_file.write(State(CREATED, exit_code=code, error=str(error)))
        raise
    container.state_file.write(
        State(
            EXITED,
            exit_code=code,
            started=launch.started,
            finished=timestamp.now(),
            error=lost_output,
            out_of_memory=out_of_memory,
        )
    )
    if launch.failure is not None:
        raise launch.failure
    return code


def _leave_cgroups(container: Container) -> bool:
    """Removes the groups of a container that has ended, if it has any; whether the kernel ended a
    process of it for want of memory."""
    if not (container.options.limits or may_have_cgroups()):
        return False
    from fastlayers import cgroup

    if container.options.pid == "host":
        cgroup.end_all(container.id)  # of those in a namespace the kernel ends all
    out_of_memory = cgroup.was_out_of_memory(container.id)
    cgroup.remove(container.id)
    return out_of_memory


def _make_cgroups(container: Container) -> list[str]:
    """Makes the control groups that the container's processes are to join."""
    options = container.options
    # A runtime makes its own where that takes nothing but to be root.
    is_ours = not (options.runtime and _core.in_initial_user_namespace())
    limits, devices = is_ours and options.limits, is_ours and _restricts_devices(options)
    alone = options.pid == "host" or (is_ours and is_apart())
    if not (limits or devices or alone or (is_ours and options.runtime)):
        return []
    from fastlayers import cgroup

    if is_ours and options.runtime:  # where it may, it would make one of its own, that stays
        alone = alone or cgroup.has_home()

    groups = cgroup.create(container.id, options.limits) if limits else []
    groups += [cgroup.gather(container.id, by_runtime=bool(options.runtime))] if alone else []
    groups += [restrict_devices(container)] if devices else []
    return groups


def _restricts_devices(options: ContainerOptions) -> bool:
    if options.devices and not options.privileged:
        from fastlayers.kernel_option import limits_access

        if any(map(limits_access, options.devices)):
            return True
    return may_make_devices(options)


def restrict_devices(container: Container) -> str:
    """The control group in which a container's processes get at no devices but its own."""
    from fastlayers import cgroup
    from fastlayers.kernel_option import allowed_devices

    return cgroup.restrict_devices(container.id, allowed_devices(container.options.devices))


class _Launch:
    """One start of a container, and what its callback found out."""

    __slots__ = ("_container", "_gc_lock", "_on_started", "_ports", "failure", "started")

    def __init__(self, container: Container, on_started: Callable[[int], None] | None) -> None:
        self._container = container
        self._on_started = on_started
        # What is derived of the layers must not be collected between building and mounting it.
        self._gc_lock = container.store.gc_lock(exclusive=False)
        self._ports: tuple[str, ...] = ()
        self.started = ""
        self.failure: Exception | None = None

    def run(self, make_spec: Callable[[], _core.LaunchSpec]) -> tuple[int, str]:
        if self._container.options.network in ("host", "none"):
            return self._run(make_spec)
        from fastlayers.container_network import ContainerNetwork

        network = ContainerNetwork(self._container)
        self._ports = network.ports
        try:
            return self._run(make_spec, network.fd)
        finally:
            network.close()

    def _run(
        self, make_spec: Callable[[], _core.LaunchSpec], network_fd: int = -1
    ) -> tuple[int, str]:
        container = self._container
        refuse_mounted(container.store, container)
        with self._gc_lock:
            container.store.prepare_chain(container.diff_ids, container.manifest_digest)
            spec = make_spec()
            spec.cgroups = _make_cgroups(container)
            network_files(container)
            spec.network_fd = network_fd
            if container.options.runtime:
                from fastlayers.oci_runtime import launch_with_runtime

                return launch_with_runtime(container, spec, self._record)
            return _core.launch(spec, self._record)

    def _record(self, pid: int) -> None:
        self._gc_lock.release()
        self.started = timestamp.now()
        try:
            self._container.state_file.write(
                State(
                    RUNNING,
                    pid=pid,
                    pid_start=start_time(pid),
                    started=self.started,
                    ports=self._ports,
                    boot=boot_id(),
                )
            )
            if self._on_started is not None:
                self._on_started(pid)
        except Exception as error:  # must not unwind through the core, which owns a child now
            self.failure = error
