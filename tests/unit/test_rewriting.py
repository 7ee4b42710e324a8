"""Images made of images: what becomes of config, history, manifest, names and layers."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest

from fastlayers import _core
from fastlayers.cli import main
from fastlayers.errors import InvalidError, NotFoundError
from fastlayers.image import Image
from fastlayers.oci import media_type
from fastlayers.store import Store
from fastlayers.transports import load, save
from tests.image_parts import Blob, Parts, archive_of, image_of, layer_tar, layout_members

ROWS = [
    {"created": "2020-01-01T00:00:00Z", "created_by": "base"},
    {"created": "2020-01-02T00:00:00Z", "created_by": "ENV", "empty_layer": True},
    {"created": "2020-01-03T00:00:00Z", "created_by": "middle"},
    {"created": "2020-01-04T00:00:00Z", "created_by": "top"},
]
LAYERS = [Blob.gzip(layer_tar("a")), Blob.plain(layer_tar("b")), Blob.gzip(layer_tar("c", 300_000))]
MADE = "2020-01-05T00:00:00Z"
APP = image_of(LAYERS, created=MADE, history=ROWS, container="0123", odd=1)
BASE = image_of(LAYERS[:1], history=ROWS[:2])
NEWER = image_of([Blob.gzip(layer_tar("a2")), Blob.gzip(layer_tar("a3"))], history=ROWS[:1] * 2)
REF = "org.opencontainers.image.ref.name"


def put(store: Store, parts: Parts, name: str) -> Image:
    return load(store, io.BytesIO(archive_of(*layout_members(parts, {REF: name}))))[0][1]


@pytest.fixture
def app(store: Store) -> Image:
    return put(store, APP, "app:1")


def steps(image: Image) -> list[tuple[str, bool]]:
    return [(step.created_by or step.comment, step.empty_layer) for step in image.config.history]


def contents(image: Image) -> list[tuple[Any, ...]]:
    files = image.files()
    columns = [files[name] for name in ("kind", "mode", "uid", "gid", "size", "xxh3")]
    return list(
        zip(files.paths(), files.times(), *(column.tolist() for column in columns), strict=True)
    )


@pytest.mark.parametrize(
    ("start", "stop", "history"),
    [
        (0, None, [("base", True), ("ENV", True), ("middle", True), ("top", True),
                   ("squashed 3 layers", False)]),
        (0, 2, [("base", True), ("ENV", True), ("middle", True), ("squashed 2 layers", False),
                ("top", False)]),
        (1, 3, [("base", False), ("ENV", True), ("middle", True), ("top", True),
                ("squashed 2 layers", False)]),
        (-1, None, [("base", False), ("ENV", True), ("middle", False), ("top", True),
                    ("squashed 1 layer", False)]),
    ],
)  # fmt: skip
def test_a_range_is_squashed(
    app: Image, start: int, stop: int | None, history: list[tuple[str, bool]]
) -> None:
    made = app.squash("app:squashed", start=start, stop=stop)
    assert made.tags == ("app:squashed",)
    assert steps(made) == history
    assert [size.size for size in made.history()].count(0) == [x for _, x in history].count(True)
    first, end, _ = slice(start, stop).indices(3)
    kept = [*app.config.diff_ids[:first], *app.config.diff_ids[end:]]
    assert [x for x in made.config.diff_ids if x in kept] == kept
    assert len(made.layers) == len(kept) + 1
    # The blobs of the layers that stay do, as they are.
    assert set(made.manifest.layers) >= {*app.manifest.layers[:first], *app.manifest.layers[end:]}
    assert contents(made) == contents(app)
    document = json.loads(made.config.raw)
    assert (document["odd"], document["config"]) == (1, {"Cmd": ["/bin/sh"]})
    assert "container" not in document  # Docker's word for what another image was made from
    assert made.created == app.created
    events: list[Any] = []
    again = app.squash(start=start, stop=stop, progress=events.append)
    assert [event.kind for event in events] == ["start", "done"]
    assert (again.id, again.digest) == (made.id, made.digest)


def test_squashing_no_layer_is_refused(app: Image) -> None:
    for start, stop in ((3, None), (2, 1), (1, 1)):
        with pytest.raises(InvalidError, match="no layers to squash"):
            app.squash(start=start, stop=stop)


def test_history_that_is_wrong_is_no_obstacle(store: Store) -> None:
    """History is for people: too few steps, too many, or none."""
    for history in ([], ROWS[:1], ROWS * 2):
        image = put(store, image_of(LAYERS, history=history), "odd:1")
        assert len(image.squash(start=1).layers) == 2
        assert len(image.rebase(onto=put(store, NEWER, "new:1"), base=put(store, BASE, "b"))
                   .layers) == 4  # fmt: skip


def test_source_date_epoch(app: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    before = app.flatten()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    made = app.flatten()
    assert made.created == made.config.history[-1].created == "1970-01-02T00:00:00Z"
    assert (before.created, before.config.history[-1].created) == (MADE, ROWS[-1]["created"])
    assert made.config.diff_ids == before.config.diff_ids  # all files are older than that


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_converting_keeps_the_image_id(app: Image, compression: Any, tmp_path: Any) -> None:
    events: list[Any] = []
    made = app.convert("app:2", compression=compression, progress=events.append)
    assert made.id == app.id == APP.id
    assert made.digest != app.digest
    assert made.tags == ("app:1", "app:2")
    kind = media_type.LAYER_TYPES[compression]
    assert [layer.media_type for layer in made.manifest.layers] == [kind] * 3
    kept = sum(a == b for a, b in zip(made.manifest.layers, app.manifest.layers, strict=True))
    assert kept == {"gzip": 2, "zstd": 0, "none": 1}[compression]
    assert [event.kind for event in events].count("done") == {"gzip": 1, "zstd": 3, "none": 0}[
        compression
    ]
    # What the names stand for is what is written: each its own manifest and blobs.
    for name, manifest in (("app:1", app.manifest), ("app:2", made.manifest)):
        assert Image.get(name, app.store).manifest.raw == manifest.raw
    save(app.store, [(Image.get("app:2", app.store), ["app:2"])], tmp_path / "out.tar")
    fresh = Store(str(tmp_path / "fresh"))
    assert load(fresh, tmp_path / "out.tar")[0][1].manifest.raw == made.manifest.raw
    again = app.convert("app:3", compression=compression)
    assert again.digest == made.digest


def test_converting_in_place(app: Image) -> None:
    made = app.convert(compression="zstd")
    assert Image.get("app:1", app.store).digest == made.digest
    assert len(app.store.images()) == 1
    app.store.garbage()
    assert not _core.has_blob(app.store.root, app.manifest.layers[0].digest)
    assert Image.get("app:1", app.store).convert(compression="zstd").digest == made.digest


def test_a_level_means_that_all_are_compressed_anew(app: Image) -> None:
    made = app.convert("app:9", compression="gzip", level=9)
    assert set(made.manifest.layers).isdisjoint(app.manifest.layers)
    for layer, blob in zip(made.manifest.layers, LAYERS, strict=True):
        data = _core.read_blob(app.store.root, layer.digest, 1 << 20)
        assert gzip.decompress(data) == blob.tar
        assert len(data) == layer.size


def test_converting_what_has_no_name_wants_one(app: Image) -> None:
    app.store.untag("app:1")
    with pytest.raises(InvalidError, match="the image has no name"):
        app.convert(compression="zstd")
    with pytest.raises(InvalidError, match="unknown compression 'xz'"):
        app.convert("a:b", compression="xz")  # type: ignore[arg-type]
    assert app.convert("a:b", compression="zstd").tags == ("a:b",)


def test_rebase(app: Image, store: Store) -> None:
    base, newer = put(store, BASE, "base:1"), put(store, NEWER, "base:2")
    made = app.rebase("app:rebased", onto=newer, base=base)
    assert made.config.diff_ids == (*newer.config.diff_ids, *app.config.diff_ids[1:])
    assert made.manifest.layers == (*newer.manifest.layers, *app.manifest.layers[1:])
    assert steps(made) == [("base", False), ("base", False), ("middle", False), ("top", False)]
    assert made.config.runtime.cmd == ("/bin/sh",)
    assert made.manifest.annotations == {
        "org.opencontainers.image.base.name": "docker.io/library/base:2",
        "org.opencontainers.image.base.digest": newer.digest,
    }
    # What it was built on is known from now on.
    back = made.rebase(onto=base)
    assert back.config.diff_ids == app.config.diff_ids
    assert steps(back) == steps(app)


def test_rebase_refuses_what_does_not_fit(app: Image, store: Store) -> None:
    base, newer = put(store, BASE, "base:1"), put(store, NEWER, "base:2")
    with pytest.raises(InvalidError, match="app:1 is not built on base:2"):
        app.rebase(onto=base, base=newer)
    with pytest.raises(InvalidError, match="does not say which image here it was built on"):
        app.rebase(onto=newer)
    arm = put(store, image_of(LAYERS[:1], "arm64"), "base:arm")
    with pytest.raises(InvalidError, match="base:arm is for linux/arm64, app:1 for linux/amd64"):
        app.rebase(onto=arm, base=base)


def test_the_commands(
    app: Image, store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTLAYERS_ROOT", store.root)
    put(store, BASE, "base:1")
    put(store, NEWER, "base:2")

    def lines(*words: str) -> list[str]:
        assert main(list(words)) == 0
        return capsys.readouterr().out.splitlines()

    expected = {
        ("flatten",): app.flatten().id,
        ("squash",): app.flatten().id,
        ("squash", "--layers", "2-"): app.squash(start=1).id,
        ("squash", "--layers", "-2"): app.squash(stop=2).id,
        ("squash", "--layers", "1-2"): app.squash(stop=2).id,
        ("squash", "--layers", "3"): app.squash(start=2).id,
        ("squash", "--base", "base:1"): app.squash(start=1).id,
    }
    for words, image_id in expected.items():
        assert lines(*words, "app:1", "new:1", "new:2") == [image_id]
        for name in ("new:1", "new:2"):
            assert store.image(name).id == image_id
    [image_id] = lines("rebase", "--new-base", "base:2", "--old-base", "base:1", "app:1", "new:3")
    assert store.image("new:3").id == image_id
    out = lines("convert", "--compression-format", "zstd", "app:1", "zstd:1")
    assert out[-1] == store.image("zstd:1").digest
    assert any("Converted" in line for line in out)
    assert lines("convert", "-q", "--compression-format", "zstd", "zstd:1") == out[-1:]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["squash", "--layers", "0-2", "app:1"], "--layers is a range of layers like 2-4 or 3-"),
        (["squash", "--layers", "-", "app:1"], "--layers is a range"),
        (["squash", "--layers", "4-", "app:1"], "no layers to squash"),
        (["squash", "--layers", "1-2", "--base", "app:1", "app:1"], "exclude each other"),
        (["squash", "--base", "base:1", "app:1"], "app:1 is not built on base:1"),
        (["squash", "app:1", "UPPER"], "must be lowercase"),
        (["flatten", "no:such"], "No such image: no:such"),
        (["rebase", "app:1"], "say with --new-base"),
        (["convert", "app:1"], "say with --compression-format"),
        (["convert", "--compression-format", "xz", "app:1"], "unknown compression 'xz'"),
        (
            ["convert", "--compression-format", "gzip", "--compression-level", "99", "app:1"],
            "level",
        ),
    ],
)
def test_what_the_commands_refuse(
    app: Image,
    store: Store,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    error: str,
) -> None:
    monkeypatch.setenv("FASTLAYERS_ROOT", store.root)
    put(store, NEWER, "base:1")
    names = [image.names for image in store.images()]
    assert main(words) != 0
    assert error in capsys.readouterr().err
    assert [image.names for image in store.images()] == names


def test_a_layer_that_is_missing_is_said(app: Image, store: Store) -> None:
    import os

    os.unlink(_core.blob_path(store.root, app.config.diff_ids[0]))
    os.unlink(_core.blob_path(store.root, app.manifest.layers[0].digest))
    with pytest.raises(NotFoundError, match="pull or load the image again"):
        app.flatten()
