"""Exec: one more command in a container that runs, beside its own."""

from __future__ import annotations

import os

from fastlayers import _core
from fastlayers.confinement import confine
from fastlayers.container_config import override_env, process_env, require_command
from fastlayers.container_options import ContainerOptions, check_workdir, env_entries
from fastlayers.container_state import RUNNING
from fastlayers.errors import ConflictError
from fastlayers.host import host_error
from fastlayers.process import may_have_cgroups, start_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
) -> int:
    """Runs a command to its end, and returns its exit code; with streams that are not attached in
    the background: 0 once it runs. See Container.exec."""
    words = require_command(ContainerOptions(command=command).command or ())
    runtime = container.runtime
    values: dict[str, object] = {"Env": override_env(runtime.env, env_entries(env))}
    spec = _core.LaunchSpec()
    spec.argv = list(words)
    spec.env = process_env(runtime.replace(values), container.hostname, tty)
    directory = runtime.working_dir if workdir is None else check_workdir(workdir)
    spec.cwd = "/" + directory.lstrip("/")
    spec.user = runtime.user if user is None else user
    confine(spec, container.options, privileged_exec=privileged)
    spec.tty = tty
    if may_have_cgroups():
        from fastlayers.cgroup import Hierarchies

        spec.cgroups = Hierarchies().existing(container.id)
    spec.interactive = streams.interactive
    spec.attach = streams.attach
    spec.stdin_fd = streams.stdin_fd
    spec.stdout_fd = streams.stdout_fd
    spec.stderr_fd = streams.stderr_fd
    leader = _open_leader(container)
    try:
        if streams.attach:
            return _core.execute_in(spec, leader)[0]
        from fastlayers.supervisor import execute_in_background

        execute_in_background(container, spec, leader)
        return 0
    finally:
        os.close(leader)


def _open_leader(container: Container) -> int:
    """A descriptor of the container's first process."""
    state = container.state()
    if state.paused:
        raise ConflictError(
            f"container {container.name} is paused, unpause the container before exec"
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
    raise ConflictError(f"container {container.name} is not running")
