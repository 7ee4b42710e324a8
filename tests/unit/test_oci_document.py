"""Documents from outside: what is accepted, what is refused, and that bytes stay as they came."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fastlayers.errors import CorruptError, LimitError, UnsupportedError
from fastlayers.oci import digest as digests
from fastlayers.oci import document
from fastlayers.oci.document import (
    DOCUMENT_LIMIT,
    MEDIA_DOCKER_CONFIG,
    MEDIA_DOCKER_LAYER_GZIP,
    MEDIA_DOCKER_MANIFEST,
    MEDIA_OCI_CONFIG,
    MEDIA_OCI_INDEX,
    MEDIA_OCI_LAYER,
    MEDIA_OCI_LAYER_GZIP,
    MEDIA_OCI_MANIFEST,
    Descriptor,
    History,
    ImageConfig,
    Index,
    Manifest,
    RuntimeConfig,
)

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
Json = dict[str, Any]


def descriptor(media_type: str, digest: str = A, size: Any = 3, **more: Any) -> Json:
    return {"mediaType": media_type, "digest": digest, "size": size, **more}


def manifest(**changes: Any) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": MEDIA_OCI_MANIFEST,
        "config": descriptor(MEDIA_OCI_CONFIG),
        "layers": [descriptor(MEDIA_OCI_LAYER, B)],
    }
    document.update(changes)
    return json.dumps({key: value for key, value in document.items() if value is not None}).encode()


def config(**changes: Any) -> bytes:
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["A=1"]},
        "rootfs": {"type": "layers", "diff_ids": [A]},
    }
    document.update(changes)
    return json.dumps({key: value for key, value in document.items() if value is not None}).encode()


def test_a_document_is_the_digest_of_its_own_bytes() -> None:
    raw = b"  " + manifest(extra={"unknown": 1}) + b"\n"
    parsed = Manifest.parse(raw)
    assert parsed.raw == raw
    assert parsed.digest == digests.digest_of(raw)


def test_docker_manifests_are_read_as_well() -> None:
    raw = manifest(
        mediaType=MEDIA_DOCKER_MANIFEST,
        config=descriptor(MEDIA_DOCKER_CONFIG),
        layers=[descriptor(MEDIA_DOCKER_LAYER_GZIP, urls=["https://example.org/x"])],
    )
    parsed = Manifest.parse(raw, MEDIA_DOCKER_MANIFEST)
    parsed.require_image("x")
    assert parsed.layers[0].urls == ("https://example.org/x",)


def test_a_new_manifest_speaks_oci_and_keeps_what_it_does_not_know() -> None:
    old = Descriptor.from_json(descriptor(MEDIA_DOCKER_LAYER_GZIP, urls=["u"], odd=[1]), "layer")
    built = Manifest.build(Descriptor(MEDIA_DOCKER_CONFIG, A, 3), [old])
    assert built.config.media_type == MEDIA_OCI_CONFIG
    assert built.layers[0].media_type == MEDIA_OCI_LAYER_GZIP
    assert json.loads(built.raw)["layers"][0]["odd"] == [1]
    assert Manifest.build(Descriptor(MEDIA_DOCKER_CONFIG, A, 3), [old]).raw == built.raw


@pytest.mark.parametrize(
    "changes",
    [
        {"manifests": []},  # both at once
        {"schemaVersion": 3},
        {"schemaVersion": True},
        {"schemaVersion": "2"},
        {"config": None},
        {"layers": None},
        {"layers": {}},
        {"layers": [3]},
        {"layers": [descriptor(MEDIA_OCI_LAYER, size=-1)]},
        {"layers": [descriptor(MEDIA_OCI_LAYER, size=1 << 63)]},
        {"layers": [descriptor(MEDIA_OCI_LAYER, size=1.5)]},
        {"layers": [descriptor(MEDIA_OCI_LAYER, size=True)]},
        {"layers": [descriptor(MEDIA_OCI_LAYER, "sha256:../../etc/passwd")]},
        {"layers": [descriptor(MEDIA_OCI_LAYER, A.upper())]},
        {"layers": [descriptor(MEDIA_OCI_LAYER, annotations={"a": 1})]},
        {"config": descriptor(MEDIA_OCI_CONFIG, platform=[])},
        {"mediaType": MEDIA_OCI_INDEX},
        {"mediaType": 7},
    ],
)
def test_a_broken_manifest_is_refused(changes: Json) -> None:
    with pytest.raises(CorruptError):
        Manifest.parse(manifest(**changes))


def test_a_manifest_is_not_what_it_was_announced_as() -> None:
    with pytest.raises(CorruptError, match="announced"):
        Manifest.parse(manifest(), MEDIA_DOCKER_MANIFEST)
    with pytest.raises(CorruptError):
        Index.parse(manifest(mediaType=None), MEDIA_OCI_INDEX)


def test_a_key_that_occurs_twice_is_refused() -> None:
    raw = manifest().replace(b'"layers"', b'"layers": [], "layers"')
    with pytest.raises(CorruptError, match="twice"):
        Manifest.parse(raw)


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"nul", b"{", b'{"a":NaN}', b"\xff{}", b"\xef\xbb\xbf{}", b"[" * 100_000, b"{} x",
     b'{"a": "\\ud800"}', b'{"a": "\n"}'],
)  # fmt: skip
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(CorruptError):
        Manifest.parse(raw)
    with pytest.raises(CorruptError):
        ImageConfig.parse(raw)


def test_a_document_has_a_limit() -> None:
    with pytest.raises(LimitError):
        Manifest.parse(manifest() + b" " * DOCUMENT_LIMIT)


def test_schema_1_and_other_digests_are_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="schema 1"):
        Manifest.parse(b'{"schemaVersion":1,"fsLayers":[]}')
    with pytest.raises(UnsupportedError, match="sha512"):
        Manifest.parse(manifest(layers=[descriptor(MEDIA_OCI_LAYER, "sha512:" + "a" * 128)]))


def test_what_is_no_container_image_is_named() -> None:
    helm = Manifest.parse(manifest(config=descriptor("application/vnd.cncf.helm.config.v1+json")))
    with pytest.raises(UnsupportedError, match="chart is not a container image"):
        helm.require_image("chart")
    locked = Manifest.parse(manifest(layers=[descriptor(MEDIA_OCI_LAYER + "+encrypted")]))
    with pytest.raises(UnsupportedError, match="layer of a kind"):
        locked.require_image("x")


def test_either_document_is_told_from_the_other() -> None:
    index = Index.build([Descriptor(MEDIA_OCI_MANIFEST, A, 3)])
    assert isinstance(document.parse(index.raw), Index)
    assert isinstance(document.parse(manifest(mediaType=None)), Manifest)
    untyped = b'{"schemaVersion":2,"manifests":[]}'
    assert isinstance(document.parse(untyped), Index)
    with pytest.raises(CorruptError):
        Index.parse(b'{"schemaVersion":2,"manifests":[],"layers":[]}')


@pytest.mark.parametrize(
    "changes",
    [
        {"rootfs": None},
        {"rootfs": []},
        {"rootfs": {"type": "chunks", "diff_ids": []}},
        {"rootfs": {"type": "layers", "diff_ids": ["x"]}},
        {"rootfs": {"type": "layers", "diff_ids": "x"}},
        {"config": []},
        {"config": {"Env": "A=1"}},
        {"config": {"Env": [1]}},
        {"config": {"Labels": {"a": None}}},
        {"config": {"Volumes": ["/v"]}},
        {"config": {"User": 0}},
        {"history": {}},
        {"history": ["x"]},
        {"history": [{"empty_layer": "yes"}]},
        {"created": 5},
    ],
)
def test_a_broken_config_is_refused(changes: Json) -> None:
    with pytest.raises(CorruptError):
        ImageConfig.parse(config(**changes))


def test_null_and_missing_fields_are_empty() -> None:
    parsed = ImageConfig.parse(config(config=None, history=None))
    assert (parsed.runtime.env, parsed.runtime.cmd, parsed.history) == ((), None, ())
    parsed = ImageConfig.parse(config(config={"Cmd": "ls", "Entrypoint": [], "Env": None}))
    assert (parsed.runtime.cmd, parsed.runtime.entrypoint) == (("ls",), ())


def test_a_changed_config_keeps_unknown_fields() -> None:
    old = ImageConfig.parse(config(odd={"x": 1}, config={"ArgsEscaped": True}))
    new = old.replace(created="2020-01-01T00:00:00Z", history=[History(comment="c")])
    document = json.loads(new.raw)
    assert document["odd"] == {"x": 1}
    assert document["config"] == {"ArgsEscaped": True}
    assert new.digest == digests.digest_of(new.raw) != old.digest
    assert new.diff_ids == old.diff_ids


def test_a_built_config_is_deterministic() -> None:
    def build() -> ImageConfig:
        return ImageConfig.build(
            architecture="arm64",
            os="linux",
            variant="v8",
            runtime=RuntimeConfig({"Labels": {"b": "2", "a": "ü"}}),
            diff_ids=[A],
        )

    assert build().raw == build().raw
    assert "ü".encode() in build().raw
    assert str(build().platform) == "linux/arm64"


def test_chain_ids_follow_the_specification() -> None:
    first, second = digests.chain_ids((A, B))
    assert first == A
    assert second == digests.digest_of(f"{A} {B}".encode())
