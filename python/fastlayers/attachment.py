"""Attachment: standard streams of ours that are those of a container, or of a command in one, that
runs in the background; several at once may be. It goes on when we leave.
"""

from __future__ import annotations

import os

from fastlayers import _core
from fastlayers.container_state import RUNNING
from fastlayers.errors import ConflictError, DetachedError, HostError, InvalidError
from fastlayers.process import open_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fastlayers.container import Container
    from fastlayers.launcher import Streams

DETACH_KEYS = "ctrl-p,ctrl-q"
_CONTROLS = "@abcdefghijklmnopqrstuvwxyz[\\]^_"  # in the order of their bytes
_DELETE = 127
_SIGNAL_BASE = 128
# How long what has ended may take to be recorded, and one whose supervisor was killed to be gone.
_SETTLE_SECONDS = 30.0
_LOSS_SECONDS = 2.0
_FULL = "too many are attached to it already: 32"
_LET_GO = (
    "the attachment was ended from the other side: its output was not taken for 5 seconds, or "
    "the supervisor was killed"
)


def parse_keys(text: str) -> bytes:
    """The bytes of "ctrl-p,ctrl-q", "a,b" or "DEL", as Docker reads them. InvalidError."""
    keys = bytearray()
    for key in text.split(","):
        raw = os.fsencode(key)
        control = key.removeprefix("ctrl-")
        if len(raw) == 1:
            keys += raw
        elif control != key and len(control) == 1 and control in _CONTROLS:
            keys.append(_CONTROLS.index(control))
        elif key == "DEL":
            keys.append(_DELETE)
        else:
            raise InvalidError(
                f"invalid detach keys ({text[:100]}): Unknown character: '{key[:40]}'"
            )
    return bytes(keys)


def check_attachable(container: Container) -> None:
    """ConflictError unless it runs and is not paused."""
    state = container.state()
    if state.status != RUNNING:
        raise ConflictError("cannot attach to a stopped container, start it first")
    if state.paused:
        raise ConflictError("cannot attach to a paused container, unpause it first")


def attach(
    container: Container, streams: Streams, *, forward_signals: bool, detach_keys: str | None
) -> int:
    """Attaches to a container that runs; see Container.attach."""
    keys = parse_keys(detach_keys or DETACH_KEYS)
    check_attachable(container)
    try:
        client = _core.connect_to_audience(container.directory)
    except ConflictError:
        check_attachable(container)  # it may have ended meanwhile
        raise
    try:
        spec = _specification(client, streams, container.tty, keys)
        spec.redraw = True
        return _follow(container, spec, forward_signals)
    finally:
        os.close(client)


def attach_from_start(
    container: Container,
    start: Callable[[int], None],
    streams: Streams,
    *,
    forward_signals: bool,
    detach_keys: str | None,
) -> int:
    """The same of one that `start` starts in the background, with a socket that is the streams'
    other end."""
    keys = parse_keys(detach_keys or DETACH_KEYS)
    ours = _started(start)
    try:
        spec = _specification(ours, streams, container.tty, keys)
        return _follow(container, spec, forward_signals)
    finally:
        os.close(ours)


def execute_attached(
    start: Callable[[int], None], streams: Streams, *, detach_keys: str | None
) -> int:
    """Follows a command with a terminal, that `start` executes in a container, to its end."""
    keys = parse_keys(detach_keys or DETACH_KEYS)
    ours = _started(start)
    try:
        code, signal = _attached(_specification(ours, streams, True, keys))
    finally:
        os.close(ours)
    if signal:
        return _SIGNAL_BASE + signal
    if code is None:
        raise HostError(_LET_GO)
    return code


def _started(start: Callable[[int], None]) -> int:
    """Our end of a pair of sockets, when `start` is done with the other."""
    ours, theirs = _core.socket_pair()
    try:
        start(theirs)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return ours


def _specification(client: int, streams: Streams, tty: bool, keys: bytes) -> _core.AttachSpec:
    spec = _core.AttachSpec()
    spec.socket = client
    spec.tty = tty
    spec.interactive = streams.interactive
    spec.detach_keys = keys
    spec.stdin_fd = streams.stdin_fd
    spec.stdout_fd = streams.stdout_fd
    spec.stderr_fd = streams.stderr_fd
    return spec


def _attached(spec: _core.AttachSpec) -> tuple[int | None, int]:
    """The exit code, if it has ended, and the signal, if one has ended us."""
    code, detached, refused, signal = _core.attach(spec)
    if detached:
        raise DetachedError("read escape sequence")
    if refused:
        raise ConflictError(_FULL)
    return code, signal


def _follow(container: Container, spec: _core.AttachSpec, forward_signals: bool) -> int:
    state = container.state()
    if forward_signals and state.status == RUNNING:
        spec.leader = open_process(state.pid, state.pid_start)
    try:
        code, signal = _attached(spec)
    finally:
        if spec.leader >= 0:
            os.close(spec.leader)
    if signal:
        return _SIGNAL_BASE + signal
    if code is not None:
        # Whoever looks at it now is to see that it has ended, or is removed.
        container.has_ended(_SETTLE_SECONDS)
        return code
    if container.has_ended(_LOSS_SECONDS):
        return container.exit_code  # its supervisor was killed, and so was it
    raise HostError(_LET_GO)
