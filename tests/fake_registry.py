"""A small registry on loopback that misbehaves on demand."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.image_parts import INDEX, Parts, index_of
from tests.oci_layout import MANIFEST, digest_of


class Request(NamedTuple):
    """What was asked, and with what Authorization ("" for none)."""

    path: str
    authorization: str
    range: str
    method: str
    body: bytes
    headers: Mapping[str, str] = {}  # never written to


@dataclass
class Answer:
    """One response. `cut` ends the body after so many bytes, `stall` keeps it open and silent.

    To a request with a body, `take` is how many bytes of it are read before the connection ends
    without an answer; they count as uploaded.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall: bool = False
    take: int | None = None


Hook = Callable[[Request], "Answer | None"]


class FakeRegistry:
    """Serves `manifests` and `blobs`; each hook may answer a request before that."""

    def __init__(self) -> None:
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.blobs: dict[str, bytes] = {}
        self.hooks: list[Hook] = []
        self.requests: list[Request] = []
        self.ranges = True
        self.bytes_per_second = 0  # that a connection gives; 0: any number
        self.mountable: set[str] = set()  # repositories that blobs can be mounted from
        self.referrers_per_page = 0  # 0: it keeps no lists of referrers
        self.uploads: dict[str, bytearray] = {}
        self._numbers = itertools.count()
        # Asked about an upload's PATCH before its body is read.
        self.patch_hooks: list[Hook] = []
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
        if "/blobs/uploads/" in request.path or request.method == "PUT":
            return self._upload(request)
        kind, _, name = request.path.rpartition("/")
        if kind.endswith("/manifests") and name in self.manifests:
            raw, media_type = self.manifests[name]
            return Answer(
                body=raw,
                headers={"Content-Type": media_type, "Docker-Content-Digest": digest_of(raw)},
            )
        if kind.endswith("/referrers") and self.referrers_per_page:
            return self._referrers(request.path)
        if kind.endswith("/blobs") and name in self.blobs:
            return self._blob(self.blobs[name], request.range)
        code = "MANIFEST_UNKNOWN" if kind.endswith("/manifests") else "BLOB_UNKNOWN"
        return error(404, code, code.lower().replace("_", " "))

    def _upload(self, request: Request) -> Answer:
        url = urlsplit(request.path)
        query = dict(parse_qsl(url.query))
        place, _, name = url.path.rpartition("/")
        if request.method == "PUT" and place.endswith("/manifests"):
            return self._take_manifest(name, request)
        if request.method == "POST":
            if query.get("mount") in self.blobs and query["from"] in self.mountable:
                return Answer(201, headers={"Location": f"{place}/{query['mount']}"})
            name = f"upload-{next(self._numbers)}"
            self.uploads[name] = bytearray()
            return Answer(202, headers={"Location": f"{url.path}{name}?state=a%2Fb"})
        if name not in self.uploads:
            return error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        data = self.uploads[name]
        headers = {"Location": f"{url.path}?state={len(data)}",
                   "Range": f"0-{max(0, len(data) - 1)}"}  # fmt: skip
        if request.method != "PUT":
            return Answer(202 if request.method == "PATCH" else 204, headers=headers)
        if digest_of(bytes(data)) != query["digest"]:
            return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        del self.uploads[name]
        return Answer(201, headers={"Docker-Content-Digest": self.put_blob(bytes(data))})

    def _take_manifest(self, name: str, request: Request) -> Answer:
        digest = self.put_manifest(name, request.body, request.headers["Content-Type"])
        headers = {"Docker-Content-Digest": digest}
        subject = json.loads(request.body).get("subject")
        if subject and self.referrers_per_page:
            headers["OCI-Subject"] = subject["digest"]
        return Answer(201, headers=headers)

    def _referrers(self, path: str) -> Answer:
        """A page of the list; which one is said by "?from=N"."""
        url = urlsplit(path)
        wanted = url.path.rpartition("/")[2]
        rows = {}
        for raw, media_type in self.manifests.values():
            manifest = json.loads(raw)
            if manifest.get("subject", {}).get("digest") == wanted:
                digest = digest_of(raw)
                kind = manifest.get("artifactType") or manifest["config"]["mediaType"]
                rows[digest] = {"mediaType": media_type, "digest": digest, "size": len(raw),
                                "artifactType": kind}  # fmt: skip
        begin = int(dict(parse_qsl(url.query)).get("from", "0"))
        end = begin + self.referrers_per_page
        headers = {"Content-Type": INDEX}
        if end < len(rows):
            headers["Link"] = f'<{url.path}?from={end}>; rel="next"'
        return Answer(body=index_of(list(rows.values())[begin:end]), headers=headers)

    def take_upload(self, path: str, data: bytes) -> None:
        """Adds bytes to an upload."""
        upload = self.uploads.get(urlsplit(path).path.rpartition("/")[2])
        if upload is not None:
            upload += data

    def _blob(self, data: bytes, span: str) -> Answer:
        if not span or not self.ranges:
            return Answer(body=data, headers={"Accept-Ranges": "bytes"} if self.ranges else {})
        first, _, last = span.removeprefix("bytes=").partition("-")
        start, end = int(first), int(last) + 1 if last else len(data)
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
        return Answer(206, data[start:end], headers)

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
            head = Request(
                self.path,
                self.headers.get("Authorization", ""),
                self.headers.get("Range", ""),
                self.command,
                b"",
                dict(self.headers),
            )
            if self.command == "PATCH":
                refused = next((a for hook in registry.patch_hooks if (a := hook(head))), None)
                limit = None if refused is None else refused.take
                if refused is None or refused.take is not None:
                    for piece in self._pieces(limit):
                        registry.take_upload(self.path, piece)
                if refused is not None:
                    registry.requests.append(head)
                    self.close_connection = True
                    if refused.take is None:
                        self._send(refused)
                    return
            body = b"" if self.command == "PATCH" else b"".join(self._pieces(None))
            self._send(registry.answer(head._replace(body=body)))

        def _pieces(self, limit: int | None) -> Iterator[bytes]:
            """The request's body, chunked or not, to its end or to a limit."""
            left = int(self.headers.get("Content-Length") or 0) if limit is None else limit
            chunked = self.headers.get("Transfer-Encoding") == "chunked"
            while chunked or left:
                size = int(self.rfile.readline(), 16) if chunked else min(left, 1 << 16)
                piece = self.rfile.read(size)
                if chunked:
                    self.rfile.readline()
                    if not size:
                        return
                if limit is not None:
                    piece, limit = piece[:limit], limit - len(piece[:limit])
                yield piece
                left -= len(piece)
                if limit == 0:
                    return

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                for line in value.split("\n"):
                    self.send_header(name, line)
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            self._write(answer.body[: answer.cut])
            self.wfile.flush()
            if answer.stall:
                registry.released.wait(20)
            if answer.cut is not None:
                self.close_connection = True

        def _write(self, body: bytes) -> None:
            begun, sent, piece = time.monotonic(), 0, 1 << 16
            while sent < len(body):
                self.wfile.write(body[sent : sent + piece])
                sent += piece
                if registry.bytes_per_second:
                    ahead = sent / registry.bytes_per_second - (time.monotonic() - begun)
                    time.sleep(max(0.0, ahead))

        do_HEAD = do_PATCH = do_POST = do_PUT = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return Handler
