"""A repository of a registry, or of a mirror of it, as what is copied from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from fastlayers.errors import FastlayersError

from .download import BlobDownload
from .hosts import Hosts
from .referrers import listed_in_registry
from .registry import RegistryClient
from .session import Session

if TYPE_CHECKING:
    from fastlayers.oci.document import Descriptor, Index, Manifest
    from fastlayers.oci.reference import Reference

    from .upload import BlobToSend

_T = TypeVar("_T")


class RegistryOrigin:
    """An `Origin`; close() it. What one host cannot give, be it in the middle of a layer, the next
    is asked for: whoever takes it verifies it, so any of them will do."""

    def __init__(self, reference: Reference) -> None:
        self.label = reference.familiar
        self.repository = reference.repository_name
        self._reference = reference
        self._hosts = Hosts(reference.registry)
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Closes the connections."""
        for session in self._sessions.values():
            session.close()

    def abort(self) -> None:
        """Makes what runs in other threads fail soon."""
        with self._lock:
            sessions = list(self._sessions.values())
        for session in sessions:
            session.abort()

    def root(self) -> Manifest | Index:
        return self._ask(lambda client: client.root(self._reference))

    def child(self, descriptor: Descriptor) -> Manifest | Index:
        return self._ask(lambda client: client.child(self._reference, descriptor))

    def small(self, descriptor: Descriptor) -> bytes:
        return self._ask(lambda client: client.document(self._reference.repository, descriptor))

    def blob(self, descriptor: Descriptor) -> BlobToSend:
        return _ServedBlob(self._hosts, self._session, self._reference.repository, descriptor)

    def referrers(self, digest: str) -> list[Descriptor]:
        """Asks the registry itself: a mirror that knows of none cannot say that there is none."""
        session = self._session(self._reference.registry)
        return listed_in_registry(session, self._reference, digest)

    def _ask(self, read: Callable[[RegistryClient], _T]) -> _T:
        return self._hosts.ask(lambda host: read(RegistryClient(host, session=self._session(host))))

    def _session(self, host: str) -> Session:
        with self._lock:
            if host not in self._sessions:
                self._sessions[host] = Session(host)
            return self._sessions[host]


class _ServedBlob:
    """A blob of the first host that has it (a `BlobToSend`)."""

    def __init__(
        self,
        hosts: Hosts,
        session_of: Callable[[str], Session],
        repository: str,
        descriptor: Descriptor,
    ) -> None:
        self._hosts, self._session_of = hosts, session_of
        self._repository, self._descriptor = repository, descriptor
        self.digest, self.size = descriptor.digest, descriptor.size

    def pieces(self, offset: int) -> Iterator[bytes]:
        while True:
            host = self._hosts.current
            session = self._session_of(host)
            try:
                for piece in BlobDownload(session, self._repository, self._descriptor).chunks(
                    offset
                ):
                    offset += len(piece)
                    yield piece
                return
            except FastlayersError as error:
                if not self._hosts.next_after(host, error):
                    raise
