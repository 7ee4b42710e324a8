"""Exec: one more command in a container that runs, beside its own."""

from __future__ import annotations

import os

from fastlayers import _core
from fastlayers.confinement import confine, may_make_devices
from fastlayers.container_config import override, require_command
from fastlayers.container_options import ContainerOptions
from fastlayers.container_state import RUNNING
from fastlayers.errors import ConflictError
from fastlayers.host import host_error
from fastlayers.launcher import fill_process, restrict_devices, serve
from fastlayers.process import may_have_cgroups, start_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fastlayers.container import Container
    from fastlayers.launcher import Streams


def execute(
    container: Container,
    command: Sequence[str],
    streams: Streams,
    *,
    env: Mapping[str, str] | Sequence[str] = (),
    user: str | None = None,
    workdir: str | None = None,
    privileged: bool = False,
    tty: bool = False,
    detach_keys: str | None = None,
    on_started: Callable[[int], None] | None = None,
) -> int:
    """Runs a command to its end, and returns its exit code; with streams that are not attached in
    the background: 0 once it runs. With a terminal that is typed into it can be left by
    `detach_keys` (None: the usual ones), which raises DetachedError. `on_started` gets the host's
    number of the process of one that cannot be left. See Container.exec."""
    argv = require_command(ContainerOptions(command=command).command or ())
    runtime = override(container.runtime, env=env, user=user, workdir=workdir)
    spec = _core.LaunchSpec()
    fill_process(spec, container, runtime, argv, streams, tty=tty)
    confine(spec, container.options, privileged_exec=privileged)
    if may_have_cgroups():
        from fastlayers.cgroup import groups_to_join

        spec.cgroups = groups_to_join(container.id)
    leader = _open_leader(container)
    try:
        if privileged and may_make_devices(container.options, privileged_exec=True):
            from fastlayers import cgroup

            # What it makes and mounts, others in the container would have as well.
            group = restrict_devices(container)
            cgroup.bring_in(group, container.state().pid)
            spec.cgroups = [*spec.cgroups, group]
        can_leave = streams.attach and streams.interactive and tty
        if streams.attach and not can_leave:
            return _core.execute_in(spec, leader, on_started)[0]
        from fastlayers.supervisor import execute_in_background

        if not can_leave:
            execute_in_background(container, spec, leader)
            return 0
        from fastlayers.attachment import execute_attached

        def start(client: int) -> None:
            streams.leave_to(client)
            spec.attach = False
            serve(spec, streams)
            execute_in_background(container, spec, leader)

        return execute_attached(start, streams, detach_keys=detach_keys)
    finally:
        os.close(leader)


def _open_leader(container: Container) -> int:
    """A descriptor of the container's first process."""
    state = container.state()
    if state.paused:
        raise ConflictError(
            f"Container {container.name} is paused, unpause the container before exec"
        )
    if state.status == RUNNING:
        try:
            leader = os.pidfd_open(state.pid)
        except ProcessLookupError:
            pass
        except OSError as error:
            raise host_error(f"cannot enter container {container.name}", error) from None
        else:
            if start_time(state.pid) == state.pid_start:
                return leader
            os.close(leader)
    raise ConflictError(f"container {container.id} is not running")
