"""Archives and layouts made to do harm: refused, with nothing left behind."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fastlayers.errors import (
    CorruptError,
    DigestMismatchError,
    FastlayersError,
    InvalidError,
    LimitError,
    NotFoundError,
    TraversalError,
    UnsupportedError,
)
from fastlayers.store import Store
from fastlayers.transports import load
from tests.archive_shapes import A, B, classic, hex_of, index_member, leftovers, legacy, unpack
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
from tests.tar_write import END, extension, header

PLAIN = image_of([Blob.plain(A), Blob.plain(B)])

GZIP = image_of([Blob.gzip(A), Blob.gzip(B)])


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], str]:
    def put(data: bytes) -> str:
        path = tmp_path / "image.tar"
        path.write_bytes(data)
        return str(path)

    return put


@pytest.mark.parametrize(
    "change",
    [
        lambda m: Member("repositories", b'{"app":{"1":"../bb"}}'),
        lambda m: Member("repositories", b'{"app":{"1":7}}'),
        lambda m: Member("repositories", b'{"app":"bb"}'),
        lambda m: Member("repositories", b"[]"),
        lambda m: Member("repositories", b"{}"),
        lambda m: Member("aa/json", b'{"parent":"bb"}'),
        lambda m: Member("aa/json", b"7"),
        lambda m: Member("repositories", b'{"App":{"1":"bb"}}'),
    ],
)
def test_broken_legacy_archives_are_refused(
    store: Store, write: Callable[[bytes], str], change: Callable[[object], Member]
) -> None:
    with pytest.raises(CorruptError, match=r"image\.tar"):
        load(store, write(archive_of(*legacy(), change(None))))
    assert store.images() == []


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_truncated_compressed_archives(
    store: Store, write: Callable[[bytes], str], pack: Callable[[bytes], bytes]
) -> None:
    data = pack(archive_of(*classic()))
    with pytest.raises(CorruptError):
        load(store, write(data[: len(data) // 2]))
    with pytest.raises(CorruptError):
        load(store, io.BytesIO(data[: len(data) // 2]))
    assert leftovers(store) == []


def entry(config: str = "c", layers: object = (), tags: object = None) -> Member:
    layers = list(layers) if isinstance(layers, tuple) else layers
    return docker_json({"Config": config, "Layers": layers, "RepoTags": tags})


def marker(version: str = "1.0.0") -> Member:
    return Member("oci-layout", json.dumps({"imageLayoutVersion": version}).encode())


NOWHERE = {"mediaType": INDEX, "digest": digest_of(b"x"), "size": 1}

ONE = config_of([A])

HOSTILE: dict[str, tuple[list[Member], type[FastlayersError], str]] = {
    "layer outside": ([entry(layers=("../l",)), Member("c", ONE)], TraversalError, "leaves"),
    "layer outside, deep": (
        [entry(layers=("x/../../l",)), Member("c", ONE), Member("x/y", b"")],
        TraversalError,
        "leaves",
    ),
    "absolute layer": ([entry(layers=("/etc/passwd",)), Member("c", ONE)], CorruptError, "missing"),
    "member outside": ([*classic(), Member("../evil", b"x")], TraversalError, "evil"),
    "symlink outside": (
        [entry(layers=("l",)), Member("c", ONE), Member("l", link="../../etc/passwd")],
        TraversalError,
        "leaves",
    ),
    "absolute symlink": (
        [entry(layers=("l",)), Member("c", ONE), Member("l", link="/etc/passwd")],
        CorruptError,
        "missing",
    ),
    "hard link outside": (
        [entry(layers=("l",)), Member("c", ONE), Member("l", hard="../../etc/passwd")],
        TraversalError,
        "leaves",
    ),
    "config outside": ([entry("/etc/hostname"), Member("c", ONE)], CorruptError, "missing"),
    "loop": (
        [entry(layers=("l",)), Member("c", ONE), Member("l", link="m"), Member("m", link="l")],
        CorruptError,
        "loop",
    ),
    "growing loop": (
        [entry(layers=("l",)), Member("c", ONE), Member("l", link="l/l/l")],
        CorruptError,
        "loop",
    ),
    "missing layer": ([entry(layers=("l",)), Member("c", ONE)], CorruptError, "'l' is missing"),
    "missing config": ([entry(layers=("l",)), Member("l", A)], CorruptError, "'c' is missing"),
    "layer is a directory": (
        [entry(layers=("d",)), Member("c", ONE), Member("d/x", b"")],
        CorruptError,
        "missing|regular",
    ),
    "too few layers": ([entry(layers=()), Member("c", ONE)], CorruptError, "0 layers"),
    "wrong layer": (
        [entry(layers=("l",)), Member("c", ONE), Member("l", B)],
        DigestMismatchError,
        "sha256",
    ),
    "config with another digest": (
        [entry(f"{0:064x}.json", ("l",)), Member(f"{0:064x}.json", ONE), Member("l", A)],
        DigestMismatchError,
        "config",
    ),
    "blob with another digest": (
        [
            entry(layers=(f"blobs/sha256/{0:064x}",)),
            Member("c", ONE),
            Member(f"blobs/sha256/{0:064x}", A),
        ],
        DigestMismatchError,
        "sha256",
    ),
    "blob that is no digest": (
        [entry(layers=("blobs/sha256/x",)), Member("c", ONE), Member("blobs/sha256/x", A)],
        CorruptError,
        "not the path of a blob",
    ),
    "bad tag": ([*classic(names=("app:bad tag",))], CorruptError, "bad image name"),
    "upper-case name": ([*classic(names=("App:1",))], CorruptError, "bad image name"),
    "name with digest": ([*classic(names=(f"app@{digest_of(A)}",))], CorruptError, "digest"),
    "tag that is no string": ([*classic(names=(7,))], CorruptError, "list of strings"),
    "tags that are no list": ([*classic(names="app:1")], CorruptError, "list of strings"),
    "layers that are no list": ([entry(layers="l"), Member("c", ONE)], CorruptError, "list of"),
    "manifest.json not JSON": ([Member("manifest.json", b"{")], CorruptError, "not valid JSON"),
    "manifest.json not UTF-8": (
        [Member("manifest.json", b"\xff\xff\xff")],
        CorruptError,
        "not valid",
    ),
    "manifest.json empty": ([Member("manifest.json", b"[]")], CorruptError, "not a list of images"),
    "manifest.json an object": (
        [Member("manifest.json", b"{}")],
        CorruptError,
        "not a list of images",
    ),
    "entry no object": ([Member("manifest.json", b"[7]")], CorruptError, "without a Config"),
    "deep manifest.json": (
        [Member("manifest.json", b"[" * 100_000)],
        CorruptError,
        "not valid JSON",
    ),
    "deep config": ([entry(), Member("c", b'{"a":' * 100_000)], CorruptError, "not valid JSON"),
    "huge manifest.json": ([Member("manifest.json", b" " * (5 << 20))], LimitError, "longer than"),
    "huge config": ([entry(), Member("c", b" " * (5 << 20))], LimitError, "longer than"),
    "endless path": ([entry("a/" * 3000 + "c")], LimitError, "longer than"),
    "a root file system": ([Member("etc/passwd", b"")], CorruptError, "taken by import"),
    "empty layout": (
        [marker(), index_member()],
        UnsupportedError,
        "no container image",
    ),
    "layout of the future": (
        [marker("2.0.0"), index_member()],
        UnsupportedError,
        "version",
    ),
    "layout without a marker": ([Member("index.json", index_of([]))], CorruptError, "oci-layout"),
    "layout with a missing blob": (layout_members(GZIP)[:-1], CorruptError, "missing"),
    "layout with a wrong size": (
        [
            *layout_members(GZIP)[:1],
            index_member({**index_row(GZIP, "amd64"), "size": 5}),
            *layout_members(GZIP)[2:],
        ],
        DigestMismatchError,
        "instead of 5",
    ),
    "layout with a lying blob": (
        [*layout_members(GZIP), layout_members(GZIP)[-1]._replace(data=GZIP.layers[0].data)],
        DigestMismatchError,
        "sha256",
    ),
    "index of indexes": (
        [*layout_members(GZIP)[:1], index_member(NOWHERE)],
        CorruptError,
        "missing",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_are_refused(
    store: Store, write: Callable[[bytes], str], case: str
) -> None:
    members, error, words = HOSTILE[case]
    with pytest.raises(error, match=words):
        load(store, write(archive_of(*members)))
    assert store.images() == []
    assert leftovers(store) == []


GOOD = archive_of(*classic())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a tar|missing|no manifest"),
        (b"hello world" * 100, "not a tar"),
        (GOOD[:700], "ends|damaged|points"),
        (GOOD[: len(GOOD) // 2], "ends|points"),
        (GOOD[:1024] + b"\1" * 512 + GOOD[1536:], "damaged at byte 1024"),
        (extension(b"x", b"9" * (1 << 20)) + GOOD, "headers of one member"),
        (header(b"././@LongLink", b"L", 1 << 33) + GOOD, "headers of one member|points"),
        (header(b"x", b"0", -512) + GOOD, "bad header|points|not a tar"),
        (header(b"x", b"x", -512) + GOOD, "headers of one member|points|not a tar"),
        (header(b"x", b"0", 1 << 40) + GOOD, "ends|points"),
        (b"".join(extension(b"L", b"name\0") for _ in range(4000)) + GOOD, "headers|not a tar"),
    ],
)
def test_damaged_and_mean_tar_files_are_refused(
    store: Store, write: Callable[[bytes], str], data: bytes, words: str
) -> None:
    with pytest.raises(CorruptError, match=words):
        load(store, write(data))
    assert store.images() == []


def test_too_many_members_are_refused(
    store: Store, write: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastlayers.transports.archive._MEMBER_LIMIT", 50)
    data = b"".join(header(b"m%d" % n, b"0", 0) for n in range(60)) + END
    with pytest.raises(LimitError, match="more than 50 members"):
        load(store, write(data))


def test_a_long_name_of_an_unrelated_member_is_no_obstacle(
    store: Store, write: Callable[[bytes], str]
) -> None:
    members = [Member("d/" * 200 + "x", b"1"), *classic()]
    assert load(store, write(archive_of(*members)))[0][1].id == PLAIN.id


def test_special_files_in_a_layout_are_not_waited_for(store: Store, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    unpack(layout, layout_members(GZIP))
    blob = layout / "blobs" / "sha256" / hex_of(GZIP.layers[0].data)
    blob.unlink()
    os.mkfifo(blob)
    with pytest.raises(CorruptError, match="not a regular file"):
        load(store, layout)


@pytest.mark.parametrize(
    ("path", "error"),
    [("missing.tar", NotFoundError), ("nul\0byte", FastlayersError), ("", FastlayersError)],
)
def test_paths_that_cannot_be_read(
    store: Store, tmp_path: Path, path: str, error: type[FastlayersError]
) -> None:
    with pytest.raises(error):
        load(store, os.path.join(tmp_path, path) if path else path)


def test_an_empty_folder_is_no_layout(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorruptError, match="not an image archive or layout"):
        load(store, tmp_path / "empty")


def test_a_failure_in_the_second_image_registers_none(
    store: Store, write: Callable[[bytes], str]
) -> None:
    members = [
        docker_json(
            {"Config": "one", "RepoTags": ["one:1"], "Layers": ["a"]},
            {"Config": "two", "RepoTags": ["two:1"], "Layers": ["bad"]},
        ),
        Member("one", config_of([A])),
        Member("two", config_of([B])),
        Member("a", A),
        Member("bad", A + b"x"),
    ]
    with pytest.raises(CorruptError):
        load(store, write(archive_of(*members)))
    assert store.images() == []


@pytest.mark.parametrize(("limit", "expected"), [("1m", False), ("1048576", False), ("2m", True)])
def test_what_expands_too_far_is_refused(
    store: Store,
    write: Callable[[bytes], str],
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    expected: bool,
) -> None:
    monkeypatch.setenv("FASTLAYERS_MAX_LAYER_SIZE", limit)
    bomb = image_of([Blob.gzip(header(b"f", b"0", 1 << 20) + bytes(1 << 20) + END)])
    assert len(bomb.layers[0].data) < 5000
    path = write(archive_of(*layout_members(bomb, {"org.opencontainers.image.ref.name": "b:1"})))
    if expected:
        assert len(load(store, path)) == 1
        return
    with pytest.raises(LimitError, match="expands to more than 1048576 bytes"):
        load(store, path)
    assert store.images() == []
    assert leftovers(store) == []


@pytest.mark.parametrize("limit", ["much", "1.5g", "-1", "0", "99999999t", "1gb"])
def test_a_bound_that_is_no_size_is_refused(
    store: Store, write: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setenv("FASTLAYERS_MAX_LAYER_SIZE", limit)
    with pytest.raises(InvalidError, match="FASTLAYERS_MAX_LAYER_SIZE is no size"):
        load(store, write(archive_of(*classic())))
