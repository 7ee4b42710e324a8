"""A small registry on loopback that misbehaves on demand."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from tests.image_parts import Parts
from tests.oci_layout import MANIFEST, digest_of


class Request(NamedTuple):
    """What was asked, and with what Authorization ("" for none)."""

    path: str
    authorization: str
    range: str
    method: str
    body: bytes


@dataclass
class Answer:
    """One response. `cut` ends the body after so many bytes, `stall` keeps it open and silent."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall: bool = False


Hook = Callable[[Request], "Answer | None"]


class FakeRegistry:
    """Serves `manifests` and `blobs`; each hook may answer a request before that."""

    def __init__(self) -> None:
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.blobs: dict[str, bytes] = {}
        self.hooks: list[Hook] = []
        self.requests: list[Request] = []
        self.ranges = True
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))

    @property
    def host(self) -> str:
        """host:port, as references spell it."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def put_manifest(self, tag: str, raw: bytes, media_type: str = MANIFEST) -> str:
        """Makes a manifest available under a tag and its digest."""
        self.manifests[tag] = self.manifests[digest_of(raw)] = (raw, media_type)
        return digest_of(raw)

    def put_blob(self, data: bytes) -> str:
        """Makes a blob available."""
        self.blobs[digest_of(data)] = data
        return digest_of(data)

    def publish(self, parts: Parts, tag: str = "latest") -> str:
        """Makes an image available; the manifest's digest."""
        self.put_blob(parts.config)
        for layer in parts.layers:
            self.put_blob(layer.data)
        return self.put_manifest(tag, parts.manifest)

    def paths(self, part: str) -> list[str]:
        """The paths asked for that contain `part`."""
        return [request.path for request in self.requests if part in request.path]

    def answer(self, request: Request) -> Answer:
        """What to send: a hook's answer, or the document asked for."""
        with self._lock:
            self.requests.append(request)
            for hook in self.hooks:
                answer = hook(request)
                if answer is not None:
                    return answer
        if request.path == "/v2/":
            return Answer(body=b"{}")
        kind, _, name = request.path.rpartition("/")
        if kind.endswith("/manifests") and name in self.manifests:
            raw, media_type = self.manifests[name]
            return Answer(
                body=raw,
                headers={"Content-Type": media_type, "Docker-Content-Digest": digest_of(raw)},
            )
        if kind.endswith("/blobs") and name in self.blobs:
            return self._blob(self.blobs[name], request.range)
        code = "MANIFEST_UNKNOWN" if kind.endswith("/manifests") else "BLOB_UNKNOWN"
        return error(404, code, code.lower().replace("_", " "))

    def _blob(self, data: bytes, span: str) -> Answer:
        if not span or not self.ranges:
            return Answer(body=data)
        start = int(span.removeprefix("bytes=").rstrip("-"))
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        return Answer(206, data[start:], headers)

    @contextlib.contextmanager
    def running(self) -> Iterator[FakeRegistry]:
        """Serves until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def error(status: int, code: str, message: str, **headers: str) -> Answer:
    """An error document as registries send it."""
    body = f'{{"errors":[{{"code":"{code}","message":"{message}","detail":null}}]}}'.encode()
    return Answer(status, body, {"Content-Type": "application/json", **headers})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


def _handler_of(registry: FakeRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            answer = registry.answer(
                Request(
                    self.path,
                    self.headers.get("Authorization", ""),
                    self.headers.get("Range", ""),
                    self.command,
                    self.rfile.read(length),
                )
            )
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                for line in value.split("\n"):
                    self.send_header(name, line)
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.cut])
            self.wfile.flush()
            if answer.stall:
                registry.released.wait(20)
            if answer.cut is not None:
                self.close_connection = True

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return Handler
