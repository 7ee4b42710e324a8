"""Saving images: what is written, where to, and that it comes back as it was."""

from __future__ import annotations

import io
import json
import os
import tarfile
import threading
from pathlib import Path

import pytest

from fastlayers.cli import main
from fastlayers.errors import CorruptError, FastlayersError, InvalidError
from fastlayers.image import Image
from fastlayers.store import Store
from fastlayers.transports import load, save
from tests.archive_shapes import leftovers
from tests.image_parts import (
    Blob,
    Parts,
    archive_of,
    image_of,
    layer_tar,
    layout_members,
)
from tests.oci_layout import digest_of

PARTS = image_of([Blob.gzip(layer_tar("a")), Blob.plain(layer_tar("b", 200_000))])
OTHER = image_of([Blob.gzip(layer_tar("a")), Blob.gzip(layer_tar("c"))])


def put(store: Store, parts: Parts, name: str = "") -> Image:
    annotations = {"org.opencontainers.image.ref.name": name} if name else None
    return load(store, io.BytesIO(archive_of(*layout_members(parts, annotations))))[0][1]


def read_json(path: Path, name: str) -> object:
    with tarfile.open(path) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return json.load(file)


@pytest.mark.parametrize("format", ["docker", "oci"])
def test_what_is_saved_loads_as_it_was(store: Store, tmp_path: Path, format: str) -> None:
    images = [put(store, PARTS, "app:1"), put(store, OTHER)]
    save(store, images, tmp_path / "out.tar", format=format)
    fresh = Store(str(tmp_path / "fresh"))
    rows = load(fresh, tmp_path / "out.tar")
    assert [(name, image.id) for name, image in rows] == [("app:1", PARTS.id), (None, OTHER.id)]
    assert [image.manifest.raw for _, image in rows] == [PARTS.manifest, OTHER.manifest]


def test_docker_documents(store: Store, tmp_path: Path) -> None:
    image = put(store, PARTS, "reg.test:5000/app:1")
    save(store, [(image, ["ubuntu:22.04", "reg.test:5000/app:1"])], tmp_path / "out.tar")
    blob = "blobs/sha256/" + PARTS.id.partition(":")[2]
    layers = ["blobs/sha256/" + digest_of(x.data).partition(":")[2] for x in PARTS.layers]
    assert read_json(tmp_path / "out.tar", "manifest.json") == [
        {"Config": blob, "RepoTags": ["ubuntu:22.04", "reg.test:5000/app:1"], "Layers": layers}
    ]
    index = read_json(tmp_path / "out.tar", "index.json")
    assert isinstance(index, dict)
    assert [row["annotations"] for row in index["manifests"]] == [
        {
            "io.containerd.image.name": "docker.io/library/ubuntu:22.04",
            "org.opencontainers.image.ref.name": "22.04",
        },
        {
            "io.containerd.image.name": "reg.test:5000/app:1",
            "org.opencontainers.image.ref.name": "1",
        },
    ]


def test_tags_that_clash_are_written_in_full(store: Store, tmp_path: Path) -> None:
    images = [(put(store, PARTS), ["one"]), (put(store, OTHER), ["two"])]
    save(store, images, tmp_path / "out.tar", format="oci")
    index = read_json(tmp_path / "out.tar", "index.json")
    assert isinstance(index, dict)
    assert [r["annotations"]["org.opencontainers.image.ref.name"] for r in index["manifests"]] == [
        "docker.io/library/one:latest",
        "docker.io/library/two:latest",
    ]


def test_an_image_without_names_has_null_tags(store: Store, tmp_path: Path) -> None:
    save(store, [put(store, PARTS)], tmp_path / "out.tar")
    document = read_json(tmp_path / "out.tar", "manifest.json")
    assert isinstance(document, list)
    assert document[0]["RepoTags"] is None


def test_the_same_images_give_the_same_bytes_everywhere(store: Store, tmp_path: Path) -> None:
    images = [put(store, PARTS, "app:1"), put(store, OTHER, "app:2")]
    save(store, images, tmp_path / "out.tar")
    expected = (tmp_path / "out.tar").read_bytes()
    memory = io.BytesIO()
    save(store, images, memory)
    with open(tmp_path / "buffered.tar", "wb") as file:
        file.write(b"front")
        save(store, images, file)
    assert memory.getvalue() == expected
    assert (tmp_path / "buffered.tar").read_bytes() == b"front" + expected
    assert through_a_pipe(store, images) == expected
    assert len(expected) % 10240 == 0
    with tarfile.open(tmp_path / "out.tar") as tar:
        for member in tar:
            assert (member.uid, member.gid, member.mtime, member.uname) == (0, 0, 0, "")


def through_a_pipe(store: Store, images: list[Image]) -> bytes:
    reader, writer = os.pipe()
    parts: list[bytes] = []

    def drain() -> None:
        with os.fdopen(reader, "rb") as file:
            parts.append(file.read())

    thread = threading.Thread(target=drain)
    thread.start()
    with os.fdopen(writer, "wb") as file:
        save(store, images, file)
    thread.join()
    return parts[0]


def test_shared_layers_are_written_once(store: Store, tmp_path: Path) -> None:
    images = [put(store, PARTS, "app:1"), put(store, OTHER, "app:2"), put(store, PARTS, "app:1")]
    save(store, images, tmp_path / "out.tar")
    with tarfile.open(tmp_path / "out.tar") as tar:
        names = tar.getnames()
    assert len(names) == len(set(names))
    assert len(names) == 5 + 2 + 2 + 3


def test_a_failure_leaves_the_file_that_was_there(store: Store, tmp_path: Path) -> None:
    image = put(store, PARTS, "app:1")
    (tmp_path / "out.tar").write_bytes(b"older")
    blob = Path(store.root, "blobs/sha256", digest_of(PARTS.layers[0].data).partition(":")[2])
    blob.write_bytes(b"short")
    with pytest.raises(CorruptError, match="5 bytes instead of"):
        save(store, [image], tmp_path / "out.tar")
    assert (tmp_path / "out.tar").read_bytes() == b"older"
    assert sorted(os.listdir(tmp_path)) == ["out.tar", "store"]


def test_outputs_that_cannot_be_written(store: Store, tmp_path: Path) -> None:
    image = put(store, PARTS, "app:1")
    for target in (tmp_path / "no" / "folder.tar", "/dev/full"):
        with pytest.raises(FastlayersError, match="cannot write"):
            save(store, [image], target)
    with pytest.raises(FastlayersError):
        save(store, [image], tmp_path)


def test_nonsense_is_refused(store: Store, tmp_path: Path) -> None:
    image = put(store, PARTS, "app:1")
    with pytest.raises(InvalidError, match="unknown archive format"):
        save(store, [image], tmp_path / "out.tar", format="zip")
    with pytest.raises(InvalidError, match="no image"):
        save(store, [], tmp_path / "out.tar")


def test_an_image_is_saved_again_and_again_as_the_same_bytes(store: Store, tmp_path: Path) -> None:
    image = put(store, PARTS, "app:1")
    for number in range(3):
        image.save(tmp_path / f"{number}.tar")
    assert len({(tmp_path / f"{number}.tar").read_bytes() for number in range(3)}) == 1


@pytest.mark.parametrize("format", ["docker", "oci"])
def test_what_the_other_side_has_is_left_out(store: Store, tmp_path: Path, format: str) -> None:
    base = put(store, image_of([Blob.gzip(layer_tar("base", 200_000))]), "base:1")
    both = image_of([Blob.gzip(layer_tar("base", 200_000)), Blob.plain(layer_tar("top"))])
    top = put(store, both, "top:1")
    save(store, [top], tmp_path / "whole.tar", format=format)
    save(store, [top], tmp_path / "rest.tar", format=format, since=[base])
    assert (tmp_path / "rest.tar").stat().st_size < (tmp_path / "whole.tar").stat().st_size / 4
    save(store, [base], tmp_path / "base.tar", format=format)

    other = Store(str(tmp_path / "other"))
    missing = digest_of(both.layers[0].data).partition(":")[2]
    with pytest.raises(CorruptError, match=f"{missing}' is missing, and the store has no such"):
        load(other, tmp_path / "rest.tar")
    assert other.images() == [] and leftovers(other) == []
    load(other, tmp_path / "base.tar")
    [(name, image)] = load(other, tmp_path / "rest.tar")
    assert (name, image.id, image.digest) == ("top:1", top.id, top.digest)
    assert image.read("file-base") == base.read("file-base")


def test_load_save_and_import_tell_the_same(
    store: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One stream of events for all: JSON where it is asked for, beside what is the result."""
    put(store, PARTS, "app:1")
    out, tar = str(tmp_path / "out.tar"), tmp_path / "root.tar"
    tar.write_bytes(layer_tar("r"))

    def told(stream: str) -> list[tuple[str, int]]:
        rows = [json.loads(line) for line in stream.splitlines()]
        return [(row["status"], row.get("progressDetail", {}).get("current", -1)) for row in rows]

    monkeypatch.setenv("FASTLAYERS_ROOT", store.root)
    assert main(["save", "--progress", "json", "-o", out, "app:1"]) == 0
    sizes = [len(layer.data) for layer in PARTS.layers]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert told(printed.err) == [
        row
        for size in sizes
        for row in (("Saving layer", 0), ("Saving layer", size), ("Saved", size))
    ]
    monkeypatch.setenv("FASTLAYERS_ROOT", str(tmp_path / "fresh"))
    assert main(["load", "--progress", "json", "-i", out]) == 0
    rows = told(capsys.readouterr().out)
    assert {("Loaded", size) for size in sizes} <= set(rows)
    assert rows[-1] == ("Loaded image: app:1", -1)
    assert main(["load", "--progress", "plain", "-i", out]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Loaded image: app:1"
    assert main(["import", "--progress", "json", str(tar), "root:1"]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == Store(str(tmp_path / "fresh")).image("root:1").id
    assert ("Loaded", len(tar.read_bytes())) in told(printed.err)
