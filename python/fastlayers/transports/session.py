"""Requests to one registry: authorization, redirects, bounded retries, errors in plain words."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urljoin

import urllib3

from fastlayers import _core
from fastlayers.errors import (
    InvalidError,
    LimitError,
    NotFoundError,
    RegistryError,
    UnauthorizedError,
)
from fastlayers.oci.document import DOCUMENT_LIMIT

from .auth import Authenticator
from .challenge import parse_challenges
from .connection import Connections, Origin, find_base_url, origin_of, unreachable
from .credentials import Credentials
from .refusal import error_words, retry_after, status_words
from .source import Cancelled

_ATTEMPTS = 4
_FIRST_DELAY_SECONDS = 0.25
# A registry that asks for more patience than this gets an error that says so.
_LONGEST_DELAY_SECONDS = 60.0
_REDIRECTS = 10
_REDIRECT_STATUSES = (301, 302, 303, 307, 308)
# 416 only ever answers a Range, and the download that sent one knows what to do about it.
_READ_ANSWERS = (200, 206, 416)
_RETRY_STATUSES = (408, 429, 500, 502, 503, 504)
_ERROR_BODY_LIMIT = 64 << 10
_TOKEN_LIMIT = 1 << 20


class BrokenConnectionError(RegistryError):
    """A request or body that broke off: trying again may help. Carries the complete message."""


class Step(NamedTuple):
    """What a request is for, so that its failure can be told in one clear line."""

    action: str  # "fetch the manifest of x"
    repository: str = ""
    missing: str = ""  # what is "not found" if the answer is 404: "manifest for x"
    rights: str = "pull"  # on the repository; a push needs "pull,push"
    source: str = ""  # another repository that is read from

    @property
    def scope(self) -> str:
        """What a token must be good for (distribution specification, token scopes); "" for the
        registry as such."""
        if not self.repository:
            return ""
        scope = f"repository:{self.repository}:{self.rights}"
        return f"{scope} repository:{self.source}:pull" if self.source else scope


class Answer(NamedTuple):
    """A response that has been read."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Session:
    """HTTP with one registry. Threads may share it; abort() ends what they are waiting for."""

    def __init__(
        self,
        registry: str,
        connections: Connections | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        """`credentials` None: those that this user has logged in with."""
        self.registry = registry
        self._connections = connections or Connections(registry)
        self._auth = Authenticator(registry, self._fetch_token, credentials)
        self._lock = threading.Lock()
        self._base_url = ""
        self._reached = False
        self._cancelled = threading.Event()
        self._active: set[urllib3.BaseHTTPResponse] = set()

    def get(
        self, path: str, step: Step, headers: Mapping[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        """The response to a GET of an API path ("/v2/..."), its status 200, 206 or 416."""
        return self.send("GET", path, step, headers, answers=_READ_ANSWERS)

    def send(
        self,
        method: str,
        path: str,
        step: Step,
        headers: Mapping[str, str] | None = None,
        *,
        answers: tuple[int, ...],
        body: bytes | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """The response to a request of an API path, or of a URL that the registry gave, with one of
        the statuses in `answers`; anything else is an error. Repeated where that may help."""
        url = urljoin(self.base_url, path)
        return self._request(method, url, dict(headers or {}), step, step.scope, answers, body)

    def send_stream(
        self,
        method: str,
        url: str,
        step: Step,
        headers: Mapping[str, str],
        body: Iterator[bytes],
        *,
        answers: tuple[int, ...],
    ) -> urllib3.BaseHTTPResponse:
        """The same for a body that cannot be sent twice: BrokenConnectionError where the caller may
        try again with what is left of it."""
        sent = self._auth.header(step.scope)
        own = self._is_own(origin_of(url))
        login = {"Authorization": sent} if sent and own else {}
        response = self._send(method, url, {**headers, **login}, step, body)
        if response.status in answers:
            return response
        if response.status == 401 and own:
            self._authorize(response, step.scope, sent, step)
            raise BrokenConnectionError(
                f"registry {self.registry}: cannot {step.action}: the token has expired"
            )
        refusal = self._refusal(response, step, None)
        if response.status in _RETRY_STATUSES:
            raise BrokenConnectionError(str(refusal))
        raise refusal

    @property
    def base_url(self) -> str:
        """The start of the URLs of the API."""
        if not self._base_url:
            with self._lock, _core.ProfileTimer("network"):
                self._base_url = self._base_url or find_base_url(self.registry, self._connections)
        return self._base_url

    def get_foreign(
        self, url: str, step: Step, headers: Mapping[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        """The response to a GET of a URL outside the registry: never with its credentials."""
        return self._request("GET", url, dict(headers or {}), step, None, _READ_ANSWERS)

    def get_document(
        self,
        path: str,
        step: Step,
        headers: Mapping[str, str] | None = None,
        *,
        answers: tuple[int, ...] = _READ_ANSWERS,
    ) -> Answer:
        """The response to a GET, whole; one that breaks off is asked for again."""
        attempt = 0
        while True:
            response = self.send("GET", path, step, headers, answers=answers)
            try:
                body = self.read_document(response, step)
                return Answer(response.status, response.headers, body)
            except BrokenConnectionError:
                attempt += 1
                if attempt >= _ATTEMPTS:
                    raise
            self.pause(attempt - 1)

    def read_document(
        self, response: urllib3.BaseHTTPResponse, step: Step, limit: int = DOCUMENT_LIMIT
    ) -> bytes:
        """The whole body of a response that is at most `limit` bytes long."""
        try:
            parts: list[bytes] = []
            room = limit + 1
            while room > 0:
                with _core.ProfileTimer("network") as timer:
                    data = response.read(room, decode_content=True)
                    timer.add_bytes(len(data))
                if not data:
                    break
                parts.append(data)
                room -= len(data)
        except urllib3.exceptions.HTTPError as error:
            raise self.broken(step, error) from None
        finally:
            self.release(response)
        body = b"".join(parts)
        if len(body) > limit:
            raise LimitError(
                f"registry {self.registry}: cannot {step.action}: "
                f"the answer is longer than {limit} bytes"
            )
        return body

    def release(self, response: urllib3.BaseHTTPResponse) -> None:
        """Ends the use of a response: its connection is kept if the body was read to its end."""
        with self._lock:
            self._active.discard(response)
        if response.closed:
            response.release_conn()
        else:
            response.close()

    def broken(self, step: Step, error: urllib3.exceptions.HTTPError) -> RegistryError:
        """The error for a body that broke off, or Cancelled if abort() did it."""
        self.check_cancelled()
        return BrokenConnectionError(str(unreachable(self.registry, step.action, error)))

    def pause(self, attempt: int, seconds: float | None = None) -> None:
        """Waits before attempt number `attempt` + 1; abort() cuts it short."""
        if seconds is None:
            seconds = _FIRST_DELAY_SECONDS * 2**attempt * random.uniform(0.75, 1.25)
        self._cancelled.wait(seconds)
        self.check_cancelled()

    def check_cancelled(self) -> None:
        """Raises Cancelled after abort()."""
        if self._cancelled.is_set():
            raise Cancelled

    def abort(self) -> None:
        """Makes every request under way, in any thread, fail soon."""
        self._cancelled.set()
        with self._lock:
            active = list(self._active)
        for response in active:
            shut(response)

    def close(self) -> None:
        """Closes the idle connections."""
        self._connections.close()

    def _request(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        step: Step,
        scope: str | None,  # None: without a login
        answers: tuple[int, ...],
        body: bytes | None = None,
    ) -> urllib3.BaseHTTPResponse:
        authorized = False
        attempt = 0
        while True:
            self.check_cancelled()
            sent = "" if scope is None else self._auth.header(scope)
            delay: float | None = None
            try:
                response, origin = self._follow(method, url, headers, sent, step, body)
            except BrokenConnectionError:
                attempt += 1
                if attempt >= _ATTEMPTS:
                    raise
                self.pause(attempt - 1)
                continue
            if response.status in answers:
                return response
            known = authorized or not self._is_own(origin)
            if response.status == 401 and scope is not None and not known:
                authorized = True
                self._authorize(response, scope, sent, step)
                continue
            if response.status in _RETRY_STATUSES and attempt + 1 < _ATTEMPTS:
                delay = retry_after(response.headers.get("Retry-After"))
                if delay is None or delay <= _LONGEST_DELAY_SECONDS:
                    self.release(response)
                    self.pause(attempt, delay)
                    attempt += 1
                    continue
            raise self._refusal(response, step, delay)

    def _is_own(self, origin: Origin) -> bool:
        return bool(self._base_url) and origin == origin_of(self._base_url)

    def _follow(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        authorization: str,
        step: Step,
        body: bytes | None,
    ) -> tuple[urllib3.BaseHTTPResponse, Origin]:
        """Sends the request and, of a GET, follows redirects; only the registry itself sees
        credentials."""
        for _ in range(_REDIRECTS):
            origin = origin_of(url)
            with_login = {"Authorization": authorization} if authorization else {}
            response = self._send(
                method, url, headers | (with_login if self._is_own(origin) else {}), step, body
            )
            location = response.headers.get("Location")
            if method != "GET" or response.status not in _REDIRECT_STATUSES or not location:
                return response, origin
            self.release(response)
            url = urljoin(url, location)
            try:
                target = origin_of(url)
            except InvalidError as error:
                raise RegistryError(
                    f"registry {self.registry}: cannot {step.action}: bad redirect: {error}"
                ) from None
            if origin.scheme == "https" and target.scheme == "http":
                raise RegistryError(
                    f"registry {self.registry}: cannot {step.action}: "
                    f"refusing the redirect to {target.host} without TLS"
                )
        raise RegistryError(f"registry {self.registry}: cannot {step.action}: too many redirects")

    def _send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        step: Step,
        body: bytes | Iterator[bytes] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        kinds = urllib3.exceptions
        try:
            with _core.ProfileTimer("network"):
                response = self._connections.open(method, url, headers, body)
        except (kinds.NewConnectionError, kinds.ConnectTimeoutError, kinds.ProxyError) as error:
            self.check_cancelled()
            if self._reached:  # it was there a moment ago: worth another attempt
                raise self.broken(step, error) from None
            raise unreachable(self.registry, step.action, error) from None
        except kinds.SSLError as error:
            raise unreachable(self.registry, step.action, error) from None
        except kinds.HTTPError as error:
            raise self.broken(step, error) from None
        self._reached = True
        with self._lock:
            self._active.add(response)
        return response

    def _authorize(
        self, response: urllib3.BaseHTTPResponse, scope: str, sent: str, step: Step
    ) -> None:
        challenges = parse_challenges(response.headers.getlist("WWW-Authenticate"))
        said = self._drain_error(response)
        try:
            self._auth.answer(challenges, scope, sent)
        except UnauthorizedError as error:
            raise self._denied(step, f"{error}" if not said or challenges else said) from None
        except BrokenConnectionError:
            raise
        except RegistryError as error:
            prefix = f"registry {self.registry}: "
            if str(error).startswith(prefix):
                raise
            raise RegistryError(f"{prefix}cannot {step.action}: {error}") from None

    def _fetch_token(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[int, bytes]:
        """One request to a token service, for the authenticator; retried like any other."""
        step = Step(f"get a token from {origin_of(url).host}")
        for attempt in range(_ATTEMPTS):
            last = attempt + 1 == _ATTEMPTS
            try:
                response = self._send(method, url, headers, step, body)
            except BrokenConnectionError:
                if last:
                    raise
                self.pause(attempt)
                continue
            delay = retry_after(response.headers.get("Retry-After"))
            patient = delay is None or delay <= _LONGEST_DELAY_SECONDS
            if response.status not in _RETRY_STATUSES or last or not patient:
                break
            self.release(response)
            self.pause(attempt, delay)
        return response.status, self.read_document(response, step, _TOKEN_LIMIT)

    def _drain_error(self, response: urllib3.BaseHTTPResponse) -> str:
        """What the registry says about its refusal: "code words: message", or ""."""
        try:
            body = response.read(_ERROR_BODY_LIMIT, decode_content=True)
        except urllib3.exceptions.HTTPError:
            body = b""
        finally:
            self.release(response)
        return error_words(body)

    def _refusal(
        self, response: urllib3.BaseHTTPResponse, step: Step, delay: float | None
    ) -> Exception:
        status = response.status
        said = self._drain_error(response)
        if status in (401, 403):
            return self._denied(step, said or status_words(status))
        if status == 404:
            if step.missing:
                return NotFoundError(f"{step.missing} not found: {said or status_words(status)}")
            return NotFoundError(
                f"registry {self.registry}: cannot {step.action}: {said or 'not found'}"
            )
        words = said or status_words(status)
        if status == 429 and not words.startswith("toomanyrequests"):
            words = f"toomanyrequests: {words}"
        if delay is not None:
            words += f" (the registry asks to wait {delay:.0f} s)"
        return RegistryError(f"registry {self.registry}: cannot {step.action}: {words}")

    def _denied(self, step: Step, said: str) -> UnauthorizedError:
        hint = self._auth.hint()
        note = f" ({hint})" if hint else ""
        if not step.repository:
            return UnauthorizedError(
                f"registry {self.registry}: cannot {step.action}: {said}{note}"
            )
        return UnauthorizedError(
            f"registry {self.registry}: {step.rights.rpartition(',')[2]} access denied for "
            f"{step.repository}, repository does not exist or may require 'docker login': "
            f"{said}{note}"
        )


def shut(response: urllib3.BaseHTTPResponse) -> None:
    """Makes whoever reads a response, in another thread, fail soon."""
    with contextlib.suppress(RuntimeError, ValueError, OSError):  # it has just ended by itself
        response.shutdown()
