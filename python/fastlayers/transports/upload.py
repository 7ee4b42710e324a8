"""Blobs on their way to a registry (OCI distribution specification, "Pushing blobs").

A blob that the registry has is not sent, one that another repository there has is mounted. What
is sent is one streamed PATCH; when it breaks off the registry is asked what has arrived, and the
rest is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote, urljoin

from fastlayers.errors import (
    DigestMismatchError,
    FastlayersError,
    NotFoundError,
    RegistryError,
)
from fastlayers.oci.digest import digest_of

from .session import BrokenConnectionError, Session, Step

if TYPE_CHECKING:
    import urllib3

# Failures in a row without progress between them before an upload is given up.
_FAILURES: Final = 5
_PROGRESS_BYTES: Final = 1 << 20
# Where an upload cannot be gone on with, it is begun anew, but not for ever.
_BEGINNINGS: Final = 3


class BlobToSend(Protocol):
    """The bytes of a blob, as often as asked: always the same."""

    digest: str  # "" until all has been read
    size: int  # -1 until all has been read

    def pieces(self, offset: int) -> Iterator[bytes]:
        """The bytes from `offset` on."""
        ...


class RestartError(RegistryError):
    """The registry knows nothing of the upload any more."""


class BlobUpload:
    """Uploads to one repository. Threads may share it."""

    def __init__(self, session: Session, repository: str) -> None:
        self._session = session
        self._repository = repository
        self._uploads = f"/v2/{repository}/blobs/uploads/"

    def has(self, digest: str) -> bool:
        """Whether the repository has a blob."""
        step = self._step(f"look for blob {digest}")
        path = f"/v2/{self._repository}/blobs/{digest}"
        # A redirect to a storage that signs for GET alone is a yes, and is not followed.
        found = (200, 301, 302, 303, 307, 308)
        try:
            response = self._session.send("HEAD", path, step, answers=(*found, 405, 501))
            if response.status not in found:  # it knows no HEAD; the body is not read
                self._session.release(response)
                response = self._session.get(path, step)
        except NotFoundError:
            return False
        self._session.release(response)
        return True

    def mount(self, digest: str, source: str) -> tuple[str, str]:
        """Asks for a blob that another repository of the registry has ("": none is known). Returns
        "mounted", or "" if it is not there; and where it may be uploaded, if the registry has said
        so."""
        if not source or source == self._repository:
            return "", ""
        try:
            location = self._mount(digest, source)
        except FastlayersError:  # a registry that cannot mount can be sent the blob
            return "", ""
        return ("", location) if location else ("mounted", "")

    def _mount(self, digest: str, source: str) -> str:
        """Returns "" if the blob is there now, or else where it may be uploaded."""
        query = f"?mount={quote(digest)}&from={quote(source, safe='')}"
        step = self._step(f"mount blob {digest} from {source}", source)
        response = self._session.send(
            "POST", self._uploads + query, step, {"Content-Length": "0"}, answers=(201, 202)
        )
        try:
            return "" if response.status == 201 else self._location(response, step)
        finally:
            self._session.release(response)

    def send(self, blob: BlobToSend, location: str, on_bytes: Callable[[int], None]) -> None:
        """Uploads a blob; afterwards its digest and size are known. `location` is where, if that
        has been asked already; `on_bytes` gets the number of bytes that are there."""
        for beginning in range(_BEGINNINGS):
            try:
                return self._finish(self._send_all(blob, location or self._begin(), on_bytes), blob)
            except RestartError:
                location = ""
                if beginning + 1 == _BEGINNINGS:
                    raise
                self._session.pause(beginning)

    def put_manifest(self, target: str, kind: str, raw: bytes, subject: str) -> bool:
        """Puts a manifest under a tag or its digest; `subject` is what errors call the image.
        Whether the registry now lists it among what refers to its subject (OCI distribution-spec,
        "Pushing Manifests with Subject")."""
        step = Step(f"put the manifest of {subject}", self._repository, "", "pull,push")
        response = self._session.send(
            "PUT", f"/v2/{self._repository}/manifests/{target}", step, {"Content-Type": kind},
            answers=(201, 202), body=raw,
        )  # fmt: skip
        stored = response.headers.get("Docker-Content-Digest", "").strip()
        listed = "OCI-Subject" in response.headers
        self._session.release(response)
        digest = digest_of(raw)
        if stored not in ("", digest):
            raise DigestMismatchError(
                f"registry {self._session.registry}: it stored the manifest {digest} of "
                f"{subject} as {stored}"
            )
        return listed

    def _begin(self) -> str:
        step = self._step("begin an upload")
        response = self._session.send(
            "POST", self._uploads, step, {"Content-Length": "0"}, answers=(202,)
        )
        try:
            return self._location(response, step)
        finally:
            self._session.release(response)

    def _send_all(self, blob: BlobToSend, location: str, on_bytes: Callable[[int], None]) -> str:
        """Sends the bytes; returns where the upload is to be finished."""
        step = self._step("upload a layer")
        offset = failures = 0
        while True:
            begun = offset
            try:
                return self._send_rest(blob, location, offset, on_bytes)
            except BrokenConnectionError:
                self._session.check_cancelled()
                location, offset = self._status(location, step)
                failures = 0 if offset >= begun + _PROGRESS_BYTES else failures + 1
                if failures >= _FAILURES:
                    raise
                self._session.pause(failures)

    def _send_rest(
        self, blob: BlobToSend, location: str, offset: int, on_bytes: Callable[[int], None]
    ) -> str:
        step = self._step("upload a layer")
        headers = {"Content-Type": "application/octet-stream"}
        if blob.size >= 0:
            headers["Content-Length"] = str(blob.size - offset)
            if offset:
                headers["Content-Range"] = f"{offset}-{blob.size - 1}"

        def counted() -> Iterator[bytes]:
            taken = offset
            for piece in blob.pieces(offset):
                self._session.check_cancelled()
                yield piece
                taken += len(piece)
                on_bytes(taken)

        try:
            response = self._session.send_stream(
                "PATCH", location, step, headers, counted(), answers=(202, 404, 416)
            )
        finally:
            self._session.check_cancelled()
        try:
            if response.status != 202:
                raise self._restart(step)
            return self._location(response, step)
        finally:
            self._session.release(response)

    def _status(self, location: str, step: Step) -> tuple[str, int]:
        """Where an upload goes on, and how many bytes of it have arrived."""
        try:
            response = self._session.send("GET", location, step, answers=(204,))
        except BrokenConnectionError:
            raise
        except (RegistryError, NotFoundError):
            raise self._restart(step) from None
        try:
            first, _, last = response.headers.get("Range", "").removeprefix("bytes=").partition("-")
            if first != "0" or not last.isdigit():
                raise self._restart(step)
            # An upload without a byte says 0-0, as one of one byte does.
            return self._location(response, step), int(last) + 1 if int(last) else 0
        finally:
            self._session.release(response)

    def _finish(self, location: str, blob: BlobToSend) -> None:
        step = self._step(f"finish the upload of blob {blob.digest}")
        mark = "&" if "?" in location else "?"
        response = self._session.send(
            "PUT", f"{location}{mark}digest={quote(blob.digest)}", step, {"Content-Length": "0"},
            answers=(201, 404, 416),
        )  # fmt: skip
        try:
            if response.status != 201:
                raise self._restart(step)
            stored = response.headers.get("Docker-Content-Digest", "").strip() or blob.digest
            if stored != blob.digest:
                raise DigestMismatchError(
                    f"registry {self._session.registry}: it stored {blob.digest} as {stored}"
                )
        finally:
            self._session.release(response)

    def _location(self, response: urllib3.BaseHTTPResponse, step: Step) -> str:
        location = response.headers.get("Location", "")
        if not location:
            raise RegistryError(
                f"registry {self._session.registry}: cannot {step.action}: it does not say where"
            )
        return urljoin(self._session.base_url, location)

    def _restart(self, step: Step) -> RestartError:
        return RestartError(
            f"registry {self._session.registry}: cannot {step.action}: the upload is lost"
        )

    def _step(self, action: str, source: str = "") -> Step:
        return Step(f"{action} to {self._repository}", self._repository, "", "pull,push", source)
