"""What is held while the upper of a container is frozen or exchanged."""

from __future__ import annotations

from fastlayers.frozen_upper import stack_lock
from fastlayers.mounted import refuse_mounted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastlayers.container import Container
    from fastlayers.freezer import Freezer
    from fastlayers.lock import FileLock


class Changing:
    """Holds what keeps others from a container whose upper is frozen or replaced; takes over the
    container's lock, if it is to be held. Gives the freezer of one that runs."""

    __slots__ = ("_container", "_freezer", "_lock", "_stack", "_working")

    def __init__(
        self, container: Container, lock: FileLock | None, freezer: Freezer | None
    ) -> None:
        self._container = container
        self._lock = lock
        self._freezer = freezer
        self._stack = stack_lock(container.directory, exclusive=True)
        self._working = container.store.working()

    def __enter__(self) -> Freezer | None:
        try:
            self._working.__enter__()
            try:
                if self._lock is not None:
                    refuse_mounted(self._container.store, self._container)
                self._stack.acquire()
            except BaseException:
                self._working.__exit__()
                raise
        except BaseException:
            self._release()
            raise
        return self._freezer

    def __exit__(self, *_: object) -> None:
        self._stack.release()
        self._release()
        self._working.__exit__()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
