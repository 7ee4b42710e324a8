"""Connections to a registry's host: plain or TLS, proxies, private certificate authorities.

The only module that imports urllib3's machinery; it is imported when a registry is talked to.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import ssl
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import urllib3

from fastlayers.errors import HostError, InvalidError, RegistryError, UnsupportedError

from .settings import settings_of

CONNECT_SECONDS = 15.0
# A body may take as long as it likes as long as something arrives this often.
INACTIVITY_SECONDS = 60.0
USER_AGENT = "fastlayers"
_HUB_API = "registry-1.docker.io"
_CERTIFICATE_FOLDER = "/etc/docker/certs.d"
# The answer with which a TLS server refuses a plain request.
_BAD_REQUEST = 400


class Origin(NamedTuple):
    """What credentials are bound to: they are never sent to another origin."""

    scheme: str
    host: str
    port: int


def origin_of(url: str) -> Origin:
    """The origin of an http or https URL; InvalidError if it is anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidError(f"{url!r} is not a valid URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidError(f"{url!r} is not an http or https URL")
    return Origin(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80))


def api_host(registry: str) -> str:
    """Where the API of the registry named in references is served."""
    return _HUB_API if registry in ("docker.io", "index.docker.io") else registry


def is_loopback(registry: str) -> bool:
    """Whether a "host[:port]" is this very machine: localhost, 127.0.0.0/8 or [::1]."""
    try:
        host = urlsplit(f"//{registry}").hostname or ""
    except ValueError:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def allows_plain_http(registry: str) -> bool:
    """Whether http may be used: for loopback, and where registries.toml says so."""
    return is_loopback(registry) or settings_of(registry).http


def _tls_context(registry: str) -> ssl.SSLContext:
    """TLS with the system's authorities, those that Docker is set up to trust for a registry, and
    what registries.toml says."""
    context = ssl.create_default_context()
    settings = settings_of(registry)
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        if settings.ca:
            context.load_verify_locations(settings.ca)
        if settings.certificate:
            context.load_cert_chain(settings.certificate, settings.key or None)
    except (OSError, ssl.SSLError) as error:
        raise HostError(f"cannot use the certificates for {registry}: {error}") from None
    folder = os.path.join(_CERTIFICATE_FOLDER, registry)
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return context
    for name in names:
        path = os.path.join(folder, name)
        stem, extension = os.path.splitext(path)
        try:
            if extension == ".crt":
                context.load_verify_locations(path)
            elif extension == ".cert":
                context.load_cert_chain(path, stem + ".key")
        except (OSError, ssl.SSLError) as error:
            raise HostError(f"cannot use the certificate {path}: {error}") from None
    return context


class Connections:
    """The connection pools of one client: to its registry, and to where it redirects."""

    def __init__(
        self,
        registry: str,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        inactivity_seconds: float = INACTIVITY_SECONDS,
    ) -> None:
        self._registry = registry
        self._timeout = urllib3.Timeout(connect=connect_seconds, read=inactivity_seconds)
        self._pools: dict[tuple[str, bool], urllib3.PoolManager] = {}

    def open(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | Iterator[bytes] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """Sends one request; the response's body is yet to be read. Raises urllib3's errors."""
        origin = origin_of(url)
        own = origin.host == urlsplit(f"//{api_host(self._registry)}").hostname
        proxy = self._proxy_for(origin, own)
        pool = self._pool(proxy, own)
        return pool.request(
            method,
            url,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers},
            body=body,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
            timeout=self._timeout,
        )

    def close(self) -> None:
        """Closes the idle connections."""
        for pool in self._pools.values():
            pool.clear()

    def _proxy_for(self, origin: Origin, own_host: bool) -> str:
        chosen = settings_of(self._registry).proxy if own_host else None
        if chosen is None and is_loopback(
            f"[{origin.host}]" if ":" in origin.host else origin.host
        ):
            return ""
        proxies = urllib.request.getproxies_environment()
        if chosen is None and urllib.request.proxy_bypass(origin.host):
            return ""
        proxy = chosen if chosen is not None else proxies.get(origin.scheme) or proxies.get("all")
        proxy = proxy or ""
        if proxy and "://" not in proxy:
            proxy = f"http://{proxy}"
        if proxy and urlsplit(proxy).scheme not in ("http", "https"):
            raise UnsupportedError(
                f"cannot use the proxy {urlsplit(proxy).scheme}://...: only http and https proxies"
            )
        return proxy

    def _pool(self, proxy: str, own_host: bool) -> urllib3.PoolManager:
        key = (proxy, own_host)
        if key not in self._pools:
            # Certificates that are trusted for the registry alone are not used elsewhere.
            context = _tls_context(self._registry) if own_host else ssl.create_default_context()
            if proxy:
                parts = urlsplit(proxy)
                login = f"{parts.username}:{parts.password or ''}" if parts.username else None
                self._pools[key] = urllib3.ProxyManager(
                    proxy,
                    proxy_headers=urllib3.make_headers(proxy_basic_auth=login),
                    ssl_context=context,
                    maxsize=4,
                )
            else:
                self._pools[key] = urllib3.PoolManager(ssl_context=context, maxsize=4)
        return self._pools[key]


def find_base_url(registry: str, connections: Connections) -> str:
    """The start of every URL of a registry's API, without the closing slash.

    https always, except where plain http is allowed: there http is tried first, without
    credentials, because a plain server may wait for ever for the end of a TLS greeting.
    """
    host = api_host(registry)
    if not allows_plain_http(registry):
        return f"https://{host}"
    try:
        response = connections.open("GET", f"http://{host}/v2/", {})
        status = response.status
        response.close()
    except urllib3.exceptions.NewConnectionError as error:
        raise unreachable(registry, "connect", error) from None
    except urllib3.exceptions.HTTPError:
        return f"https://{host}"
    return f"https://{host}" if status == _BAD_REQUEST else f"http://{host}"


def unreachable(registry: str, step: str, error: urllib3.exceptions.HTTPError) -> RegistryError:
    """The error for a request that got no answer, in words instead of object names."""
    return RegistryError(f"registry {registry}: cannot {step}: {_reason(error)}")


def _reason(error: BaseException) -> str:
    kinds = urllib3.exceptions
    if isinstance(error, kinds.ProxyError):
        return f"the proxy failed: {_reason(error.original_error)}"
    if isinstance(error, kinds.NameResolutionError):
        return "no such host"
    if isinstance(error, kinds.ReadTimeoutError):
        return "timed out waiting for data"
    causes = [error, error.__cause__, error.__context__, *error.args]
    for cause in causes:
        if isinstance(cause, (kinds.IncompleteRead, http.client.IncompleteRead)):
            return "the connection closed before the end"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason or cause}"
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    if isinstance(error, kinds.ConnectTimeoutError):
        return "the connection timed out"
    return str(error.args[0] if error.args else error)
