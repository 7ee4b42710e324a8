"""Which host serves a repository that is read: the registry's mirrors in their order, then itself.

Mirrors (registries.toml) are for reading alone; nothing is ever written to one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from fastlayers.errors import CorruptError, FastlayersError, NotFoundError, RegistryError

from .settings import settings_of

_T = TypeVar("_T")
# What may be wrong with a mirror that need not be wrong with the next.
_MIRROR_FAILURES = (RegistryError, NotFoundError, CorruptError)


class Hosts:
    """The hosts that can be asked; a mirror that has failed once is not asked again. Threads may
    share it."""

    def __init__(self, registry: str) -> None:
        self._hosts = [*settings_of(registry).mirrors, registry]
        self._failures: list[str] = []
        self._lock = threading.Lock()

    @property
    def current(self) -> str:
        """The first host that has not failed."""
        return self._hosts[0]

    def next_after(self, host: str, error: FastlayersError) -> bool:
        """Whether another host is to be asked after the failure of this one. If not, the error,
        which is the registry's, says what the mirrors said."""
        with self._lock:
            if host != self._hosts[0]:
                return True  # another thread has found out before
            if len(self._hosts) > 1 and isinstance(error, _MIRROR_FAILURES):
                del self._hosts[0]
                self._failures.append(f"mirror {host}: {error}")
                return True
        if len(self._hosts) == 1 and self._failures:
            error.args = (f"{error} ({'; '.join(self._failures)})",)
        return False

    def ask(self, read: Callable[[str], _T]) -> _T:
        """What the first host answers that can."""
        while True:
            host = self.current
            try:
                return read(host)
            except FastlayersError as error:
                if not self.next_after(host, error):
                    raise
