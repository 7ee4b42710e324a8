"""One blob of a registry as a layer source: streamed into the core, resumed when it breaks off."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import urllib3

from fastlayers import _core
from fastlayers.errors import (
    CorruptError,
    DigestMismatchError,
    InvalidError,
    NotFoundError,
    RegistryError,
)

from .lanes import Lanes
from .session import BrokenConnectionError, Session, Step
from .source import OnBytes

if TYPE_CHECKING:
    from fastlayers._core import LayerInfo
    from fastlayers.oci.document import Descriptor

_READ_BYTES = 1 << 20
# How often a download may break off before it has moved on by _PROGRESS_BYTES.
_FAILURES = 5
_PROGRESS_BYTES = 8 << 20
# A stream that was waited for most of this time, and that is slower than what no registry limits a
# connection to, is joined by others if much is left.
_TRIAL_SECONDS = 1.0
_WAITED_SHARE = 0.7
_FAST_BYTES_PER_SECOND = 100 << 20
_MUCH_BYTES = 32 << 20


class BlobDownload:
    """The bytes of one blob, in order and exactly once, over as many requests as it takes."""

    def __init__(self, session: Session, repository: str, descriptor: Descriptor) -> None:
        self._session = session
        self._repository = repository
        self._descriptor = descriptor
        self._path = f"/v2/{repository}/blobs/{descriptor.digest}"
        self._ranges = True
        self._has_ranges = False  # as far as is known
        self._alone = False  # one stream at a time
        self._step = Step(
            f"fetch blob {descriptor.digest} of {repository}",
            repository,
            f"registry {session.registry}: blob {descriptor.digest} of {repository}",
        )
        self.resumed = False

    def chunks(self, start: int = 0) -> Generator[bytes, None, None]:
        """Yields the body from a byte on; raises when it turns out shorter or longer than its
        descriptor says."""
        size = self._descriptor.size
        received = start
        failures = 0
        progress_mark = 0
        while True:
            try:
                for data in self._read_on(received):
                    received += len(data)
                    if received > size:
                        raise self._mismatch(f"is longer than {size} bytes")
                    yield data
                if received < size:
                    raise self._mismatch(f"has {received} bytes instead of {size}")
                return
            except BrokenConnectionError:
                if received - progress_mark >= _PROGRESS_BYTES:
                    failures = 0
                progress_mark = received
                failures += 1
                if failures >= _FAILURES:
                    raise
                self.resumed = self.resumed or received > 0
                self._session.pause(failures - 1)

    def _read_on(self, offset: int) -> Generator[bytes, None, None]:
        """The body from `offset` on, from one request, or if that is slow from several."""
        begun, waited = time.monotonic(), 0.0
        start = offset
        stream = self._read_from(offset)
        with contextlib.closing(stream):
            while True:
                asked = time.monotonic()
                data = next(stream, None)
                if data is None:
                    return
                now = time.monotonic()
                waited += now - asked
                yield data
                offset += len(data)
                if self._is_slow(offset, offset - start, now - begun, waited):
                    break
        self._alone = True  # from now on, if these break off
        lanes = Lanes(self._fetch_piece, offset, self._descriptor.size)
        try:
            with contextlib.closing(lanes.pieces()) as pieces:
                yield from pieces
        except RegistryError as error:  # it may only be that it does not like so many
            raise BrokenConnectionError(str(error)) from None

    def _is_slow(self, offset: int, count: int, seconds: float, waited: float) -> bool:
        return (
            seconds >= _TRIAL_SECONDS
            and not self._alone
            and self._has_ranges
            and self._ranges
            and self._descriptor.size - offset >= _MUCH_BYTES
            and waited >= _WAITED_SHARE * seconds
            and count <= _FAST_BYTES_PER_SECOND * seconds
        )

    def _fetch_piece(
        self, first: int, last: int, reading: Callable[[urllib3.BaseHTTPResponse], None]
    ) -> bytes:
        """One part of the body."""
        response = self._open(first, last)
        try:
            reading(response)
            if response.status == 200:
                raise self._without_ranges()
            self._start_of(response, first)
            piece = bytearray()
            while len(piece) <= last - first:
                data = self._read(response, min(_READ_BYTES, last + 1 - first - len(piece)))
                if not data:
                    raise self._without_ranges()
                piece += data
            return bytes(piece)
        finally:
            self._session.release(response)

    def _read(self, response: urllib3.BaseHTTPResponse, count: int) -> bytes:
        try:
            with _core.ProfileTimer("network") as timer:
                data = response.read(count, decode_content=False)
                timer.add_bytes(len(data))
        except urllib3.exceptions.HTTPError as error:
            raise self._session.broken(self._step, error) from None
        self._session.check_cancelled()
        return data

    def _read_from(self, offset: int) -> Generator[bytes, None, None]:
        """The body from `offset` on, from one request."""
        response = self._open(offset if self._ranges else 0)
        self._has_ranges = (
            response.status == 206 or response.headers.get("Accept-Ranges", "").lower() == "bytes"
        )
        try:
            skip = offset - self._start_of(response, offset)
            while True:
                data = self._read(response, _READ_BYTES)
                if not data:
                    return
                if skip >= len(data):
                    skip -= len(data)
                    continue
                yield data[skip:] if skip else data
                skip = 0
        finally:
            self._session.release(response)

    def _open(self, offset: int, last: int | None = None) -> urllib3.BaseHTTPResponse:
        headers = {}
        if offset or last is not None:
            headers["Range"] = f"bytes={offset}-{'' if last is None else last}"
        try:
            return self._session.get(self._path, self._step, headers)
        except NotFoundError:
            # Non-distributable layers are fetched from elsewhere, if the registry lacks them.
            for url in self._descriptor.urls:
                try:
                    return self._session.get_foreign(url, self._step, headers)
                except (RegistryError, NotFoundError, InvalidError):
                    continue
            raise

    def _start_of(self, response: urllib3.BaseHTTPResponse, asked: int) -> int:
        """Where in the blob the body of a response starts."""
        if response.status == 200:
            return 0
        span = response.headers.get("Content-Range", "").lower().removeprefix("bytes").strip()
        start, total = span.partition("-")[0], span.rpartition("/")[2]
        if response.status != 206 or not self._ranges or start != str(asked):
            raise self._without_ranges()
        if total.isdigit() and total != str(self._descriptor.size):
            raise self._mismatch(f"has {total[:20]} bytes instead of {self._descriptor.size}")
        return asked

    def _without_ranges(self) -> BrokenConnectionError:
        """The server cannot resume: the next request asks for the whole and skips what is known."""
        self._ranges = False
        return BrokenConnectionError(
            f"registry {self._session.registry}: cannot {self._step.action}: "
            "the server sent another part than asked for"
        )

    def _mismatch(self, what: str) -> DigestMismatchError:
        return DigestMismatchError(
            f"registry {self._session.registry}: blob {self._descriptor.digest} of "
            f"{self._repository} {what}"
        )


class RegistryLayer:
    """A layer in a registry (a `LayerSource`)."""

    lacking = ""  # nobody knows before it is asked for

    def __init__(
        self, session: Session, repository: str, descriptor: Descriptor, diff_id: str
    ) -> None:
        self._session = session
        self._repository = repository
        self._descriptor = descriptor
        self.digest = descriptor.digest
        self.size = descriptor.size
        self.media_type = descriptor.media_type
        self.diff_id = diff_id

    def ingest(self, root: str, on_bytes: OnBytes | None) -> LayerInfo:
        """Streams the blob into the store, what an earlier try has left of it first; one that was
        resumed and is damaged is fetched anew."""
        for last in (False, True):
            download = BlobDownload(self._session, self._repository, self._descriptor)
            try:
                return self._ingest(root, download, on_bytes)
            except CorruptError as error:
                if last or not download.resumed:
                    raise self._named(error) from None
        raise AssertionError("unreachable")

    def _named(self, error: CorruptError) -> CorruptError:
        """The same, also saying where the layer is from."""
        source = f"registry {self._session.registry}"
        if str(error).startswith(source):
            return error
        return type(error)(f"{source}: {self._repository}: {error}")

    def abort(self) -> None:
        """Ends the downloads of the whole session."""
        self._session.abort()

    def _ingest(self, root: str, download: BlobDownload, on_bytes: OnBytes | None) -> LayerInfo:
        ingest = _core.Ingest(
            root, digest=self.digest, size=self.size, diff_id=self.diff_id, partial=True
        )
        try:
            download.resumed = True  # the damage may be in what was left
            taken = ingest.resume(on_bytes)
            download.resumed = taken > 0
            if taken == 0 or taken < self.size:
                with contextlib.closing(download.chunks(taken)) as chunks:
                    for data in chunks:
                        ingest.write(data)
                        taken += len(data)
                        if on_bytes is not None:
                            on_bytes(taken)
            return ingest.finish()
        except BaseException as error:
            ingest.abort(discard=isinstance(error, CorruptError))
            raise
