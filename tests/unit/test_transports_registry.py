"""Pulls: what a registry's documents say, and what is made of it."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from fastlayers.errors import (
    CorruptError,
    DigestMismatchError,
    FastlayersError,
    LimitError,
    NotFoundError,
    RegistryError,
    UnauthorizedError,
    UnsupportedError,
)
from fastlayers.oci.platform import Platform
from fastlayers.store import Store
from fastlayers.transports import pull
from fastlayers.transports.source import Event
from tests.fake_registry import Answer, FakeRegistry, error
from tests.image_parts import Blob, Parts, image_of, index_of, index_row, layer_tar, manifest_of
from tests.oci_layout import digest_of

BIG = 3 << 20


@pytest.fixture(autouse=True)
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@functools.cache
def two_layers() -> Parts:
    return image_of([Blob.gzip(layer_tar("a")), Blob.gzip(layer_tar("b", BIG))])


def test_pull_keeps_documents_and_names(registry: FakeRegistry, store: Store) -> None:
    parts = two_layers()
    digest = registry.publish(parts, "1.0")
    image = pull(store, f"{registry.host}/team/app:1.0")
    assert image.id == parts.id
    assert image.manifest.raw == parts.manifest
    assert image.names == (f"{registry.host}/team/app:1.0",)
    assert image.repo_digests == (f"{registry.host}/team/app@{digest}",)
    assert [layer.digest for layer in image.layers] == [digest_of(x.data) for x in parts.layers]


def test_second_pull_transfers_only_what_is_new(registry: FakeRegistry, store: Store) -> None:
    base = Blob.gzip(layer_tar("base", BIG))
    registry.publish(image_of([base]), "one")
    registry.publish(image_of([base, Blob.gzip(layer_tar("more"))]), "two")
    pull(store, f"{registry.host}/app:one")
    events: list[Event] = []
    pull(store, f"{registry.host}/app:two", progress=events.append)
    assert len(registry.paths(digest_of(base.data))) == 1
    assert [event.layer for event in events if event.kind == "exists"] == [digest_of(base.data)]


def test_layer_that_occurs_twice_is_fetched_once(registry: FakeRegistry, store: Store) -> None:
    layer = Blob.gzip(layer_tar("same"))
    parts = image_of([layer, Blob.gzip(layer_tar("other")), layer])
    registry.publish(parts)
    image = pull(store, f"{registry.host}/app")
    assert len(image.layers) == 3
    assert len(registry.paths(digest_of(layer.data))) == 1


def test_progress_tells_each_layer_from_start_to_end(registry: FakeRegistry, store: Store) -> None:
    parts = two_layers()
    registry.publish(parts)
    events: list[Event] = []
    pull(store, f"{registry.host}/app", progress=events.append)
    for layer in parts.layers:
        kinds = [event.kind for event in events if event.layer == digest_of(layer.data)]
        assert kinds[0] == "start"
        assert kinds[-1] == "done"
        assert set(kinds[1:-1]) == {"transfer"}
        last = [e for e in events if e.layer == digest_of(layer.data) and e.kind == "transfer"][-1]
        assert (last.current, last.total) == (len(layer.data), len(layer.data))


def test_platform_is_chosen_and_attestations_are_passed_over(
    registry: FakeRegistry, store: Store
) -> None:
    arm = image_of([Blob.gzip(layer_tar("arm"))], "arm64")
    amd = image_of([Blob.gzip(layer_tar("amd"))], "amd64")
    note = image_of([Blob.gzip(layer_tar("note"))], "amd64", note=True)
    attached = {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    index = index_of(
        [index_row(note, "amd64", **attached), index_row(arm, "arm64"), index_row(amd, "amd64")]
    )
    for parts in (arm, amd, note):
        registry.publish(parts, "unused")
    digest = registry.put_manifest("multi", index, "application/vnd.oci.image.index.v1+json")
    for platform, parts in (("linux/arm64", arm), ("linux/amd64", amd)):
        image = pull(store, f"{registry.host}/app:multi", platform=platform)
        assert image.id == parts.id
        assert image.repo_digests == (f"{registry.host}/app@{digest}",)
    with pytest.raises(NotFoundError, match=r"no matching manifest for linux/s390x"):
        pull(store, f"{registry.host}/app:multi", platform=Platform("linux", "s390x"))


def test_pull_by_digest_has_no_tag(registry: FakeRegistry, store: Store) -> None:
    parts = two_layers()
    digest = registry.publish(parts)
    image = pull(store, f"{registry.host}/app:ignored@{digest}")
    assert image.id == parts.id
    assert image.names == ()
    assert image.repo_digests == (f"{registry.host}/app@{digest}",)


def test_pull_by_digest_verifies_the_bytes(registry: FakeRegistry, store: Store) -> None:
    wanted = digest_of(b"something else")
    registry.manifests[wanted] = (
        two_layers().manifest,
        "application/vnd.oci.image.manifest.v1+json",
    )
    registry.hooks.append(
        lambda request: (
            Answer(
                body=two_layers().manifest,
                headers={
                    "Content-Type": "application/vnd.oci.image.manifest.v1+json",
                    "Docker-Content-Digest": wanted,
                },
            )
            if "/manifests/" in request.path
            else None
        )
    )
    with pytest.raises(DigestMismatchError, match=wanted):
        pull(store, f"{registry.host}/app@{wanted}")
    with pytest.raises(DigestMismatchError, match=wanted):  # the header lies about a tag
        pull(store, f"{registry.host}/app:latest")
    assert store.images() == []


def test_missing_manifest_is_said_as_docker_does(registry: FakeRegistry, store: Store) -> None:
    with pytest.raises(NotFoundError) as caught:
        pull(store, f"{registry.host}/app:nope")
    assert str(caught.value) == f"manifest for {registry.host}/app:nope not found: manifest unknown"


def test_unreachable_registry_is_one_clear_line(store: Store) -> None:
    with pytest.raises(
        RegistryError, match=r"registry 127\.0\.0\.1:1: cannot connect: connection refused"
    ):
        pull(store, "127.0.0.1:1/app")


def test_html_is_not_a_manifest(registry: FakeRegistry, store: Store) -> None:
    page = Answer(body=b"<html>Welcome</html>", headers={"Content-Type": "text/html; charset=x"})
    registry.hooks.append(lambda request: page if "/manifests/" in request.path else None)
    with pytest.raises(RegistryError, match=r"is 'text/html', not an image manifest"):
        pull(store, f"{registry.host}/app")


@pytest.mark.parametrize(
    ("body", "kind", "error_class", "words"),
    [
        (b'{"schemaVersion":1}', "application/vnd.docker.distribution.manifest.v1+prettyjws",
         UnsupportedError, "schema 1"),
        (b'{"schemaVersion":1}', "application/json", UnsupportedError, "schema 1"),
        (b"not json", "application/json", CorruptError, "not valid JSON"),
        (b"[" * 100_000, "application/json", CorruptError, "not valid JSON"),
        (b'{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}',
         "application/vnd.oci.image.manifest.v1+json", CorruptError, "index"),
        (b" " * (5 << 20), "application/json", LimitError, "longer than"),
        (index_of([]), "application/vnd.oci.image.index.v1+json", NotFoundError, "lists no image"),
    ],
)  # fmt: skip
def test_documents_that_are_no_image_are_refused(
    registry: FakeRegistry,
    store: Store,
    body: bytes,
    kind: str,
    error_class: type[FastlayersError],
    words: str,
) -> None:
    registry.put_manifest("latest", body, kind)
    with pytest.raises(error_class, match=words):
        pull(store, f"{registry.host}/app")
    assert store.images() == []


def test_an_artifact_is_not_an_image(registry: FakeRegistry, store: Store) -> None:
    manifest = manifest_of(b"{}", []).replace(
        b"application/vnd.oci.image.config.v1+json", b"application/vnd.cncf.helm.config.v1+json"
    )
    registry.put_manifest("latest", manifest)
    with pytest.raises(UnsupportedError, match=r"not a container image.*helm"):
        pull(store, f"{registry.host}/chart")


def test_the_words_of_a_registry_cannot_drive_the_terminal(
    registry: FakeRegistry, store: Store
) -> None:
    registry.hooks.append(
        lambda request: (
            error(403, "DENIED", "\\u001b[2Jgone") if "/manifests/" in request.path else None
        )
    )
    with pytest.raises(UnauthorizedError, match=r"denied:  \[2Jgone") as caught:
        pull(store, f"{registry.host}/app")
    assert "\x1b" not in str(caught.value)


def test_layer_count_must_match_the_config(registry: FakeRegistry, store: Store) -> None:
    parts = two_layers()
    registry.put_blob(parts.config)
    registry.put_manifest("latest", manifest_of(parts.config, [parts.layers[0].descriptor()]))
    with pytest.raises(CorruptError, match="the manifest has 1 layers, the config 2"):
        pull(store, f"{registry.host}/app")
