"""OCI documents with anything in any place: they are read or refused, and nothing else happens."""

from __future__ import annotations

import io
import json
import os
import tempfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers import cli
from fastlayers.errors import FastlayersError
from fastlayers.oci import fields, history
from fastlayers.oci.document import ImageConfig, Index, Manifest
from fastlayers.oci.platform import Platform, select
from fastlayers.store import Store
from fastlayers.transports import load
from tests import strategies
from tests.archive_shapes import blob_member, index_member, leftovers
from tests.image_parts import Blob, Member, archive_of, image_of, index_of, index_row, layer_tar
from tests.oci_layout import digest_of

LAYERS = [Blob.gzip(layer_tar("a")), Blob.plain(layer_tar("b"))]
IMAGE = image_of(
    LAYERS,
    author="me",
    created="2020-01-01T00:00:00Z",
    variant="v8",
    config={
        "Cmd": ["sh"], "Entrypoint": ["/bin/sh", "-c"], "Env": ["A=b"], "User": "1:2",
        "WorkingDir": "/w", "Labels": {"a": "b"}, "Volumes": {"/v": {}}, "StopSignal": "TERM",
        "ExposedPorts": {"80/tcp": {}}, "OnBuild": ["RUN x"], "Shell": ["/bin/sh"],
        "Healthcheck": {"Test": ["NONE"], "Interval": 1, "Retries": 2},
    },
    history=[
        {"created": "2020-01-01T00:00:00Z", "created_by": "x", "comment": "y", "author": "z"},
        {"created_by": "ENV", "empty_layer": True},
        {"created_by": "w"},
    ],
)  # fmt: skip
CONFIG: dict[str, Any] = json.loads(IMAGE.config)
MANIFEST: dict[str, Any] = {
    **json.loads(IMAGE.manifest), "annotations": {"a": "b"}, "subject": None, "artifactType": "x",
}  # fmt: skip
INDEX: dict[str, Any] = json.loads(
    index_of([index_row(IMAGE, "amd64", annotations={"a": "b"}), index_row(IMAGE, "arm64")])
)


def said_in_one_line(error: FastlayersError) -> None:
    """What is refused is refused for a reason that can be read."""
    assert 10 < len(str(error)) < 600
    assert cli.one_line(str(error)).isprintable()


@given(strategies.changed(CONFIG))
def test_any_config_is_read_or_refused(document: Any) -> None:
    try:
        config = ImageConfig.parse(json.dumps(document).encode())
        again = config.replace(author="other", runtime=config.runtime)
    except FastlayersError as error:
        return said_in_one_line(error)
    assert again.diff_ids == config.diff_ids
    assert ImageConfig.parse(again.raw) == again
    steps = history.steps(config, [1] * len(config.diff_ids), config.digest)
    assert len(steps) >= len(config.diff_ids)
    assert str(config.platform)


@given(strategies.changed(MANIFEST))
def test_any_manifest_is_read_or_refused(document: Any) -> None:
    try:
        manifest = Manifest.parse(json.dumps(document).encode())
        manifest.require_image("this")
    except FastlayersError as error:
        return said_in_one_line(error)
    again = Manifest.build(config=manifest.config, layers=manifest.layers)
    assert [layer.digest for layer in again.layers] == [x.digest for x in manifest.layers]
    assert all(isinstance(url, str) for layer in manifest.layers for url in layer.urls)


@given(strategies.changed(INDEX))
def test_any_index_is_read_or_refused(document: Any) -> None:
    try:
        index = Index.parse(json.dumps(document).encode())
        chosen = select(index.manifests, Platform.parse("linux/amd64"))
    except FastlayersError as error:
        return said_in_one_line(error)
    assert chosen in index.manifests


@given(strategies.json_values(), st.text(), st.binary())
def test_documents_of_ours_come_back_as_they_were(value: Any, key: str, name: bytes) -> None:
    document = {key: value, "name": os.fsdecode(name)}
    try:
        json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair, which is neither text nor bytes
        return
    raw = fields.dump(document)
    assert fields.parse_object(raw, "it") == document
    assert json.loads(raw) == document


def consistent(kind: str, document: Any) -> list[Member]:
    """An OCI archive whose digests are true, with one of its documents exchanged."""
    config = json.dumps(document if kind == "config" else CONFIG).encode()
    manifest = json.loads(json.dumps(document if kind == "manifest" else MANIFEST))
    if kind == "config":
        manifest["config"].update(digest=digest_of(config), size=len(config))
    raw = json.dumps(manifest).encode()
    row = {**INDEX["manifests"][0], "digest": digest_of(raw), "size": len(raw)}
    members = [Member("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')]
    if kind == "index":
        members += [
            Member("index.json", json.dumps(document).encode()),
            blob_member(IMAGE.manifest),
        ]
    else:
        members += [index_member(row), blob_member(raw)]
    return [*members, blob_member(config), *(blob_member(layer.data) for layer in LAYERS)]


@pytest.mark.parametrize(
    ("kind", "base"), [("config", CONFIG), ("manifest", MANIFEST), ("index", INDEX)]
)
@given(data=st.data())
def test_an_archive_with_any_document_is_loaded_or_leaves_nothing(
    kind: str, base: Any, data: st.DataObject
) -> None:
    document = data.draw(strategies.changed(base))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(os.path.join(folder, "store"))
        store.prepare()
        try:
            rows = load(store, io.BytesIO(archive_of(*consistent(kind, document))))
        except FastlayersError as error:
            said_in_one_line(error)
            assert store.images() == []
            assert leftovers(store) == []
            return
        for _, image in rows:
            for words in (
                ["inspect", image.id], ["history", image.id], ["images"],
                ["history", "--format", "json", image.id], ["images", "--format", "json"],
                ["fsck"], ["system", "df"], ["save", "-o", os.path.join(folder, "saved"), image.id],
            ):  # fmt: skip
                assert cli.main(["--root", store.root, *words]) == 0, words
            created = cli.main(["--root", store.root, "create", image.id, "true"])
            assert created in (0, 1, 125)
            assert cli.main(["--root", store.root, "ps", "-a"]) == 0
            assert cli.main(["--root", store.root, "rmi", "-f", image.id]) in (0, 1)
