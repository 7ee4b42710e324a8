"""Supervisor: the small process that runs a container, or a command in one, in the background.

It holds the container's lock, owns its log and its exit code, and has nothing of the process that
made it: a session of its own, no standard streams, no other descriptors. What became of the start
it reports through a pipe.
"""

from __future__ import annotations

import contextlib
import os

from fastlayers import _core, errors
from fastlayers.errors import FastlayersError, HostError
from fastlayers.host import host_error
from fastlayers.launcher import run_to_end
from fastlayers.oci import fields, json_text
from fastlayers.process import is_in_unit
from fastlayers.rootless import remain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fastlayers.container import Container
    from fastlayers.lock import FileLock


def start_in_background(
    container: Container,
    lock: FileLock,
    make_spec: Callable[[], _core.LaunchSpec],
    client: int = -1,
) -> None:
    """Returns when the container runs, or raises what kept it from it. Takes over the lock.
    `client` is a socket that the specification names."""

    def supervise(on_started: Callable[[int], None]) -> None:
        try:
            remain(container.store.root)
            lock.leave_note(str(run_to_end(container, make_spec, on_started)))
        finally:
            if container.options.auto_remove:
                container.discard(volumes=True)

    try:
        report = _in_background(supervise, {lock.descriptor, client})
    finally:
        lock.release()
    _raise_reported(container, report)


def execute_in_background(container: Container, spec: _core.LaunchSpec, leader: int) -> None:
    """Returns when the command runs in the container, or raises what kept it from it."""

    def supervise(on_started: Callable[[int], None]) -> None:
        remain(container.store.root)
        _core.execute_in(spec, leader, on_started)

    report = _in_background(supervise, {leader, spec.client})
    _raise_reported(container, report)


def _in_background(work: Callable[[Callable[[int], None]], object], keep: set[int]) -> bytes:
    """Has a process of its own do the work, with descriptors of ours; returns what it reports when
    the work has called what it is given, or has failed."""
    try:
        read_end, write_end = os.pipe()
        child = os.fork()
    except OSError as error:
        raise host_error("cannot start a supervisor", error) from None
    if child == 0:
        _become_supervisor(work, keep, write_end)  # does not return
    os.close(write_end)
    with _core.ProfileTimer("wait_workers"), open(read_end, "rb") as pipe:
        with contextlib.suppress(ChildProcessError):  # the host program reaps all children itself
            os.waitpid(child, 0)
        return pipe.read()


def _become_supervisor(
    work: Callable[[Callable[[int], None]], object], keep: set[int], write_end: int
) -> None:
    """In the child: leaves through os._exit on every path, so nothing of the parent's runs here."""
    code = 1
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        _forget_parent({*keep, write_end})
        code = _supervise(work, write_end)
    finally:
        os._exit(code)


def _forget_parent(keep: set[int]) -> None:
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor > 2 and descriptor not in keep:
            with contextlib.suppress(OSError):  # the one that listed the others is closed
                os.close(descriptor)


def _supervise(work: Callable[[Callable[[int], None]], object], write_end: int) -> int:
    def report(text: str) -> None:
        try:
            os.write(write_end, text.encode("utf-8", "backslashreplace"))
            os.close(write_end)
        except OSError:
            pass  # whoever waited for it is gone; the container runs all the same

    started = False

    def on_started(pid: int) -> None:
        nonlocal started
        started = True
        report(json_text.dumps({"pid": pid}))

    try:
        if is_in_unit():  # with which systemd would end what is begun here
            from fastlayers.cgroup import leave_unit

            leave_unit()
        work(on_started)
    except BaseException as error:
        if not started:
            report(
                json_text.dumps(
                    {
                        "error": type(error).__name__,
                        "message": str(error) or type(error).__name__,
                        "errno": getattr(error, "errno", 0) or 0,
                    }
                )
            )
        return 1
    return 0


def _raise_reported(container: Container, report: bytes) -> None:
    if not report:
        raise HostError(
            f"the supervisor of container {container.short_id} died before the container ran"
        )
    document = fields.parse_object(report, "supervisor's report")
    if "error" not in document:
        return
    kind = getattr(errors, fields.text(document, "error", "report"), HostError)
    if not (isinstance(kind, type) and issubclass(kind, FastlayersError)):
        kind = HostError
    error = kind(fields.text(document, "message", "report"))
    error.errno = fields.size(document, "errno", "report")
    raise error
