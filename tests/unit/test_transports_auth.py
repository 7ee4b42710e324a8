"""Logins, tokens, and who gets to see them."""

from __future__ import annotations

import base64
import functools
import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from urllib3 import HTTPHeaderDict

from fastlayers.errors import RegistryError, UnauthorizedError, UnsupportedError
from fastlayers.store import Store
from fastlayers.transports import pull
from fastlayers.transports.auth import Authenticator
from fastlayers.transports.challenge import Challenge
from fastlayers.transports.connection import Connections, allows_plain_http
from fastlayers.transports.session import Session, Step
from tests.fake_registry import Answer, FakeRegistry, Hook, Request, error
from tests.image_parts import Blob, Parts, image_of, layer_tar, manifest_of

BIG = 3 << 20


@pytest.fixture(autouse=True)
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@functools.cache
def two_layers() -> Parts:
    return image_of([Blob.gzip(layer_tar("a")), Blob.gzip(layer_tar("b", BIG))])


def log_in(tmp_path: Path, host: str, **entry: str) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {host: entry}}))


def basic(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()


def require_basic(pair: str) -> Hook:
    def check(request: Request) -> Answer | None:
        if request.authorization == f"Basic {basic(pair)}":
            return None
        return error(
            401,
            "UNAUTHORIZED",
            "authentication required",
            **{"WWW-Authenticate": 'Negotiate\nBasic realm="a, b"'},
        )

    return check


def test_foreign_layers_come_from_their_urls_without_credentials(
    registry: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    layer = Blob.gzip(layer_tar("foreign"))
    plain = image_of([layer])
    with FakeRegistry().running() as elsewhere:
        elsewhere.hooks.append(lambda request: Answer(body=layer.data))
        row = {
            **layer.descriptor(),
            "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "urls": ["ftp://no.test/x", f"http://{elsewhere.host}/layer"],
        }
        registry.put_blob(plain.config)
        registry.put_manifest("latest", manifest_of(plain.config, [row]))
        registry.hooks.append(require_basic("me:secret"))
        log_in(tmp_path, registry.host, auth=basic("me:secret"))
        assert pull(store, f"{registry.host}/app").id == plain.id
        assert [request.authorization for request in elsewhere.requests] == [""]


def test_foreign_layers_come_from_the_registry_if_it_has_them(
    registry: FakeRegistry, store: Store
) -> None:
    layer = Blob.gzip(layer_tar("foreign"))
    plain = image_of([layer])
    registry.publish(plain, "unused")
    with FakeRegistry().running() as elsewhere:
        row = {
            **layer.descriptor(),
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "urls": [f"http://{elsewhere.host}/layer"],
        }
        registry.put_manifest("latest", manifest_of(plain.config, [row]))
        assert pull(store, f"{registry.host}/app").id == plain.id
        assert elsewhere.requests == []


def test_a_redirect_from_tls_to_none_is_refused() -> None:
    """Whoever is in between would see which blob it is, and could exchange it."""

    class Redirecting:
        status = 307
        headers = HTTPHeaderDict({"Location": "http://storage.test/blob"})
        closed = True

        def release_conn(self) -> None:
            """Nothing to give back."""

    class Secure(Connections):
        def open(self, *args: object, **options: object) -> Redirecting:  # type: ignore[override]
            return Redirecting()

    session = Session("reg.test", Secure("reg.test"))
    with pytest.raises(RegistryError, match=r"refusing the redirect to storage\.test without TLS"):
        session.get("/v2/app/blobs/x", Step("fetch a layer", "app"))


def test_basic_authentication(registry: FakeRegistry, store: Store, tmp_path: Path) -> None:
    parts = two_layers()
    registry.publish(parts)
    registry.hooks.append(require_basic("me:secret"))
    with pytest.raises(UnauthorizedError, match=r"pull access denied for app.*no basic auth"):
        pull(store, f"{registry.host}/app")
    log_in(tmp_path, registry.host, auth=basic("me:secret"))
    assert pull(store, f"{registry.host}/app").id == parts.id


def test_wrong_password_is_said(registry: FakeRegistry, store: Store, tmp_path: Path) -> None:
    registry.publish(two_layers())
    registry.hooks.append(require_basic("me:secret"))
    log_in(tmp_path, registry.host, auth=basic("me:wrong"))
    with pytest.raises(UnauthorizedError, match=r"unauthorized: authentication required"):
        pull(store, f"{registry.host}/app")
    assert len(registry.paths("/manifests/")) == 2


class TokenService:
    """Hands out numbered tokens, each good for so many requests to the registry."""

    def __init__(self, registry: FakeRegistry, *, uses: int = 1000, login: str = "") -> None:
        self.registry = registry
        self.uses = uses
        self.login = login
        self.tokens: dict[str, int] = {}
        self.queries: list[dict[str, list[str]]] = []
        registry.hooks.append(self.check)

    def check(self, request: Request) -> Answer | None:
        if request.path.startswith("/token"):
            return self.give(request)
        if request.path == "/v2/":
            return None
        token = request.authorization.removeprefix("Bearer ")
        if self.tokens.get(token, 0) > 0:
            self.tokens[token] -= 1
            return None
        challenge = (
            f'Bearer realm="http://{self.registry.host}/token",service="a registry, ours",'
            f'scope="repository:team/app:pull"'
        )
        return error(401, "UNAUTHORIZED", "no", **{"WWW-Authenticate": challenge})

    def give(self, request: Request) -> Answer:
        if self.login and request.authorization != f"Basic {basic(self.login)}":
            return error(401, "UNAUTHORIZED", "incorrect username or password")
        query = urlsplit(request.path).query if request.method == "GET" else request.body.decode()
        self.queries.append(parse_qs(query))
        token = f"token-{len(self.queries)}"
        self.tokens[token] = self.uses
        return Answer(body=json.dumps({"access_token": token, "expires_in": 300}).encode())


def test_bearer_token_without_login(registry: FakeRegistry, store: Store) -> None:
    parts = two_layers()
    registry.publish(parts)
    tokens = TokenService(registry)
    assert pull(store, f"{registry.host}/team/app").id == parts.id
    assert tokens.queries == [
        {"service": ["a registry, ours"], "scope": ["repository:team/app:pull"]}
    ]


def test_bearer_token_with_login(registry: FakeRegistry, store: Store, tmp_path: Path) -> None:
    parts = two_layers()
    registry.publish(parts)
    tokens = TokenService(registry, login="me:secret")
    with pytest.raises(UnauthorizedError, match="incorrect username or password"):
        pull(store, f"{registry.host}/team/app")
    log_in(tmp_path, registry.host, auth=basic("me:secret"))
    assert pull(store, f"{registry.host}/team/app").id == parts.id
    assert tokens.queries[0]["account"] == ["me"]


def test_identity_token_is_exchanged(registry: FakeRegistry, store: Store, tmp_path: Path) -> None:
    parts = two_layers()
    registry.publish(parts)
    tokens = TokenService(registry)
    log_in(tmp_path, registry.host, identitytoken="the-token")
    assert pull(store, f"{registry.host}/team/app").id == parts.id
    assert tokens.queries[0]["grant_type"] == ["refresh_token"]
    assert tokens.queries[0]["refresh_token"] == ["the-token"]


def test_a_token_that_expires_during_the_pull_is_renewed(
    registry: FakeRegistry, store: Store
) -> None:
    parts = image_of([Blob.gzip(layer_tar("only", BIG))])
    registry.publish(parts)
    tokens = TokenService(registry, uses=1)
    assert pull(store, f"{registry.host}/team/app").id == parts.id
    assert len(tokens.queries) >= 3


def test_a_registry_that_is_never_satisfied_ends(registry: FakeRegistry, store: Store) -> None:
    registry.publish(two_layers())
    tokens = TokenService(registry, uses=0)
    with pytest.raises(UnauthorizedError, match="pull access denied for team/app"):
        pull(store, f"{registry.host}/team/app")
    assert len(tokens.queries) == 1


@pytest.mark.parametrize(
    ("challenge", "body", "words"),
    [
        ('Bearer service="x"', b"", "names no token service"),
        ('Bearer realm="file:///etc/passwd"', b"", "names no token service"),
        ('Bearer realm="http://HOST/token"', b"<html>", "not JSON"),
        ('Bearer realm="http://HOST/token"', b'{"token":7}', "without a token"),
        ('Bearer realm="http://HOST/token"', b'{"token":"a\\r\\nX: y"}', "without a token"),
        ('Digest realm="x"', b"", "no known way to log in .it offers digest"),
        ("", b"", "unauthorized: no"),
    ],
)
def test_bad_challenges_and_token_services_are_said(
    registry: FakeRegistry, store: Store, challenge: str, body: bytes, words: str
) -> None:
    header = {"WWW-Authenticate": challenge.replace("HOST", registry.host)} if challenge else {}

    def refuse(request: Request) -> Answer | None:
        if request.path.startswith("/token"):
            return Answer(body=body)
        return None if request.path == "/v2/" else error(401, "UNAUTHORIZED", "no", **header)

    registry.hooks.append(refuse)
    with pytest.raises(RegistryError, match=words) as caught:
        pull(store, f"{registry.host}/app")
    assert registry.host in str(caught.value)


def test_credentials_never_follow_a_redirect_to_another_host(
    registry: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    parts = two_layers()
    registry.publish(parts)
    log_in(tmp_path, registry.host, auth=basic("me:secret"))
    registry.hooks.append(require_basic("me:secret"))
    with FakeRegistry().running() as storage:
        storage.blobs.update(registry.blobs)
        registry.hooks.append(
            lambda request: (
                Answer(307, headers={"Location": f"http://{storage.host}{request.path}?sig=1"})
                if "/blobs/" in request.path
                else None
            )
        )
        storage.hooks.append(
            lambda request: storage._blob(
                storage.blobs[request.path.rpartition("/")[2].partition("?")[0]], request.range
            )
        )
        assert pull(store, f"{registry.host}/app").id == parts.id
        assert len(storage.requests) == 3
        assert {request.authorization for request in storage.requests} == {""}


def test_redirects_on_the_same_host_keep_credentials(
    registry: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    parts = two_layers()
    registry.publish(parts)
    log_in(tmp_path, registry.host, auth=basic("me:secret"))
    registry.hooks.append(require_basic("me:secret"))
    registry.hooks.append(
        lambda request: (
            Answer(302, headers={"Location": request.path.replace("/old/", "/new/")})
            if "/old/" in request.path
            else None
        )
    )
    assert pull(store, f"{registry.host}/old/app").id == parts.id


@pytest.mark.parametrize(
    ("location", "words"),
    [("/v2/loop", "too many redirects"), ("file:///etc/passwd", "bad redirect")],
)
def test_bad_redirects_end(registry: FakeRegistry, store: Store, location: str, words: str) -> None:
    registry.hooks.append(
        lambda request: (
            None if request.path == "/v2/" else Answer(302, headers={"Location": location})
        )
    )
    with pytest.raises(RegistryError, match=words):
        pull(store, f"{registry.host}/app")


SCOPE = "repository:x:pull"


def authenticator(registry: str, asked: list[str]) -> Authenticator:
    """One whose token service gives whoever asks a token, and is asked here."""

    def fetch(
        method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[int, bytes]:
        asked.append(url)
        return 200, b'{"token":"t"}'

    return Authenticator(registry, fetch)


def test_a_token_comes_before_a_password(tmp_path: Path) -> None:
    log_in(tmp_path, "127.0.0.1:5000", auth=basic("me:secret"))
    challenges = [
        Challenge("negotiate", {}),
        Challenge("basic", {"realm": "r"}),
        Challenge("bearer", {"realm": "http://127.0.0.1:5000/token"}),
    ]
    assert authenticator("127.0.0.1:5000", []).answer(challenges, SCOPE, "") == "Bearer t"
    basic_only = authenticator("127.0.0.1:5000", []).answer(challenges[:2], SCOPE, "")
    assert basic_only == f"Basic {basic('me:secret')}"


def test_a_challenge_without_scope_and_service_gets_the_scope_that_is_needed() -> None:
    asked: list[str] = []
    challenge = Challenge("bearer", {"realm": "http://127.0.0.1:5000/token"})
    authenticator("127.0.0.1:5000", asked).answer([challenge], SCOPE, "")
    assert [parse_qs(urlsplit(url).query) for url in asked] == [{"scope": [SCOPE]}]


@pytest.mark.parametrize("registry", ["reg.test", "127.0.0.1:5000"])
def test_no_password_goes_to_a_plain_token_service(tmp_path: Path, registry: str) -> None:
    log_in(tmp_path, registry, auth=basic("me:secret"))
    asked: list[str] = []
    challenge = Challenge("bearer", {"realm": "http://elsewhere.test/token"})
    with pytest.raises(UnsupportedError, match="without TLS"):
        authenticator(registry, asked).answer([challenge], SCOPE, "")
    assert asked == []


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        ("127.9.9.9:5000", True),
        ("localhost", True),
        ("localhost:5000", True),
        ("[::1]:5000", True),
        ("listed.test:5000", True),
        ("listed.test", False),
        ("reg.test", False),
        ("localhost.evil.test", False),
        ("128.0.0.1", False),
        ("127.0.0.1.evil.test", False),
    ],
)
def test_where_http_may_be_plain(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, registry: str, expected: bool
) -> None:
    settings = tmp_path / "registries.toml"
    settings.write_text('["listed.test:5000"]\nhttp = true\n["other.test"]\nhttp = false\n')
    monkeypatch.setenv("FASTLAYERS_REGISTRIES", str(settings))
    assert allows_plain_http(registry) is expected
