"""registries.toml: mirrors, plain HTTP, certificates, proxies; and what is wrong with a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fastlayers.errors import InvalidError, NotFoundError, RegistryError
from fastlayers.store import Store
from fastlayers.transports import copy, look, pull, tags
from fastlayers.transports.settings import HostSettings, settings_of, settings_path
from tests.fake_registry import Answer, FakeRegistry, error
from tests.image_parts import Blob, image_of, layer_tar
from tests.oci_layout import digest_of

IMAGE = image_of([Blob.gzip(layer_tar("a")), Blob.gzip(layer_tar("b", 100_000))])


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "registries.toml"
    monkeypatch.setenv("FASTLAYERS_REGISTRIES", str(path))
    monkeypatch.setattr("fastlayers.transports.session._FIRST_DELAY_SECONDS", 0.005)
    return path


@pytest.fixture
def mirror() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as server:
        yield server


def use(settings: Path, registry: str, *mirrors: str) -> None:
    settings.write_text(f'["{registry}"]\nmirrors = {list(mirrors)!r}\n')


def test_everything_that_can_be_set(settings: Path) -> None:
    settings.write_text(
        '["reg.test:5000"]\nhttp = true\nverify = false\nca = "/ca"\ncertificate = "/c"\n'
        'key = "/k"\nproxy = ""\nmirrors = ["a", "b:1"]\n["empty.test"]\n'
    )
    assert settings_of("reg.test:5000") == HostSettings(
        True, False, "/ca", "/c", "/k", "", ("a", "b:1")
    )
    assert settings_of("empty.test") == settings_of("absent.test") == HostSettings()
    settings.write_text('["reg.test:5000"]\nhttp = false\n')  # a change counts at once
    assert settings_of("reg.test:5000") == HostSettings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "is not valid TOML"),
        ("\xff", "is not valid TOML"),
        ('"reg.test" = 1', "is not a table"),
        ("[reg.test]\nhttp = true", "has no setting 'test'"),
        ('["reg.test"]\nhtpp = true', "has no setting 'htpp': there are http, verify"),
        ('["reg.test"]\nhttp = "yes"', "http of reg.test is not a bool"),
        ('["reg.test"]\nmirrors = "a"', "mirrors of reg.test is not a list"),
        ('["reg.test"]\nmirrors = [1]', "is not a list of hosts"),
        ('["reg.test"]\nkey = "k"', "a key without a certificate"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(settings: Path, text: str, words: str) -> None:
    settings.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidError, match=words):
        settings_of("reg.test")


def test_where_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Path) -> None:
    with pytest.raises(InvalidError, match="No such file"):  # one that was named must be there
        settings_of("reg.test")
    monkeypatch.delenv("FASTLAYERS_REGISTRIES")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    own = tmp_path / "config" / "fastlayers" / "registries.toml"
    assert settings_path() != str(own)
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert settings_path() == str(own)


def test_a_mirror_is_asked_first(
    settings: Path, registry: FakeRegistry, mirror: FakeRegistry, store: Store
) -> None:
    mirror.publish(IMAGE, "1")
    use(settings, "reg.test", mirror.host)
    image = pull(store, "reg.test/team/app:1")
    assert image.id == IMAGE.id
    assert image.tags == ("reg.test/team/app:1",)
    assert image.repo_digests == (f"reg.test/team/app@{digest_of(IMAGE.manifest)}",)
    assert mirror.paths("/v2/team/app/manifests/1")


def test_the_next_is_asked_where_a_mirror_fails(
    settings: Path,
    registry: FakeRegistry,
    mirror: FakeRegistry,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has one layer and breaks at the other: that one is not sent twice."""
    monkeypatch.setattr("fastlayers.transports.store_writer._LAYERS_AT_ONCE", 1)
    image = image_of([Blob.gzip(layer_tar("first", 50_000)), Blob.gzip(layer_tar("second"))])
    registry.publish(image)
    mirror.publish(image)
    del mirror.blobs[digest_of(image.layers[1].data)]
    use(settings, registry.host, "127.0.0.1:1", mirror.host)
    assert pull(store, f"{registry.host}/app").id == image.id
    assert not registry.paths(digest_of(image.layers[0].data))
    assert registry.paths(digest_of(image.layers[1].data))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500),
        error(401, "UNAUTHORIZED", "no"),
        error(404, "NAME_UNKNOWN", "who"),
        Answer(200, b"<html>"),
    ],
)
def test_a_mirror_may_answer_anything(
    settings: Path, registry: FakeRegistry, mirror: FakeRegistry, store: Store, answer: Answer
) -> None:
    registry.publish(IMAGE)
    mirror.hooks.append(lambda r: answer if r.path != "/v2/" else None)
    use(settings, registry.host, mirror.host)
    assert pull(store, f"{registry.host}/app").id == IMAGE.id


def test_when_nobody_has_it_all_are_heard(
    settings: Path, registry: FakeRegistry, mirror: FakeRegistry, store: Store
) -> None:
    use(settings, registry.host, mirror.host)
    with pytest.raises(NotFoundError, match=rf"not found.*\(mirror {mirror.host}: .*not found"):
        pull(store, f"{registry.host}/app")
    use(settings, registry.host, "127.0.0.1:1")
    with pytest.raises(NotFoundError, match=r"mirror 127\.0\.0\.1:1: .*connection refused"):
        pull(store, f"{registry.host}/app")


def test_a_mirror_gets_no_credentials_of_the_registry(
    settings: Path, registry: FakeRegistry, mirror: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "docker-config").mkdir()
    auths = f'{{"auths":{{"{registry.host}":{{"auth":"bWU6c2VjcmV0"}}}}}}'
    (tmp_path / "docker-config" / "config.json").write_text(auths)
    challenge = {"WWW-Authenticate": "Basic realm=x"}
    mirror.hooks.append(lambda r: error(401, "UNAUTHORIZED", "no", **challenge))
    registry.publish(IMAGE)
    use(settings, registry.host, mirror.host)
    pull(store, f"{registry.host}/app")
    assert mirror.requests and {r.authorization for r in mirror.requests} == {""}


def test_whatever_is_read_is_asked_of_a_mirror_first(
    settings: Path, registry: FakeRegistry, mirror: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    mirror.publish(IMAGE, "1")
    mirror.hooks.append(
        lambda r: Answer(body=b'{"tags":["1"]}') if r.path.partition("?")[0].endswith("/tags/list")
        else None
    )  # fmt: skip
    use(settings, registry.host, mirror.host)
    source = f"docker://{registry.host}/app:1"
    assert look(store, source).id == IMAGE.id
    assert tags(f"{registry.host}/app") == ["1"]
    assert copy(store, source, f"oci:{tmp_path}/layout:1") == digest_of(IMAGE.manifest)
    copy(store, source, "store:mine:1")
    assert store.image("mine:1").id == IMAGE.id
    assert registry.requests == []


def test_nothing_is_written_to_a_mirror(
    settings: Path, registry: FakeRegistry, mirror: FakeRegistry, store: Store
) -> None:
    with FakeRegistry().running() as source:
        source.publish(IMAGE)
        use(settings, registry.host, mirror.host)
        copy(store, f"docker://{source.host}/app", f"docker://{registry.host}/app")
    assert digest_of(IMAGE.manifest) in registry.manifests and mirror.requests == []


def test_a_copy_goes_on_where_a_mirror_breaks_off(
    settings: Path, registry: FakeRegistry, mirror: FakeRegistry, store: Store
) -> None:
    """In the middle of a layer; the rest is the registry's, and its repository can be mounted from
    if it is the destination's."""
    registry.publish(IMAGE)
    mirror.publish(IMAGE)
    big = IMAGE.layers[1].data
    mirror.hooks.append(
        lambda r: (Answer(404) if r.range else Answer(body=big, cut=50_000))
        if digest_of(big) in r.path else None
    )  # fmt: skip
    use(settings, registry.host, mirror.host)
    with FakeRegistry().running() as other:
        copy(store, f"docker://{registry.host}/app", f"docker://{other.host}/app")
        assert other.blobs == registry.blobs
    ranges = [r.range for r in registry.requests if digest_of(big) in r.path]
    assert ranges == ["bytes=50000-"]


def test_a_copy_that_nobody_can_serve_tells_of_all(
    settings: Path, registry: FakeRegistry, mirror: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    mirror.publish(IMAGE)
    del mirror.blobs[IMAGE.id]
    use(settings, registry.host, mirror.host)
    for ask in (
        lambda: copy(store, f"docker://{registry.host}/app", f"oci:{tmp_path}/x:1"),
        lambda: look(store, f"docker://{registry.host}/app"),
    ):
        with pytest.raises(NotFoundError, match=rf"not found.*\(mirror {mirror.host}: .*not found"):
            ask()


def test_a_proxy_of_its_own(settings: Path, registry: FakeRegistry, store: Store) -> None:
    """The fake answers as a proxy does that was asked for a whole URL."""
    registry.publish(IMAGE)
    settings.write_text(
        f'["far.test"]\nhttp = true\nproxy = "http://{registry.host}"\n'
        f'["far2.test"]\nhttp = true\nproxy = ""\n'
    )
    assert pull(store, "far.test/app").id == IMAGE.id
    assert registry.paths("http://far.test/v2/app/manifests/latest")
    with pytest.raises(RegistryError, match=r"far2\.test: cannot .*no such host"):
        pull(store, "far2.test/app")
