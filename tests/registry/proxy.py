"""A proxy in front of a real registry that spoils what passes through it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

_CHUNK = 1 << 14
_NOT_PASSED_ON = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class Asked(NamedTuple):
    """The head of a request."""

    method: str
    path: str
    authorization: str
    range: str


@dataclass
class Reply:
    """A response on its way to the client: `cut` ends the connection after so many bytes of the
    body, by a reset if `reset`; `pause` is waited after each 16 KiB."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False
    pause: float = 0.0


# What to say instead of the registry, or None to ask it.
Before = Callable[[Asked], "Reply | None"]
# What becomes of the registry's answer.
After = Callable[[Asked, Reply], Reply]
# After how many bytes of its body an upload breaks off; None: it does not.
Breaks = Callable[[Asked], "int | None"]


class FaultProxy:
    """Passes requests to a registry, and what it is told to spoil is spoilt."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.before: Before = lambda asked: None
        self.after: After = lambda asked, reply: reply
        self.breaks: Breaks = lambda asked: None
        self.asked: list[Asked] = []
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))

    @property
    def address(self) -> str:
        """host:port, as references spell it."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def open(self) -> http.client.HTTPConnection:
        """A connection to the registry itself."""
        return http.client.HTTPConnection(self._upstream, timeout=20)

    @contextlib.contextmanager
    def running(self) -> Iterator[FaultProxy]:
        """Serves until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client or a registry that hangs up is no news."""


def _handler_of(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = Asked(
                self.command,
                self.path,
                self.headers.get("Authorization", ""),
                self.headers.get("Range", ""),
            )
            proxy.asked.append(asked)
            said = proxy.before(asked)
            if said is not None:
                self.close_connection = self.command not in ("GET", "HEAD")  # its body is not read
                self._reply(said)
                return
            connection = proxy.open()
            try:
                answer = self._pass_on(connection, proxy.breaks(asked))
                if answer is not None:
                    self._reply(proxy.after(asked, answer))
            finally:
                connection.close()

        def _pass_on(
            self, connection: http.client.HTTPConnection, limit: int | None
        ) -> Reply | None:
            """The registry's answer; None if the request broke off after `limit` bytes."""
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            left = limit
            for piece in self._raw_body():
                connection.send(piece if left is None else piece[:left])
                if left is not None:
                    left -= len(piece)
                    if left <= 0:
                        self._hang_up(reset=True)
                        return None
            answer = connection.getresponse()
            headers = {k: v for k, v in answer.getheaders() if k.lower() not in _NOT_PASSED_ON}
            return Reply(answer.status, answer.read(), headers)

        def _raw_body(self) -> Iterator[bytes]:
            """The request's body as it stands on the wire, chunk sizes included."""
            if self.headers.get("Transfer-Encoding") == "chunked":
                while True:
                    line = self.rfile.readline()
                    size = int(line, 16)
                    yield line + self.rfile.read(size + 2)
                    if size == 0:
                        return
            left = int(self.headers.get("Content-Length") or 0)
            while left:
                piece = self.rfile.read(min(left, _CHUNK))
                left -= len(piece)
                yield piece

        def _reply(self, reply: Reply) -> None:
            self.send_response(reply.status)
            headers = {"Content-Length": str(len(reply.body)), **reply.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            body = b"" if self.command == "HEAD" else reply.body[: reply.cut]
            for at in range(0, len(body), _CHUNK):
                self.wfile.write(body[at : at + _CHUNK])
                time.sleep(reply.pause)
            self.wfile.flush()
            if reply.cut is not None and self.command != "HEAD":
                self._hang_up(reset=reply.reset)

        def _hang_up(self, *, reset: bool) -> None:
            self.close_connection = True
            if reset:
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()

        do_HEAD = do_PATCH = do_POST = do_PUT = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return Handler
