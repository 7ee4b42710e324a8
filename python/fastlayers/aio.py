"""Boxes for asyncio: many containers at once, and an event loop that goes on meanwhile.

    async with aio.box(image) as box:
        result = await box.run(["make", "test"])

Every call has a thread of its own while it lasts, in which the core waits without the interpreter's
lock. Cancelling `run` or `exec` kills the command, and is over when all of it is gone; a box or a
fork that is cancelled while it is made is not there.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from fastlayers import launcher
from fastlayers.checkpoint import Checkpoint
from fastlayers.container import Container, captured
from fastlayers.container_exec import execute
from fastlayers.errors import ConflictError, NotFoundError
from fastlayers.image import Image
from fastlayers.process import send_signal, start_time
from fastlayers.result import Result

__all__ = ["Box", "box"]

_Value = TypeVar("_Value")
_KILL = 9
_KILL_PAUSE_SECONDS = 0.01


@asynccontextmanager
async def box(image: Image, **options: Any) -> AsyncIterator[Box]:
    """A box of an image, removed at the end; `options` are those of ContainerOptions."""
    made = Box(await _call(lambda: image.create(**options), undo=_remove))
    async with made:
        yield made


class Box:
    """A container (`container`) whose calls are awaited; they mean what they mean there. As a
    context it removes the container at the end."""

    __slots__ = ("container",)

    def __init__(self, container: Container) -> None:
        self.container = container

    async def __aenter__(self) -> Box:
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(NotFoundError):
            await self.remove(force=True)

    async def run(self, command: Sequence[str], **options: Any) -> Result:
        """See Container.run; cancelling kills the command."""

        def kill() -> None:
            with suppress(ConflictError):  # not yet, or no more
                self.container.kill()

        return await _call(lambda: self.container.run(command, **options), kill)

    async def exec(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | Sequence[str] = (),
        user: str | None = None,
        workdir: str | None = None,
        stdin: bytes = b"",
    ) -> Result:
        """See Container.exec; cancelling kills the command's first process."""
        started: list[tuple[int, int]] = []

        def run(streams: launcher.Streams) -> int:
            return execute(
                self.container,
                command,
                streams,
                env=env,
                user=user,
                workdir=workdir,
                on_started=lambda pid: started.append((pid, start_time(pid))),
            )

        def kill() -> None:
            for pid, since in started:
                send_signal(pid, since, _KILL)

        return await _call(lambda: captured(run, stdin, capture=True), kill)

    async def start(self) -> None:
        """Starts its own command in the background."""
        await _call(lambda: self.container.start(attach=False))

    async def fork(self, name: str | None = None, **options: Any) -> Box:
        """See Container.fork."""
        return Box(await _call(lambda: self.container.fork(name, **options), undo=_remove))

    async def checkpoint(self, name: str | None = None, **options: Any) -> Checkpoint:
        """See Container.checkpoint."""
        return await _call(lambda: self.container.checkpoint(name, **options))

    async def restore(self, checkpoint: Checkpoint | str, **options: Any) -> None:
        """See Container.restore."""
        await _call(lambda: self.container.restore(checkpoint, **options))

    async def commit(self, name: str | None = None, **options: Any) -> Image:
        """See Container.commit."""
        return await _call(lambda: self.container.commit(name, **options))

    async def remove(self, force: bool = False) -> None:
        """See Container.remove."""
        await _call(lambda: self.container.remove(force=force))


def _remove(container: Container) -> None:
    with suppress(NotFoundError):
        container.remove(force=True)


async def _call(
    work: Callable[[], _Value],
    kill: Callable[[], None] | None = None,
    undo: Callable[[_Value], None] | None = None,
) -> _Value:
    """Does the work in a thread. A cancelled call waits for it all the same, for what it holds is
    freed there; `kill` is called until it ends, and `undo` with what nobody gets then."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Value] = loop.create_future()

    def settle(value: _Value | None, error: BaseException | None) -> None:
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(value)  # type: ignore[arg-type]

    def run() -> None:
        value, error = None, None
        try:
            value = work()
        except BaseException as raised:
            error = raised
        loop.call_soon_threadsafe(settle, value, error)

    thread = threading.Thread(target=run)
    thread.start()
    cancelled: asyncio.CancelledError | None = None
    while not done.done():
        try:
            if cancelled is None:
                await asyncio.wait([done])
            else:
                if kill is not None:
                    kill()
                await asyncio.wait([done], timeout=_KILL_PAUSE_SECONDS)
        except asyncio.CancelledError as error:
            cancelled = error
    thread.join()
    if cancelled is not None:
        # An error has been looked at so: the command was killed.
        if done.exception() is None and undo is not None:
            await _call(lambda: undo(done.result()))
        raise cancelled
    return done.result()
