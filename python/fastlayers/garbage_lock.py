"""The lock between those who make blobs and those who collect them: ROOT/locks/gc.

Makers hold it shared, the collector holds it exclusively. A collector that would have to wait for
a long pull leaves a mark instead, and the last maker does its work.
"""

from __future__ import annotations

import os

from fastlayers.host import make_directory
from fastlayers.lock import FileLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastlayers.store import Store

_PATIENCE_SECONDS = 1.0


def gc_lock(root: str, *, exclusive: bool) -> FileLock:
    """The lock, not acquired yet."""
    return FileLock(os.path.join(root, "locks", "gc"), exclusive=exclusive)


class Working:
    """A shared hold; who lets go collects what was left to it meanwhile."""

    __slots__ = ("_lock", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = store.gc_lock(exclusive=False)

    def __enter__(self) -> Working:
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if os.path.isdir(_mark(self._store)):
            collect_or_leave(self._store, patience_seconds=0)


def collect_or_leave(store: Store, *, patience_seconds: float = _PATIENCE_SECONDS) -> int:
    """Collects garbage, or leaves it to those who are at work; returns the bytes freed."""
    from fastlayers.garbage import collect

    lock = store.gc_lock(exclusive=True)
    if not lock.acquire(timeout_seconds=patience_seconds):
        make_directory(_mark(store))
        return 0
    try:
        freed = collect(store)
        if os.path.isdir(_mark(store)):
            os.rmdir(_mark(store))
        return freed
    finally:
        lock.release()


def _mark(store: Store) -> str:
    """A directory, which exists or not without a doubt."""
    return os.path.join(store.root, "locks", "garbage")
