"""Credentials of Docker's configuration file and of credential helpers."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from fastlayers.errors import InvalidError, UnauthorizedError
from fastlayers.transports.credentials import (
    Credentials,
    erase_credentials,
    find_credentials,
    store_credentials,
)


def _auth(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def _write(folder: Path, document: object) -> None:
    (folder / "config.json").write_text(json.dumps(document))


def _helper(folder: Path, name: str, script: str) -> None:
    path = folder / f"docker-credential-{name}"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


def test_no_file_is_no_credentials(folder: Path) -> None:
    assert not find_credentials("localhost:5000")


@pytest.mark.parametrize(
    "key", ["reg.test:5000", "https://reg.test:5000", "http://reg.test:5000/v2/"]
)
def test_keys_may_be_hosts_or_urls(folder: Path, key: str) -> None:
    _write(folder, {"auths": {key: {"auth": _auth("me:pass:word")}}})
    assert find_credentials("reg.test:5000") == Credentials("me", "pass:word")
    assert not find_credentials("reg.test")


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io"])
def test_docker_hub_has_several_keys(folder: Path, key: str) -> None:
    _write(folder, {"auths": {key: {"auth": _auth("me:secret")}}})
    assert find_credentials("docker.io") == Credentials("me", "secret")


def test_tokens_and_plain_fields(folder: Path) -> None:
    _write(
        folder,
        {
            "auths": {
                "a.test": {"auth": _auth("me:"), "identitytoken": "idt"},
                "b.test": {"registrytoken": "rt"},
                "c.test": {"username": "u", "password": "p"},
                "d.test": {},
            }
        },
    )
    assert find_credentials("a.test") == Credentials("me", "", "idt")
    assert find_credentials("b.test") == Credentials(registry_token="rt")
    assert find_credentials("c.test") == Credentials("u", "p")
    assert not find_credentials("d.test")


@pytest.mark.parametrize(
    "document",
    ["{", "[]", {"auths": {"r.test": 7}}, {"auths": {"r.test": {"auth": "%%"}}},
     {"auths": {"r.test": {"auth": _auth("nocolon")}}}, {"auths": {"r.test": {"username": 1}}}],
)  # fmt: skip
def test_a_broken_file_is_named(folder: Path, document: object) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    (folder / "config.json").write_text(text)
    with pytest.raises(InvalidError, match=r"config\.json"):
        find_credentials("r.test")


def test_helpers_come_before_the_file(folder: Path) -> None:
    _helper(folder, "one", 'read key; echo "{\\"Username\\":\\"u\\",\\"Secret\\":\\"$key\\"}"')
    _helper(folder, "all", 'echo \'{"Username":"<token>","Secret":"idt"}\'')
    _write(
        folder,
        {
            "credHelpers": {"r.test": "one"},
            "credsStore": "all",
            "auths": {"r.test": {"auth": _auth("file:file")}},
        },
    )
    assert find_credentials("r.test") == Credentials("u", "r.test")
    assert find_credentials("other.test") == Credentials(identity_token="idt")


def test_a_helper_that_holds_nothing_gives_way_to_the_file(folder: Path) -> None:
    _helper(folder, "none", "echo 'credentials not found in native keychain'; exit 1")
    _write(folder, {"credsStore": "none", "auths": {"r.test": {"auth": _auth("f:f")}}})
    assert find_credentials("r.test") == Credentials("f", "f")


@pytest.mark.parametrize(
    ("helper", "words"),
    [
        ("missing", "cannot run"),
        ("../evil", "valid name"),
        ("broken", "locked"),
        ("odd", "not a credential"),
    ],
)
def test_a_broken_helper_is_named(folder: Path, helper: str, words: str) -> None:
    _helper(folder, "broken", "echo the keychain is locked >&2; exit 1")
    _helper(folder, "odd", "echo '[]'")
    _write(folder, {"credsStore": helper})
    with pytest.raises(UnauthorizedError, match=words):
        find_credentials("r.test")


def test_secrets_do_not_show_in_tracebacks() -> None:
    assert "secret" not in repr(Credentials("me", "secret", "secret", "secret"))


def test_a_login_is_kept_where_docker_keeps_it(folder: Path) -> None:
    _write(folder, {"auths": {"other.test": {"auth": _auth("a:b")}}, "psFormat": "x"})
    path = store_credentials("reg.test:5000", Credentials("me", "se:cret\u00e9"))
    assert path == str(folder / "config.json")
    assert (folder / "config.json").stat().st_mode & 0o777 == 0o600
    document = json.loads((folder / "config.json").read_text())
    assert document["psFormat"] == "x" and set(document["auths"]) == {"other.test", "reg.test:5000"}
    assert find_credentials("reg.test:5000") == Credentials("me", "se:cret\u00e9")
    store_credentials("docker.io", Credentials("hub", "secret"))
    assert "https://index.docker.io/v1/" in (folder / "config.json").read_text()
    assert find_credentials("index.docker.io").username == "hub"
    assert erase_credentials("reg.test:5000") and not find_credentials("reg.test:5000")
    assert not erase_credentials("reg.test:5000")
    assert find_credentials("other.test").username == "a"


def test_the_file_is_made_and_written_through_a_link(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "new").mkdir()
    (folder / "new" / "config.json").symlink_to(folder / "real.json")
    monkeypatch.setenv("DOCKER_CONFIG", str(folder / "new"))
    store_credentials("reg.test", Credentials("me", "secret"))
    assert (folder / "new" / "config.json").is_symlink() and (folder / "real.json").is_file()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder / "absent" / "docker"))
    store_credentials("reg.test", Credentials("me", "secret"))
    assert find_credentials("reg.test").username == "me"


def test_a_helper_keeps_the_login_and_the_file_does_not(folder: Path) -> None:
    store = f"{folder}/vault"
    script = (
        f"case $1 in store) cat > {store};; erase) rm {store};; get) "
        f'test -f {store} && cat {store} || {{ echo "credentials not found"; exit 1; }};; esac'
    )
    _helper(folder, "vault", script)
    _write(folder, {"credsStore": "vault"})
    assert store_credentials("reg.test", Credentials("me", "secret")) == ""
    assert json.loads(Path(store).read_text()) == {
        "ServerURL": "reg.test", "Username": "me", "Secret": "secret"
    }  # fmt: skip
    assert json.loads((folder / "config.json").read_text())["auths"] == {"reg.test": {}}
    assert find_credentials("reg.test") == Credentials("me", "secret")
    assert erase_credentials("reg.test") and not Path(store).exists()
    assert not erase_credentials("reg.test")
