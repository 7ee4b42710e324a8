"""Loading archives and layouts: every shape in use."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fastlayers.errors import (
    NotFoundError,
)
from fastlayers.store import Store
from fastlayers.transports import load
from tests import tar_write
from tests.archive_shapes import (
    A,
    B,
    blob_member,
    classic,
    hex_of,
    index_member,
    leftovers,
    legacy,
    unpack,
)
from tests.image_parts import (
    INDEX,
    Blob,
    Member,
    archive_of,
    config_of,
    docker_json,
    image_of,
    index_of,
    index_row,
    layout_members,
)
from tests.oci_layout import digest_of

PLAIN = image_of([Blob.plain(A), Blob.plain(B)])

GZIP = image_of([Blob.gzip(A), Blob.gzip(B)])


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], str]:
    def put(data: bytes) -> str:
        path = tmp_path / "image.tar"
        path.write_bytes(data)
        return str(path)

    return put


def test_classic_docker_save(store: Store, write: Callable[[bytes], str]) -> None:
    [(name, image)] = load(store, write(archive_of(*classic())))
    assert name == "app:1"
    assert image.id == PLAIN.id
    assert [layer.diff_id for layer in image.layers] == [digest_of(A), digest_of(B)]
    assert image.names == ("docker.io/library/app:1",)


def test_layers_may_be_compressed_inside(store: Store, write: Callable[[bytes], str]) -> None:
    config = config_of([A])
    members = [
        docker_json({"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["l.tar.gz"]}),
        Member("c.json", config),
        Member("l.tar.gz", gzip.compress(A)),
    ]
    [(_, image)] = load(store, write(archive_of(*members)))
    assert image.manifest.layers[0].media_type.endswith("tar+gzip")
    assert image.layers[0].diff_id == digest_of(A)


def test_repeated_and_linked_layers(store: Store, write: Callable[[bytes], str]) -> None:
    config = config_of([A, B, A, A, B])
    members = [
        Member("real/layer.tar", A),
        Member("soft/layer.tar", link="../real/layer.tar"),
        Member("hard/layer.tar", hard="real/layer.tar"),
        Member("alias", link="/other"),
        Member("other/layer.tar", B),
        Member(f"./{hex_of(config)}.json", config),
        docker_json(
            {
                "Config": f"{hex_of(config)}.json",
                "RepoTags": None,
                "Layers": ["real/layer.tar", "other/layer.tar", "soft/layer.tar",
                           "./hard//layer.tar", "alias/layer.tar"],
            }
        ),
    ]  # fmt: skip
    [(name, image)] = load(store, write(archive_of(*members)))
    assert name is None
    assert image.names == ()
    assert [layer.diff_id for layer in image.layers] == list(map(digest_of, [A, B, A, A, B]))


def test_several_images_and_names(store: Store, write: Callable[[bytes], str]) -> None:
    one, two = config_of([A]), config_of([A, B])
    members = [
        docker_json(
            {"Config": "one.json", "RepoTags": ["one:1", "reg.test:5000/one:2"], "Layers": ["a"]},
            {"Config": "two.json", "Layers": ["a", "b"]},
        ),
        Member("one.json", one),
        Member("two.json", two),
        Member("a", A),
        Member("b", B),
    ]
    rows = load(store, write(archive_of(*members)))
    assert [name for name, _ in rows] == ["one:1", "reg.test:5000/one:2", None]
    assert [image.id for _, image in rows] == [digest_of(one), digest_of(one), digest_of(two)]


def test_the_last_of_two_members_with_one_name_counts(
    store: Store, write: Callable[[bytes], str]
) -> None:
    members = [Member(f"{0:064x}/layer.tar", b"junk"), *classic()]
    [(_, image)] = load(store, write(archive_of(*members)))
    assert image.id == PLAIN.id


def test_modern_docker_save_keeps_its_manifest(store: Store, write: Callable[[bytes], str]) -> None:
    members = layout_members(GZIP)
    blobs = [member.name for member in members[3:]]
    members.append(docker_json({"Config": blobs[0], "RepoTags": ["app:2"], "Layers": blobs[1:]}))
    [(name, image)] = load(store, write(archive_of(*members)))
    assert (name, image.id, image.manifest.raw) == ("app:2", GZIP.id, GZIP.manifest)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda layers: [],
        lambda layers: layers[::-1],
        lambda layers: [{**layer, "size": 7} for layer in layers],
        lambda layers: layers[:1],
    ],
)
def test_manifest_json_counts_where_the_oci_manifest_says_something_else(
    store: Store, write: Callable[[bytes], str], spoil: Callable[[list[object]], list[object]]
) -> None:
    """Some versions of `docker save` wrote such archives (moby/moby#47065, #47150, #47072)."""
    document = json.loads(GZIP.manifest)
    document["layers"] = spoil(document["layers"])
    spoilt = GZIP._replace(manifest=json.dumps(document).encode())
    members = layout_members(spoilt)
    blobs = [member.name for member in members[3:]]
    members.append(docker_json({"Config": blobs[0], "RepoTags": ["app:2"], "Layers": blobs[1:]}))
    [(_, image)] = load(store, write(archive_of(*members)))
    assert image.id == GZIP.id
    assert [layer.digest for layer in image.layers] == [digest_of(x.data) for x in GZIP.layers]


def test_an_archive_that_begins_with_a_global_header(
    store: Store, write: Callable[[bytes], str]
) -> None:
    """As git archive writes one (moby/moby#41496)."""
    comment = tar_write.extension(b"g", tar_write.record(b"comment", b"x" * 40))
    [(name, _)] = load(store, write(comment + archive_of(*classic())))
    assert name == "app:1"


def test_blob_folder_without_its_manifest(store: Store, write: Callable[[bytes], str]) -> None:
    members = [m for m in layout_members(GZIP) if hex_of(GZIP.manifest) not in m.name]
    blobs = [member.name for member in members[2:]]
    members.append(docker_json({"Config": blobs[0], "RepoTags": ["app:2"], "Layers": blobs[1:]}))
    [(_, image)] = load(store, write(archive_of(*members)))
    assert image.id == GZIP.id
    assert [layer.digest for layer in image.layers] == [digest_of(x.data) for x in GZIP.layers]


def test_an_image_without_layers(store: Store, write: Callable[[bytes], str]) -> None:
    config = config_of([])
    members = [
        docker_json({"Config": "c", "RepoTags": ["empty:1"], "Layers": None}),
        Member("c", config),
    ]
    [(_, image)] = load(store, write(archive_of(*members)))
    assert image.layers == ()


def test_archives_from_before_manifest_json(store: Store, write: Callable[[bytes], str]) -> None:
    rows = load(store, write(archive_of(*legacy())))
    assert [name for name, _ in rows] == ["app:1", "app:2"]
    config = rows[0][1].config
    assert config.diff_ids == (digest_of(A), digest_of(B))
    assert config.runtime.env == ("A=b",)
    assert [step.created_by for step in config.history] == ["/bin/sh", "/bin/sh -c #(nop) ADD x"]
    assert config.history[1].comment == "note"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("how", ["path", "bytes", "pipe"])
def test_compressed_and_streamed_archives(
    store: Store, write: Callable[[bytes], str], pack: Callable[[bytes], bytes], how: str
) -> None:
    data = pack(archive_of(*classic()))
    if how == "path":
        rows = load(store, write(data))
    elif how == "bytes":
        rows = load(store, io.BytesIO(data))
    else:
        reader, writer = os.pipe()
        feeder = threading.Thread(target=lambda: _feed(writer, data))
        feeder.start()
        with os.fdopen(reader, "rb", buffering=0) as file:
            rows = load(store, file)
        feeder.join()
    assert rows[0][1].id == PLAIN.id
    assert leftovers(store) == []


def _feed(writer: int, data: bytes) -> None:
    with os.fdopen(writer, "wb") as file:
        file.write(data)


def test_plain_streams_and_open_files(store: Store, write: Callable[[bytes], str]) -> None:
    data = archive_of(*classic())
    assert load(store, io.BytesIO(data))[0][1].id == PLAIN.id
    with open(write(data), "rb") as file:
        assert load(store, file)[0][1].id == PLAIN.id
    with open(write(b"front" + data), "rb") as file:
        file.seek(5)
        assert load(store, file)[0][1].id == PLAIN.id


def test_an_interrupted_stream_leaves_nothing(store: Store) -> None:
    class Interrupted(io.RawIOBase):
        def __init__(self) -> None:
            self.data = io.BytesIO(gzip.compress(archive_of(*classic()))[:50_000])

        def readable(self) -> bool:
            return True

        def read(self, count: int = -1) -> bytes:
            data = self.data.read(count)
            if not data:
                raise KeyboardInterrupt
            return data

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            data = self.read(min(len(buffer), 10_000))
            buffer[: len(data)] = data
            return len(data)

    with pytest.raises(KeyboardInterrupt):
        load(store, Interrupted())  # type: ignore[arg-type]
    assert store.images() == []
    assert leftovers(store) == []


@pytest.mark.parametrize(
    ("annotations", "name"),
    [
        ({"org.opencontainers.image.ref.name": "docker.io/library/app:3"}, "app:3"),
        ({"org.opencontainers.image.ref.name": "app:3"}, "app:3"),
        ({"org.opencontainers.image.ref.name": "node-base"}, "node-base:latest"),
        (
            {
                "io.containerd.image.name": "reg.test/app:3",
                "org.opencontainers.image.ref.name": "3",
            },
            "reg.test/app:3",
        ),
        ({"org.opencontainers.image.ref.name": "not a+reference"}, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("folder", [False, True])
def test_oci_layouts(
    store: Store, tmp_path: Path, annotations: dict[str, str], name: str | None, folder: bool
) -> None:
    members = layout_members(GZIP, annotations)
    path = tmp_path / "layout"
    if folder:
        unpack(path, members)
    else:
        path.write_bytes(archive_of(*members))
    [(found, image)] = load(store, path)
    assert (found, image.id, image.manifest.raw) == (name, GZIP.id, GZIP.manifest)


def test_platform_chooses_in_a_layout(store: Store, tmp_path: Path) -> None:
    arm = image_of([Blob.gzip(B)], "arm64")
    nested = index_of([index_row(GZIP, "amd64"), index_row(arm, "arm64")])
    row = {"mediaType": INDEX, "digest": digest_of(nested), "size": len(nested)}
    members = [*layout_members(GZIP), *layout_members(arm)[2:]]
    members[1] = index_member(row)
    members.append(blob_member(nested))
    unpack(tmp_path / "layout", members)
    assert load(store, tmp_path / "layout", platform="linux/arm64")[0][1].id == arm.id
    assert load(store, tmp_path / "layout", platform="linux/amd64")[0][1].id == GZIP.id
    with pytest.raises(NotFoundError, match="no matching manifest"):
        load(store, tmp_path / "layout", platform="linux/s390x")


def test_one_name_for_several_platforms(store: Store, tmp_path: Path) -> None:
    arm = image_of([Blob.gzip(B)], "arm64")
    name = {"org.opencontainers.image.ref.name": "app:1"}
    members = [*layout_members(GZIP), *layout_members(arm)[2:]]
    rows = [index_row(arm, "arm64", annotations=name), index_row(GZIP, "amd64", annotations=name)]
    members[1] = index_member(*rows)
    unpack(tmp_path / "layout", members)
    [(_, image)] = load(store, tmp_path / "layout", platform="linux/amd64")
    assert image.id == GZIP.id


def test_layers_in_the_store_are_not_read_again(
    store: Store, write: Callable[[bytes], str]
) -> None:
    path = write(archive_of(*classic()))
    load(store, path)
    kinds: list[str] = []
    load(store, path, progress=lambda event: kinds.append(event.kind))
    assert kinds == ["exists", "exists"]
