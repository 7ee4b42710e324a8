"""Lanes: several parts of one blob fetched at the same time, handed over in order.

Many registries and their CDNs limit each connection, not the client.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from .session import shut

if TYPE_CHECKING:
    import urllib3

_LANES = 4
_PIECE_BYTES = 8 << 20

# Given the first and the last byte, and what the response is told to while it is read.
FetchPiece = Callable[[int, int, "Callable[[urllib3.BaseHTTPResponse], None]"], bytes]


class Lanes:
    """The bytes of a blob from one to another, by a few requests at once. At most _LANES pieces
    are in memory."""

    def __init__(self, fetch: FetchPiece, start: int, end: int) -> None:
        self._fetch = fetch
        self._end = end
        self._next = start
        self._lock = threading.Lock()
        self._closed = False
        self._responses: dict[threading.Thread, urllib3.BaseHTTPResponse] = {}
        self._lanes: deque[tuple[threading.Thread, list[bytes | BaseException]]] = deque()

    def pieces(self) -> Generator[bytes, None, None]:
        """Yields them; raises the first failure, in their order. Ends all when it is closed."""
        try:
            for _ in range(_LANES):
                self._begin()
            while self._lanes:
                thread, result = self._lanes[0]
                thread.join()
                self._lanes.popleft()
                if isinstance(result[0], BaseException):
                    raise result[0]
                self._begin()
                yield result[0]
        finally:
            self._close()

    def _begin(self) -> None:
        if self._next >= self._end:
            return
        first, last = self._next, min(self._next + _PIECE_BYTES, self._end) - 1
        self._next = last + 1
        result: list[bytes | BaseException] = []

        def work() -> None:
            try:
                result.append(self._fetch(first, last, self._reading))
            except BaseException as error:
                result.append(error)
            finally:
                with self._lock:
                    self._responses.pop(threading.current_thread(), None)

        thread = threading.Thread(target=work, name="fastlayers-lane", daemon=True)
        thread.start()
        self._lanes.append((thread, result))

    def _reading(self, response: urllib3.BaseHTTPResponse) -> None:
        with self._lock:
            self._responses[threading.current_thread()] = response
            closed = self._closed
        if closed:
            shut(response)

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            responses = list(self._responses.values())
        for response in responses:
            shut(response)
        for thread, _ in self._lanes:
            thread.join()
