"""`copy` from a `docker save` archive to a registry: plain layers are compressed, as by a push."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from fastlayers.errors import CorruptError, InvalidError, UnsupportedError
from fastlayers.store import Store
from fastlayers.transports import copy, load, pull, push
from fastlayers.transports.input import compression_of
from fastlayers.transports.source import Event
from tests.archive_shapes import classic
from tests.fake_registry import Answer, FakeRegistry
from tests.image_parts import (
    Blob,
    Member,
    archive_of,
    config_of,
    docker_json,
    image_of,
    layer_tar,
    layout_members,
)
from tests.oci_layout import digest_of

PLAIN = image_of([Blob.plain(layer_tar("a")), Blob.plain(layer_tar("b", 3 << 20))])


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastlayers.transports.session._FIRST_DELAY_SECONDS", 0.005)


def of_today(path: Path, *, tars: list[bytes] | None = None) -> str:
    """An archive as Docker has written it since version 25: a layout with plain layers, and a
    manifest.json. `tars` lie there instead of the true ones."""
    blobs = [f"blobs/sha256/{digest_of(layer.data)[7:]}" for layer in PLAIN.layers]
    entry = {"Config": f"blobs/sha256/{PLAIN.id[7:]}", "RepoTags": ["app:1"], "Layers": blobs}
    members = [*layout_members(PLAIN), docker_json(entry)]
    if tars is not None:
        false = dict(zip(blobs, tars, strict=True))
        members = [Member(m.name, false.get(m.name, m.data)) for m in members]
    path.write_bytes(archive_of(*members))
    return f"docker-archive:{path}:app:1"


def manifest(registry: FakeRegistry, tag: str = "1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(registry.manifests[tag][0])
    return found


@pytest.mark.parametrize("shape", ["classic", "of today"])
@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
def test_plain_layers_are_compressed_as_by_a_push(
    registry: FakeRegistry, store: Store, tmp_path: Path, shape: str, compression: str | None
) -> None:
    source = of_today(tmp_path / "x.tar")
    if shape == "classic":
        (tmp_path / "x.tar").write_bytes(archive_of(*classic()))
    events: list[Event] = []
    digest = copy(store, source, f"docker://{registry.host}/app:1", compression=compression,
                  progress=events.append)  # fmt: skip
    assert digest_of(registry.manifests["1"][0]) == digest
    for layer in manifest(registry)["layers"]:
        kind = compression_of(registry.blobs[layer["digest"]])
        assert kind == (compression or "gzip") and layer["mediaType"].endswith(f"+{kind}")
        assert len(registry.blobs[layer["digest"]]) == layer["size"]
    done = {event.layer: (event.current, event.total) for event in events if event.kind == "done"}
    assert sorted(done.values()) == sorted(
        (layer["size"], layer["size"]) for layer in manifest(registry)["layers"]
    )
    # The same as through the store: the image ID, and every blob of it.
    [(_, image)] = load(store, tmp_path / "x.tar")
    assert manifest(registry)["config"]["digest"] == image.id
    assert push(store, image, [f"{registry.host}/app:2"], compression=compression).digest == digest
    assert pull(Store(store.root + "-fresh"), f"{registry.host}/app:1").id == image.id


def test_none_leaves_them_as_they_lie_there(
    registry: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    digest = copy(
        store, of_today(tmp_path / "x.tar"), f"docker://{registry.host}/app:1", compression="none"
    )
    assert digest == digest_of(PLAIN.manifest)
    assert registry.manifests["1"][0] == PLAIN.manifest


def test_a_level_counts(registry: FakeRegistry, store: Store, tmp_path: Path) -> None:
    source = of_today(tmp_path / "x.tar")
    found = {
        copy(store, source, f"docker://{registry.host}/app:1", compression="gzip", level=level)
        for level in (1, 9)
    }
    assert len(found) == 2


def test_into_a_layout_they_go_as_they_lie_there(store: Store, tmp_path: Path) -> None:
    source = of_today(tmp_path / "x.tar")
    for target in (f"oci:{tmp_path}/layout:1", f"oci-archive:{tmp_path}/y.tar:1"):
        assert copy(store, source, target) == digest_of(PLAIN.manifest)


def test_an_upload_that_breaks_off_goes_on(
    registry: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    takes = [1 << 20]
    registry.patch_hooks.append(lambda r: Answer(take=takes.pop()) if takes else None)
    copy(store, of_today(tmp_path / "x.tar"), f"docker://{registry.host}/app:1")
    assert not takes
    assert pull(store, f"{registry.host}/app:1").id == PLAIN.id


@pytest.mark.parametrize("how", ["other bytes", "cut short"])
def test_a_layer_that_its_config_does_not_name_is_refused(
    registry: FakeRegistry, store: Store, tmp_path: Path, how: str
) -> None:
    tars = [layer.tar for layer in PLAIN.layers]
    tars[1] = tars[1][:-1] + b"!" if how == "other bytes" else tars[1][:-512]
    source = of_today(tmp_path / "x.tar", tars=tars)
    with pytest.raises(CorruptError, match=f"is not the layer {digest_of(PLAIN.layers[1].tar)}"):
        copy(store, source, f"docker://{registry.host}/app:1")
    assert registry.manifests == {}


def test_a_compression_that_no_manifest_can_name(
    registry: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    tar = layer_tar("x")
    entry = {"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["layer.tar"]}
    members = [Member("c.json", config_of([tar])), Member("layer.tar", lzma.compress(tar))]
    path = tmp_path / "x.tar"
    path.write_bytes(archive_of(docker_json(entry), *members))
    with pytest.raises(UnsupportedError, match=r"compressed with xz.*load it into the store"):
        copy(store, f"docker-archive:{path}:app:1", f"docker://{registry.host}/app:1")


def test_from_the_store_the_same_can_be_said(registry: FakeRegistry, store: Store) -> None:
    registry.publish(PLAIN)
    pull(store, f"{registry.host}/app")
    target = f"docker://{registry.host}/again:1"
    assert copy(store, f"store:{registry.host}/app", target) == digest_of(PLAIN.manifest)
    copy(store, f"store:{registry.host}/app", target, compression="zstd", level=1)
    assert {layer["mediaType"].partition("+")[2] for layer in manifest(registry)["layers"]} == {
        "zstd"
    }


def test_where_it_has_no_meaning_it_is_refused(
    registry: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    registry.publish(PLAIN)
    source = f"docker://{registry.host}/app"
    archive = of_today(tmp_path / "x.tar")
    for ends in (
        (source, f"docker://{registry.host}/b"),
        (source, "store:x"),
        (archive, f"oci:{tmp_path}/y:1"),
    ):
        for given in ({"compression": "gzip"}, {"level": 3}):
            with pytest.raises(InvalidError, match="leave the compression and its level out"):
                copy(store, *ends, **given)  # type: ignore[arg-type]
    for given, words in (
        ({"compression": "xz"}, "it is gzip, zstd or none"),
        ({"compression": "none", "level": 1}, "has no level"),
    ):
        with pytest.raises(InvalidError, match=words):
            copy(store, archive, f"docker://{registry.host}/b", **given)  # type: ignore[arg-type]
