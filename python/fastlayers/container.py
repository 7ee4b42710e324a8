"""Container: what can be done with one, from its start to its removal."""

from __future__ import annotations

import os

from fastlayers import launcher
from fastlayers.container_config import override, require_command
from fastlayers.container_options import ContainerOptions
from fastlayers.container_record import ContainerRecord
from fastlayers.container_state import RUNNING, State
from fastlayers.errors import ConflictError, HostError, NotFoundError, UnsupportedError
from fastlayers.host import sync_directory
from fastlayers.lock import FileLock
from fastlayers.process import send_signal

__all__ = ["Container", "ContainerOptions", "State"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import IO, Any

    from fastlayers.checkpoint import Checkpoint
    from fastlayers.container_change import Changing
    from fastlayers.container_log import Piece
    from fastlayers.image import Image
    from fastlayers.mounted import Mounted
    from fastlayers.oci.runtime import RuntimeConfig
    from fastlayers.port_option import Published
    from fastlayers.result import Result
    from fastlayers.store import Store

# How long a process that was killed may take to be gone, and a lock to be had from a passer-by.
_KILL_SECONDS = 30.0
_STOP_SECONDS = 10.0  # Docker's
_LOCK_SECONDS = 0.5


class Container(ContainerRecord):
    """A container of a store; made by `Store.create_container`, found by `Store.container`.

    What it was made with never changes and is in its attributes; `state()` looks anew.
    """

    __slots__ = ()

    @classmethod
    def get(cls, name: str, store: Store | None = None) -> Container:
        """The container with this name, ID or unique beginning of an ID."""
        from fastlayers.store import Store

        return (store or Store()).container(name)

    def state(self) -> State:
        """One consistent snapshot of what it is doing."""
        return self.state_file.read()

    @property
    def status(self) -> str:
        """ "created", "running" or "exited"."""
        return self.state().status

    @property
    def exit_code(self) -> int:
        """The exit code of its last end (137 if nobody was there to see it)."""
        return self.state().exit_code

    @property
    def pid(self) -> int:
        """The host's number of its first process; 0 unless it runs."""
        return self.state().pid

    # Running

    def start(
        self,
        *,
        attach: bool = True,
        interactive: bool | None = None,
        detach_keys: str | None = None,
        forward_signals: bool = True,
        stdin_fd: int = 0,
        stdout_fd: int = 1,
        stderr_fd: int = 2,
    ) -> int:
        """Runs the command. Attached: here, to its end; returns the exit code. Else in the
        background; returns 0 once it runs, also if it ran already.

        With a terminal that is typed into, or if signals are not to be forwarded, an attached one
        runs in the background as well, and goes on when we leave it: by `detach_keys` (None:
        "ctrl-p,ctrl-q"), which raises DetachedError, or by a signal. `interactive` None is what
        the container was made with. Raises CommandNotFoundError, NotExecutableError or another
        error if the command could not be started. One that runs already is joined, as by
        `attach`. A descriptor of ours may be -1: what is written there goes to the log alone.
        """
        require_command(self.command)
        interactive = self.interactive if interactive is None else interactive
        can_leave = attach and ((self.tty and interactive) or not forward_signals)
        lock = self._try_lock()
        if lock is None:
            if not attach:
                return 0
            if self.status != RUNNING:
                raise self._busy()
            return self.attach(
                interactive=interactive,
                forward_signals=forward_signals,
                detach_keys=detach_keys,
                stdin_fd=stdin_fd,
                stdout_fd=stdout_fd,
                stderr_fd=stderr_fd,
            )
        streams = launcher.Streams(
            attach=attach,
            interactive=interactive,
            stdin_fd=stdin_fd,
            stdout_fd=stdout_fd,
            stderr_fd=stderr_fd,
        )
        if attach and not can_leave:
            return self._run(lock, self.runtime, self.command, streams)
        from fastlayers.supervisor import start_in_background

        def start(client: int = -1) -> None:
            if can_leave:
                streams.leave_to(client)
            start_in_background(
                self,
                lock,
                lambda: launcher.launch_spec(self, self.runtime, self.command, streams),
                client,
            )

        if not can_leave:
            start()
            return 0
        from fastlayers.attachment import attach_from_start

        try:
            return attach_from_start(
                self, start, streams, forward_signals=forward_signals, detach_keys=detach_keys
            )
        finally:
            lock.release()

    def attach(
        self,
        *,
        interactive: bool | None = None,
        forward_signals: bool = True,
        detach_keys: str | None = None,
        stdin_fd: int = 0,
        stdout_fd: int = 1,
        stderr_fd: int = 2,
    ) -> int:
        """Joins the streams of one that runs in the background, to its end; returns the exit code.

        What it writes from now on is copied to ours; our input is its if it was made `interactive`,
        unless that is False here. Signals go to it, unless it has a terminal or `forward_signals`
        is False: then they end the attachment, and 128 + signal is returned. `detach_keys` (None:
        "ctrl-p,ctrl-q"), typed on a terminal, raise DetachedError. ConflictError unless it runs and
        can be attached to. HostError if it has let us go, because nothing was taken for 5 seconds.
        """
        from fastlayers.attachment import attach

        streams = launcher.Streams(
            interactive=self.interactive and interactive is not False,
            stdin_fd=stdin_fd,
            stdout_fd=stdout_fd,
            stderr_fd=stderr_fd,
        )
        return attach(
            self,
            streams,
            forward_signals=forward_signals and not self.tty,
            detach_keys=detach_keys,
        )

    def run(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | Sequence[str] = (),
        user: str | None = None,
        workdir: str | None = None,
        stdin: bytes = b"",
        capture: bool = True,
    ) -> Result:
        """Runs a command in the container instead of its own, to its end; can be repeated, and
        each sees what those before it changed.

        With `capture` the result holds what was written, else this process's standard streams are
        used. ConflictError if the container runs.
        """
        runtime = override(self.runtime, env=env, user=user, workdir=workdir)
        argv = require_command(ContainerOptions(command=command).command or ())

        def start(streams: launcher.Streams) -> int:
            lock = self._try_lock()
            if lock is None:
                raise self._busy()
            return self._run(lock, runtime, argv, streams)

        return captured(start, stdin, capture)

    def exec(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | Sequence[str] = (),
        user: str | None = None,
        workdir: str | None = None,
        privileged: bool = False,
        stdin: bytes = b"",
        capture: bool = True,
    ) -> Result:
        """Runs a command beside the container's own, to its end. Environment, user and working
        directory are the container's unless given; the directory must exist. With `privileged` it
        has all capabilities.

        With `capture` the result holds what was written, else this process's standard streams are
        used. ConflictError unless the container runs; CommandNotFoundError and NotExecutableError
        as for `start`.
        """
        from fastlayers.container_exec import execute

        def run(streams: launcher.Streams) -> int:
            return execute(
                self,
                command,
                streams,
                env=env,
                user=user,
                workdir=workdir,
                privileged=privileged,
            )

        return captured(run, stdin, capture)

    def _run(
        self,
        lock: FileLock,
        runtime: RuntimeConfig,
        argv: Sequence[str],
        streams: launcher.Streams,
    ) -> int:
        with _Held(lock):
            try:
                code = launcher.run_to_end(
                    self, lambda: launcher.launch_spec(self, runtime, argv, streams)
                )
                lock.leave_note(str(code))
                return code
            finally:
                if self.options.auto_remove:
                    self.discard(volumes=True)

    def _try_lock(self) -> FileLock | None:
        """The container's lock; None if it is running. Who only looks has it for an instant."""
        lock = FileLock(self.state_file.lock_path, exclusive=True)
        held = False
        if os.path.isdir(self.directory):
            held = lock.acquire(timeout_seconds=0) or (
                self.state().status != RUNNING and lock.acquire(timeout_seconds=_LOCK_SECONDS)
            )
        if not os.path.isdir(self.directory):
            lock.release()
            raise NotFoundError(f"No such container: {self.name}")
        return lock if held else None

    def _busy(self) -> ConflictError:
        """The error for a container whose lock someone else has."""
        if self.state().status == RUNNING:
            return ConflictError(f"container {self.name} is already running")
        return ConflictError(
            f"container {self.name} is in use: another process is starting it or has it mounted"
        )

    def ports(self) -> list[Published]:
        """Where its ports are published; none of one that does not run."""
        from fastlayers.port_option import Published

        return [Published.parse(text) for text in self.state().ports]

    def logs(self) -> Iterator[Piece]:
        """What it has written so far, in pieces: when, to which stream, and the bytes. Nothing of
        one that was attached and removes itself: it keeps no log."""
        from fastlayers.container_log import ContainerLog

        with ContainerLog(self.logs_path) as log:
            yield from log.pieces()

    def wait(self) -> int:
        """Waits until it does not run; returns the exit code."""
        note = ""
        if self.state().status == RUNNING:
            lock = FileLock(self.state_file.lock_path, exclusive=False)
            with lock:
                note = lock.read_note()
        if not os.path.isdir(self.directory) and note.isdigit():
            return int(note)  # it was one that removes itself
        return self.state().exit_code

    def kill(self, signal: str | int = "KILL") -> None:
        """Sends a signal to its first process. ConflictError unless it runs."""
        from fastlayers.oci.stop_signal import signal_number

        number = signal_number(str(signal))
        state = self.state()
        if state.status != RUNNING or not send_signal(state.pid, state.pid_start, number):
            raise ConflictError(
                f"cannot kill container: {self.name}: container {self.id} is not running"
            )
        if state.paused:
            self._thaw()  # else it would not hear of it

    def pause(self) -> None:
        """Holds all its processes still. ConflictError unless it runs."""
        from fastlayers import cgroup

        state = self.state()
        if state.paused:
            raise ConflictError(f"container {self.id} is already paused")
        if state.status != RUNNING:
            raise ConflictError(f"container {self.id} is not running")
        cgroup.freeze(self.id, state.pid)

    def unpause(self) -> None:
        """Ends pause(). ConflictError unless it is paused."""
        if not self.state().paused:
            raise ConflictError(f"Container {self.id} is not paused")
        self._thaw()

    def _thaw(self) -> None:
        from fastlayers import cgroup

        cgroup.thaw(self.id)

    def restart(self, timeout: float | None = None, signal: str | None = None) -> None:
        """Stops it, if it runs, and starts it in the background."""
        self.stop(timeout, signal)
        self.start(attach=False)

    def rename(self, name: str) -> None:
        """Gives it another name. ConflictError if that is taken."""
        from fastlayers.container_store import rename_container

        rename_container(self.store, self, name)

    def stop(self, timeout: float | None = None, signal: str | None = None) -> None:
        """Asks it to end, and kills it after `timeout` seconds; less than 0 is for never. Not
        running is fine. None is what it was made with, or the image says: else 10 and SIGTERM."""
        if timeout is None:
            timeout = self.options.stop_timeout
        state = self.state()
        if state.status != RUNNING:
            return
        from fastlayers.oci.stop_signal import signal_number

        number = signal_number(signal or self.runtime.stop_signal or "TERM")
        send_signal(state.pid, state.pid_start, number)
        if state.paused:
            self._thaw()
        if not self.has_ended(_STOP_SECONDS if timeout is None else timeout):
            self._kill_and_wait()

    def has_ended(self, timeout_seconds: float) -> bool:
        """Whether it is over by then; less than 0 is for any time."""
        lock = FileLock(self.state_file.lock_path, exclusive=False)
        try:
            return lock.acquire(timeout_seconds=None if timeout_seconds < 0 else timeout_seconds)
        except HostError:
            if os.path.isdir(self.directory):
                raise
            return True  # removed at its end
        finally:
            lock.release()

    def _kill_and_wait(self) -> None:
        import signal

        state = self.state()
        if state.status == RUNNING:
            send_signal(state.pid, state.pid_start, signal.SIGKILL)
        if state.paused:
            self._thaw()
        if not self.has_ended(_KILL_SECONDS):
            raise HostError(f"container {self.name} does not end, although it was killed")

    # Its changes

    def commit(
        self,
        name: str | None = None,
        *,
        message: str = "",
        author: str = "",
        changes: Sequence[str] = (),
        pause: bool = True,
    ) -> Image:
        """Makes an image of the container's image and what the container changed.

        `changes` are Dockerfile instructions for its config ("CMD node app.js"). A container that
        runs is held still meanwhile, unless `pause` is False.
        """
        from fastlayers.container_commit import commit

        return commit(self, name, message=message, author=author, changes=changes, pause=pause)

    def diff(self) -> list[tuple[str, str]]:
        """("A", "C" or "D", path) of what was added, changed and deleted, sorted by path."""
        from fastlayers import _core

        self.store.prepare_chain(self.diff_ids, self.manifest_digest)
        with self.steady():
            changes = _core.diff_upper(self.store.root, list(self.diff_ids), self.uppers)
        return [(kind, os.fsdecode(path)) for kind, path in changes]

    def size(self) -> int:
        """Bytes of the files it has written; those that it shares with forks are counted too."""
        from fastlayers import _core

        with self.steady():
            return sum(map(_core.upper_size, self.uppers))

    def steady(self) -> FileLock:
        """A context in which its changes are not frozen, and it is not brought back to a
        checkpoint."""
        from fastlayers.frozen_upper import stack_lock

        return stack_lock(self.directory, exclusive=False)

    def export(self, file: str | os.PathLike[str] | IO[bytes] | int) -> None:
        """Writes its root as one tar to a path, an open file or a descriptor."""
        from fastlayers.exporting import export

        export(self, file)

    def copy_out(
        self,
        path: str,
        target: str | os.PathLike[str] | IO[bytes] | int,
        *,
        follow_link: bool = False,
        keep_owners: bool = False,
    ) -> int:
        """Copies a file or directory of it to a path of the host, as `docker cp` does, or as a tar
        to a file that is open; whether it runs or not. What is copied to a path belongs to this
        process's user unless `keep_owners`. `follow_link` is for a symlink at the end of `path`.

        Returns the bytes of the tar that it was on its way. NotFoundError if there is no such file
        or no directory for it, InvalidError if a directory would replace a file or the other way
        round.
        """
        from fastlayers.container_copy import copy_out

        return copy_out(self, path, target, follow_link=follow_link, keep_owners=keep_owners)

    def copy_in(
        self,
        source: str | os.PathLike[str] | IO[bytes] | int,
        path: str,
        *,
        follow_link: bool = False,
        keep_owners: bool = True,
    ) -> int:
        """Copies a file or directory of the host into it, as `docker cp` does, or a tar (which may
        be compressed) from a file that is open into an existing directory of it; whether it runs
        or not. Owners keep their numbers, or all is root's. Returns and raises as `copy_out`, and
        InvalidError if it is read-only there."""
        from fastlayers.container_copy import copy_in

        return copy_in(self, source, path, follow_link=follow_link, keep_owners=keep_owners)

    def mount(self, target: str | None = None) -> Mounted:
        """A context in which its root is mounted at a directory of this process's view (None: one
        of the store's own); gives the path. ConflictError if it runs."""
        from fastlayers.mounted import mount_container

        lock = self._try_lock()
        if lock is None:
            raise self._busy()
        return mount_container(self, target, lock)

    def bundle(self, directory: str) -> Mounted:
        """Writes an OCI runtime bundle of it into an empty or new folder. A context that gives the
        path of its root, which is mounted there until unmount(); what is changed in it is changed
        in the container. ConflictError if it runs, UnsupportedError for an option that a runtime
        has no word for."""
        from fastlayers.bundle import bundle_container

        require_command(self.command)
        lock = self._try_lock()
        if lock is None:
            raise self._busy()
        return bundle_container(self, directory, lock)

    # Its forks and checkpoints

    def fork(
        self,
        name: str | None = None,
        *,
        checkpoint: Checkpoint | str | None = None,
        sync: bool = True,
    ) -> Container:
        """A new container of the same image and options that begins with the files of this one, as
        they are now or were at a checkpoint. It takes the same time whatever this one has changed:
        nothing is copied, and what has been written so far is shared from now on. Only of one that
        runs what it has written since it was last frozen is copied, while its processes are held
        still. Volumes with names are shared, those without begin anew.

        Without `sync` it may be gone after a power failure, which is fine for one that is used at
        once. ConflictError if the name is taken or this one is mounted (a fork from a checkpoint
        can be made all the same); LimitError if it lies on too many frozen states.
        """
        from fastlayers.container_fork import fork_container

        with self._changing("fork", at_rest=checkpoint is None, may_run=True) as freezer:
            return fork_container(self, name, checkpoint, freezer, sync=sync)

    def checkpoint(self, name: str | None = None, *, sync: bool = True) -> Checkpoint:
        """Notes the state of its files, to come back to with `restore`; that of a process is not
        kept. Checkpoints go with the container. What is copied, errors and `sync` as `fork`."""
        from fastlayers.checkpoint import create_checkpoint

        with self._changing("make a checkpoint of", may_run=True) as freezer:
            return create_checkpoint(self, name, freezer, sync=sync)

    def checkpoints(self) -> list[Checkpoint]:
        """Its checkpoints, oldest first."""
        from fastlayers.checkpoint import read_checkpoints

        return read_checkpoints(self.directory)

    def restore(self, checkpoint: Checkpoint | str, *, sync: bool = True) -> None:
        """Brings its files back to what they were at a checkpoint of its own, given as such or by
        name or ID; what has been written since is lost unless it is in another checkpoint. Nothing
        is copied, but what is lost has to be removed. Volumes stay as they are. ConflictError if
        it runs or is mounted."""
        from fastlayers.checkpoint import find_checkpoint, restore_checkpoint

        with self._changing("restore"):
            restore_checkpoint(self, find_checkpoint(self, checkpoint), sync=sync)

    def remove_checkpoint(self, checkpoint: Checkpoint | str) -> None:
        """Removes one of its checkpoints, and what only that needed."""
        from fastlayers.checkpoint import find_checkpoint, remove_checkpoint

        with self._changing("remove a checkpoint of", at_rest=False):
            remove_checkpoint(self, find_checkpoint(self, checkpoint), sync=True)

    def _changing(self, doing: str, *, at_rest: bool = True, may_run: bool = False) -> Changing:
        """A context for what changes what its upper lies on. `at_rest`: it cannot run in it, but
        with `may_run` it can have been running, and the context gives its freezer."""
        if os.path.exists(os.path.join(self.directory, "copied")):
            raise UnsupportedError(
                f"cannot {doing} container {self.name}: its root is a copy of the image (backend "
                "copy), which cannot be shared"
            )
        lock = self._try_lock() if at_rest else None
        freezer = None
        if at_rest and lock is None:
            state = self.state()
            if state.status != RUNNING:
                raise self._busy()
            if not may_run:
                raise ConflictError(
                    f"cannot {doing} container {self.name}: it is running, and its files cannot be "
                    "exchanged under it: stop it first"
                )
            from fastlayers.freezer import Freezer

            freezer = Freezer(None if state.paused else state.pid)
        from fastlayers.container_change import Changing

        return Changing(self, lock, freezer)

    def inspect(self) -> dict[str, Any]:
        """All about it, in the shape of `docker inspect`."""
        from fastlayers.inspection import inspect_container

        return inspect_container(self)

    # Its end

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        """Removes it, whatever it does, and the volumes that nobody has named: `with
        image.create() as box`."""
        try:
            self.remove(force=True, volumes=True)
        except NotFoundError:
            return

    def remove(self, force: bool = False, *, volumes: bool = False) -> None:
        """Removes it, and with `volumes` those that nobody has named. ConflictError if it runs,
        unless `force` kills it."""
        lock = self._try_lock()
        if lock is None and self.state().status == RUNNING:
            if not force:
                raise ConflictError(
                    f'cannot remove container "{self.name}": container is running: '
                    "stop the container before removing or force remove"
                )
            self._kill_and_wait()
            try:
                lock = self._try_lock()
            except NotFoundError:
                return  # it was one that removes itself
        if lock is None:
            raise self._busy()
        with _Held(lock):
            self.discard(volumes=volumes)
        sync_directory(self.store.containers_directory)

    def discard(self, *, volumes: bool) -> None:
        """Removes its directory, and with `volumes` those that nobody has named; for the process
        that holds the lock."""
        if self.options.pid == "host":
            from fastlayers import cgroup

            cgroup.end_all(self.id)  # whom a supervisor that was killed has left behind
            cgroup.remove(self.id)
        self.store.discard_container(self, volumes=volumes)


def captured(run: Callable[[launcher.Streams], int], stdin: bytes, capture: bool) -> Result:
    """Runs with streams that are captured, or with this process's own."""
    from fastlayers import result

    def with_descriptors(stdin_fd: int, stdout_fd: int, stderr_fd: int) -> int:
        return run(
            launcher.Streams(
                interactive=not capture or bool(stdin),
                stdin_fd=stdin_fd,
                stdout_fd=stdout_fd,
                stderr_fd=stderr_fd,
            )
        )

    if capture:
        return result.capture(with_descriptors, stdin)
    return result.Result(with_descriptors(0, 1, 2))


class _Held:
    """Releases a lock that was acquired before."""

    __slots__ = ("_lock",)

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock

    def __enter__(self) -> FileLock:
        return self._lock

    def __exit__(self, *_: object) -> None:
        self._lock.release()
