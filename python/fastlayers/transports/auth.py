"""Authorization for one registry: its challenges answered with Basic credentials or tokens."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from fastlayers.errors import InvalidError, RegistryError, UnauthorizedError, UnsupportedError

from .challenge import Challenge
from .connection import allows_plain_http, origin_of
from .credentials import Credentials, find_credentials

# What the token specification says when `expires_in` is missing, and how early to renew.
_DEFAULT_LIFE_SECONDS = 60
_RENEW_EARLY_SECONDS = 10
_CLIENT_ID = "fastlayers"

# (method, url, headers, body) -> (status, body); raises RegistryError if there is no answer.
Fetch = Callable[[str, str, dict[str, str], bytes | None], tuple[int, bytes]]


class Authenticator:
    """Keeps the Authorization header of each scope; safe to call from several threads."""

    def __init__(self, registry: str, fetch: Fetch, credentials: Credentials | None = None) -> None:
        self._registry = registry
        self._fetch = fetch
        self._lock = threading.Lock()
        self._headers: dict[str, tuple[str, float]] = {}  # scope: header, when to renew it
        self._credentials = credentials
        self._credentials_problem = ""

    def header(self, scope: str) -> str:
        """The Authorization to send for a scope, or "" if none is known (any more)."""
        header, renew_at = self._headers.get(scope, ("", 0.0))
        return header if time.monotonic() < renew_at else ""

    def answer(self, challenges: list[Challenge], scope: str, rejected: str) -> str:
        """The Authorization that answers a 401, where `rejected` is what had been sent.

        Raises UnauthorizedError if there is nothing (more) to offer.
        """
        with self._lock:
            known = self.header(scope)
            if known and known != rejected:
                return known  # another thread has renewed it meanwhile
            header, life_seconds = self._negotiate(challenges, scope, rejected)
            self._headers[scope] = (header, time.monotonic() + life_seconds)
            return header

    def hint(self) -> str:
        """Why the credentials set up could not be used, to be added to a refusal; or ""."""
        return self._credentials_problem

    def _negotiate(
        self, challenges: list[Challenge], scope: str, rejected: str
    ) -> tuple[str, float]:
        credentials = self._find_credentials()
        by_scheme: dict[str, Challenge] = {}
        for challenge in challenges:
            by_scheme.setdefault(challenge.scheme, challenge)
        if "bearer" in by_scheme:
            if credentials.registry_token:
                header = f"Bearer {credentials.registry_token}"
                if header == rejected:
                    raise UnauthorizedError("the registry token was refused")
                return header, float("inf")
            token, life_seconds = self._token(by_scheme["bearer"].parameters, scope, credentials)
            return f"Bearer {token}", life_seconds
        if "basic" in by_scheme:
            if not credentials.username:
                raise UnauthorizedError("no basic auth credentials")
            header = _basic(credentials)
            if header == rejected:
                raise UnauthorizedError("incorrect username or password")
            return header, float("inf")
        offered = ", ".join(sorted(by_scheme)) or "nothing"
        raise UnauthorizedError(f"the registry offers no known way to log in (it offers {offered})")

    def _find_credentials(self) -> Credentials:
        if self._credentials is None:
            try:
                self._credentials = find_credentials(self._registry)
            except UnauthorizedError as error:
                # A broken helper must not stop what needs no login; a refusal will mention it.
                self._credentials_problem = str(error)
                self._credentials = Credentials()
        return self._credentials

    def _token(
        self, parameters: dict[str, str], scope: str, credentials: Credentials
    ) -> tuple[str, float]:
        realm = parameters.get("realm", "")
        try:
            origin = origin_of(realm)
        except InvalidError:
            raise RegistryError(f"the registry names no token service (realm {realm!r})") from None
        service = parameters.get("service", "")
        scope = _both(parameters.get("scope", ""), scope)
        secret = credentials.identity_token or credentials.username
        if secret and origin.scheme != "https" and not _may_see_secrets(self._registry, realm):
            raise UnsupportedError(f"refusing to send credentials to {realm} without TLS")
        if credentials.identity_token:
            status, body = self._exchange(realm, service, scope, credentials)
        else:
            headers = {"Authorization": _basic(credentials)} if credentials.username else {}
            url = _token_url(realm, service, scope, credentials.username)
            status, body = self._fetch("GET", url, headers, None)
        if status in (401, 403):
            raise UnauthorizedError(f"{origin.host} refused to give a token{_detail(body)}")
        if status != 200:
            raise RegistryError(f"token service {origin.host} answered {status}{_detail(body)}")
        return _read_token(body, origin.host)

    def _exchange(
        self, realm: str, service: str, scope: str, credentials: Credentials
    ) -> tuple[int, bytes]:
        """The OAuth2 form of the token request: an identity token for an access token."""
        form = {
            "grant_type": "refresh_token",
            "service": service,
            "client_id": _CLIENT_ID,
            "scope": scope,
            "refresh_token": credentials.identity_token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._fetch("POST", realm, headers, urlencode(form).encode())


def _both(asked: str, wanted: str) -> str:
    """The scope a challenge names, or else ours; and of ours the further repositories."""
    first, *others = wanted.split() or [""]
    named = {scope.rpartition(":")[0] for scope in asked.split()}
    return " ".join(
        (asked or first, *(scope for scope in others if scope.rpartition(":")[0] not in named))
    )


def _may_see_secrets(registry: str, realm: str) -> bool:
    """A plain token service may have secrets only where the registry itself may be plain."""
    host = urlsplit(realm).netloc.rpartition("@")[2]
    return allows_plain_http(registry) and allows_plain_http(host)


def _basic(credentials: Credentials) -> str:
    pair = f"{credentials.username}:{credentials.password}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _token_url(realm: str, service: str, scope: str, account: str) -> str:
    parts = urlsplit(realm)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if service:
        query.append(("service", service))
    # A challenge may name several scopes, separated by blanks: each is a parameter of its own.
    query.extend(("scope", one) for one in scope.split())
    if account:
        query.append(("account", account))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))


def _read_token(body: bytes, host: str) -> tuple[str, float]:
    try:
        answer: Any = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise RegistryError(f"token service {host} answered something that is not JSON")
    token = answer.get("token") or answer.get("access_token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise RegistryError(f"token service {host} answered without a token")
    life = answer.get("expires_in")
    if not isinstance(life, (int, float)) or isinstance(life, bool) or life < _DEFAULT_LIFE_SECONDS:
        life = _DEFAULT_LIFE_SECONDS
    return token, float(life) - _RENEW_EARLY_SECONDS


def _detail(body: bytes) -> str:
    """What a token service says about its refusal, as ": words", or ""."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(answer, dict):
        return ""
    said = answer.get("details") or answer.get("message") or answer.get("error")
    errors = answer.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        said = errors[0].get("message") or errors[0].get("code")
    return f": {said[:200]}" if isinstance(said, str) and said.isprintable() else ""
