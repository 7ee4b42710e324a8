"""Images of a store: names, IDs, history, removal and garbage. Nothing is mounted here."""

from __future__ import annotations

import io
import json
import os
import tarfile
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from fastlayers import _core
from fastlayers.errors import (
    ConflictError,
    CorruptError,
    FastlayersError,
    InvalidError,
    NotFoundError,
)
from fastlayers.image import Image
from fastlayers.oci.document import (
    MEDIA_OCI_CONFIG,
    MEDIA_OCI_LAYER,
    MEDIA_OCI_MANIFEST,
    Descriptor,
    History,
    ImageConfig,
    Manifest,
    RuntimeConfig,
)
from fastlayers.store import Store

DIGEST = "sha256:" + "d" * 64


def layer(store: Store, files: dict[str, bytes | str]) -> _core.LayerInfo:
    """A layer in the store; text stands for the target of a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name.rstrip("/"))
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    ingest = _core.Ingest(store.root)
    ingest.write(buffer.getvalue())
    return ingest.finish()


def add(
    store: Store,
    names: Sequence[str] = (),
    *layers: dict[str, bytes | str],
    created: str = "2024-01-01T00:00:00Z",
    repo_digest: str | None = None,
) -> Image:
    """An image of these layers."""
    store.prepare()
    with store.working():
        infos = [layer(store, files) for files in layers]
        config = ImageConfig.build(
            architecture="amd64",
            os="linux",
            created=created,
            runtime=RuntimeConfig({"Env": ["A=1"]}),
            diff_ids=[info.diff_id for info in infos],
            history=[History(created, f"step {number}") for number in range(len(infos))],
        )
        _core.put_blob(store.root, config.raw)
        manifest = Manifest.build(
            Descriptor(MEDIA_OCI_CONFIG, config.digest, len(config.raw)),
            [Descriptor(MEDIA_OCI_LAYER, info.digest, info.size) for info in infos],
        )
        return store.add_image(manifest.raw, MEDIA_OCI_MANIFEST, list(names), repo_digest)


def blobs(store: Store) -> set[str]:
    return set(os.listdir(os.path.join(store.root, "blobs", "sha256")))


def test_looking_at_a_store_that_is_not_there_makes_none(store: Store) -> None:
    assert store.images() == []
    assert store.containers(all=True) == []
    assert store.try_image("x") is None
    assert not os.path.exists(store.root)


def test_the_store_is_an_oci_layout(store: Store) -> None:
    add(store, ["app"], {"f": b"x"})
    layout = json.loads(Path(store.root, "oci-layout").read_text())
    index = json.loads(Path(store.root, "index.json").read_text())
    assert layout == {"imageLayoutVersion": "1.0.0"}
    assert index["schemaVersion"] == 2
    annotations = index["manifests"][0]["annotations"]
    assert annotations == {"org.opencontainers.image.ref.name": "docker.io/library/app:latest"}
    assert index["manifests"][0]["platform"] == {"architecture": "amd64", "os": "linux"}


@pytest.mark.parametrize(
    "text", ["app", "app:latest", "docker.io/library/app:latest", "library/app", "ID", "SHORT",
             "PREFIX", "HEX"],
)  # fmt: skip
def test_an_image_is_found_by_every_name_it_has(store: Store, text: str) -> None:
    image = add(store, ["app"], {"f": b"x"})
    forms = {"ID": image.id, "SHORT": image.short_id, "PREFIX": image.id[7:10], "HEX": image.id[7:]}
    assert store.image(forms.get(text, text)) == image
    assert Image.get(forms.get(text, text), store) == image


def test_an_image_that_is_not_there_is_named(store: Store) -> None:
    add(store, ["app"], {"f": b"x"})
    for text in ("nope", "app:2", "0" * 12, "sha256:" + "0" * 64, "A b", "", "..", "sha256:"):
        with pytest.raises(NotFoundError, match="No such image: "):
            store.image(text)
    with pytest.raises(NotFoundError, match=r"^No such image: nope:latest$"):
        store.image("nope")


def test_a_beginning_that_fits_several_ids_is_refused(store: Store) -> None:
    images = [add(store, [], {"f": str(number).encode()}) for number in range(17)]
    first = [image.id[7] for image in images]
    double = next(digit for digit in first if first.count(digit) > 1)
    with pytest.raises(InvalidError, match="Multiple IDs found with provided prefix"):
        store.image(double)


def test_an_image_tells_all_about_itself(store: Store) -> None:
    image = add(store, ["me/app:1", "app"], {"a": b"12"}, {"b": b"345", "d/": b""})
    assert image.names == ("docker.io/me/app:1", "docker.io/library/app:latest")
    assert image.tags == ("me/app:1", "app:latest")
    assert image.size == 5
    assert [one.content_size for one in image.layers] == [2, 3]
    assert [one.diff_id for one in image.layers] == list(image.config.diff_ids)
    rows = image.history()
    assert [(row.id, row.created_by, row.size) for row in rows] == [
        (image.id, "step 1", 3),
        ("<missing>", "step 0", 2),
    ]
    shown = image.inspect()
    assert shown["Id"] == image.id
    assert shown["RepoTags"] == ["me/app:1", "app:latest"]
    assert shown["Config"]["Env"] == ["A=1"]
    assert shown["RootFS"]["Layers"] == list(image.config.diff_ids)
    with pytest.raises(AttributeError):
        image.config = None  # type: ignore[assignment]


def test_a_name_moves_to_the_newer_image(store: Store) -> None:
    old = add(store, ["app"], {"f": b"1"})
    new = add(store, ["app"], {"f": b"2"}, created="2025-01-01T00:00:00Z")
    assert store.image("app") == new
    assert old.names == ()
    assert store.images() == [new, old]
    store.tag(old, "app")
    assert (store.image("app"), new.names) == (old, ())
    assert len(store.descriptors()) == 2


def test_adding_the_same_image_again_changes_nothing(store: Store) -> None:
    for names in ([], ["app"], ["app"], []):
        add(store, names, {"f": b"1"})
    assert len(store.descriptors()) == 1
    assert store.images()[0].tags == ("app:latest",)


def test_names_by_digest_are_kept(store: Store) -> None:
    image = add(store, [], {"f": b"1"}, repo_digest=f"app@{DIGEST}")
    assert store.image(f"app@{DIGEST}") == image
    again = add(store, ["app:1"], {"f": b"1"}, repo_digest=f"app@{DIGEST}")
    assert (again.tags, again.repo_digests) == (("app:1",), (f"app@{DIGEST}",))
    image.tag("other:2")
    assert store.image("other:2").repo_digests == (f"app@{DIGEST}",)
    assert store.remove_image("app:1") == ["Untagged: app:1", f"Untagged: app@{DIGEST}"]
    assert (image.tags, image.repo_digests) == (("other:2",), ())


@pytest.mark.parametrize("name", ["UP", "a b", "", f"app@{DIGEST}", "a" * 64 + "/"])
def test_a_bad_name_leaves_the_store_as_it_was(store: Store, name: str) -> None:
    image = add(store, ["app"], {"f": b"1"})
    before = store.descriptors()
    with pytest.raises(InvalidError):
        image.tag(name)
    with pytest.raises(InvalidError):
        add(store, [name], {"f": b"2"})
    assert store.descriptors() == before


def test_an_image_whose_blobs_are_missing_is_not_added(store: Store) -> None:
    image = add(store, ["app"], {"f": b"1"})
    missing = Descriptor(MEDIA_OCI_LAYER, DIGEST, 3)
    manifest = Manifest.build(image.manifest.config, [missing])
    with pytest.raises(NotFoundError, match=DIGEST):
        store.add_image(manifest.raw, MEDIA_OCI_MANIFEST, ["bad"])
    manifest = Manifest.build(image.manifest.config, [])
    with pytest.raises(CorruptError, match="has 0 layers, its config names 1"):
        store.add_image(manifest.raw, MEDIA_OCI_MANIFEST, ["bad"])
    assert store.try_image("bad") is None


def test_removing_the_last_name_removes_the_image(store: Store) -> None:
    image = add(store, ["app"], {"f": b"1"}, {"g": b"2"})
    actions = store.remove_image("app")
    assert actions[:2] == ["Untagged: app:latest", f"Deleted: {image.id}"]
    assert [line.split(":")[0] for line in actions[2:]] == ["Deleted", "Deleted"]
    assert actions[-1] == f"Deleted: {image.config.diff_ids[0]}"
    assert blobs(store) == set()
    assert os.listdir(os.path.join(store.root, "layers")) == []


def test_removing_one_of_two_names_only_untags(store: Store) -> None:
    image = add(store, ["app", "me/app:2"], {"f": b"1"})
    with pytest.raises(ConflictError, match=r"\(must be forced\) - image is referenced in"):
        store.remove_image(image.short_id)
    assert store.remove_image("app") == ["Untagged: app:latest"]
    assert store.remove_image(image.short_id)[0] == "Untagged: me/app:2"
    assert store.images() == []


def test_force_removes_all_names(store: Store) -> None:
    image = add(store, ["app", "me/app:2"], {"f": b"1"})
    assert store.remove_image(image.id, force=True)[:3] == [
        "Untagged: app:latest",
        "Untagged: me/app:2",
        f"Deleted: {image.id}",
    ]


def test_a_shared_base_stays_for_the_other_image(store: Store) -> None:
    base = add(store, ["base"], {"f": b"1"})
    app = add(store, ["app"], {"f": b"1"}, {"g": b"2"})
    actions = store.remove_image("app")
    assert f"Deleted: {base.config.diff_ids[0]}" not in actions
    assert len(actions) == 3
    assert base.read("f") == b"1"
    assert len(blobs(store)) == 3
    with pytest.raises(NotFoundError):
        store.image(app.id)


def test_garbage_of_others_at_work_is_left_to_them(store: Store) -> None:
    add(store, ["app"], {"f": b"1"})
    with store.working():
        done = threading.Thread(target=lambda: store.remove_image("app"))
        done.start()
        done.join()
        assert store.images() == []
        assert len(blobs(store)) == 3
    assert blobs(store) == set()


def test_pruning_spares_what_has_a_name(store: Store) -> None:
    add(store, ["app"], {"f": b"1"})
    nameless = add(store, [], {"f": b"2"})
    assert f"Deleted: {nameless.id}" in store.prune_images()[0]
    assert [image.tags for image in store.images()] == [("app:latest",)]
    store.prune_images(all=True)
    assert store.images() == []


def test_garbage_spares_what_is_referenced(store: Store) -> None:
    image = add(store, ["app"], {"f": b"1"})
    _core.merged_table(store.root, list(image.config.diff_ids))
    lost = _core.put_blob(store.root, b"lost")
    for name in (".dead.new", ".dead.old"):
        (Path(store.containers_directory) / name / "upper").mkdir(parents=True)
    Path(store.root, "chains", "e" * 64).mkdir()
    assert store.garbage() == 4
    assert not _core.has_blob(store.root, lost)
    assert os.listdir(store.containers_directory) == []
    assert "e" * 64 not in os.listdir(os.path.join(store.root, "chains"))
    assert image.read("f") == b"1"
    assert image.size == 1


def test_a_damaged_image_does_not_hide_the_others(store: Store) -> None:
    add(store, ["good"], {"f": b"1"})
    bad = add(store, ["bad"], {"f": b"2"})
    Path(_core.blob_path(store.root, bad.digest)).unlink()
    fresh = Store(store.root)
    assert [image.tags for image in fresh.images()] == [("good:latest",)]
    with pytest.raises(FastlayersError):
        fresh.image("bad")
    assert fresh.remove_image("bad") == ["Untagged: bad:latest"]
    assert len(fresh.descriptors()) == 1


def test_a_damaged_index_is_reported(store: Store) -> None:
    add(store, ["app"], {"f": b"1"})
    Path(store.root, "index.json").write_text("{")
    with pytest.raises(CorruptError, match=r"index\.json is not valid JSON.*damaged"):
        Store(store.root).images()


def test_layers_are_derived_anew_from_blobs(store: Store) -> None:
    import shutil

    image = add(store, ["app"], {"f": b"1"})
    for name in ("layers", "chains"):
        shutil.rmtree(os.path.join(store.root, name))
    again = Store(store.root).image("app")
    assert again.size == 1
    assert again.read("f") == b"1"
    assert again == image


@pytest.mark.needs("skopeo")
def test_a_layout_of_another_tool_becomes_a_store(store: Store, tmp_path: Path) -> None:
    import subprocess

    image = add(store, ["app"], {"f": b"1"})
    other = tmp_path / "other"
    source = f"oci:{store.root}:docker.io/library/app:latest"
    subprocess.run(["skopeo", "copy", "-q", source, f"oci:{other}:v1"], check=True)
    opened = Store(str(other)).image("v1")
    assert opened.id == image.id
    assert opened.read("f") == b"1"
    opened.tag("mine:2")
    assert opened.tags == ("v1:latest", "mine:2")


def test_names_from_other_tools_are_understood(store: Store) -> None:
    image = add(store, ["app"], {"f": b"1"})
    path = Path(store.root, "index.json")
    text = path.read_text().replace("docker.io/library/app:latest", "v1")
    path.write_text(text[:-1] + ',"annotations":{"by":"another"}}')
    assert store.image("v1") == image
    image.tag("mine")
    assert json.loads(path.read_text())["annotations"] == {"by": "another"}
    assert store.remove_image("v1") == ["Untagged: v1:latest"]


def test_several_processes_may_name_images_at_once(store: Store) -> None:
    image = add(store, ["app"], {"f": b"1"})

    def name(worker: int) -> None:
        own = Store(store.root)
        for number in range(10):
            own.tag(own.image("app"), f"w{worker}:{number}")

    workers = [threading.Thread(target=name, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(image.names) == 41


FILES: dict[str, bytes | str] = {
    "etc/passwd": b"root",
    "usr/bin/env": b"env",
    "bin": "usr/bin",
    "abs": "/etc/passwd",
    "up": "../../../../etc/passwd",
    "usr/rel": "../etc/./passwd",
    "loop": "loop",
    "dangling": "nowhere",
    "empty": b"",
    "usr/dots": "..",
}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/etc/passwd", b"root"),
        ("etc//./passwd", b"root"),
        (b"/bin/env", b"env"),
        ("/abs", b"root"),
        ("/up", b"root"),
        ("/usr/rel", b"root"),
        ("/../../etc/passwd", b"root"),
        ("/usr/bin/../../etc/passwd", b"root"),
        ("/bin/../../etc/passwd", b"root"),
        ("/usr/dots/etc/passwd", b"root"),
        ("/empty", b""),
    ],
)
def test_files_are_read_inside_the_root(store: Store, path: str | bytes, content: bytes) -> None:
    assert add(store, ["app"], FILES).read(path) == content


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/etc", InvalidError),
        ("/", InvalidError),
        ("", InvalidError),
        ("/loop", InvalidError),
        ("/dangling", NotFoundError),
        ("/nope", NotFoundError),
        ("/etc/passwd/x", NotFoundError),
        ("/etc/passwd/", NotFoundError),
        ("/etc/passwd/.", NotFoundError),
        ("/etc/passwd/..", NotFoundError),
        ("/nope/../etc/passwd", NotFoundError),
    ],
)
def test_what_cannot_be_read_is_said(store: Store, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        add(store, ["app"], FILES).read(path)


def test_the_file_table_shows_the_merged_tree(store: Store) -> None:
    from fastlayers.analysis import find_duplicates
    from fastlayers.analysis.files import KINDS, NO_PARENT, directory_sizes

    image = add(
        store,
        ["app"],
        {"a/x": b"same", "a/gone": b"12", "z": b"same", "link": "z"},
        {"a/.wh.gone": b"", "a/y": b"other", "w": b"same"},
    )
    rows = image.files()
    paths = [path.decode() for path in rows.paths()]
    assert paths == ["/", "/a", "/a/x", "/a/y", "/link", "/w", "/z"]
    assert [KINDS[kind] for kind in rows["kind"]] == [
        "directory", "directory", "file", "file", "symlink", "file", "file",
    ]  # fmt: skip
    assert rows["layer"][paths.index("/a/y")] == 1
    assert rows.links()[paths.index("/link")] == b"z"
    assert rows["parent"].tolist() == [NO_PARENT, 0, 1, 1, 0, 0, 0]
    assert directory_sizes(rows).tolist() == [17, 9, 4, 5, 0, 4, 4]
    (group,) = find_duplicates([image])
    assert group.places == ((0, "/a/x"), (0, "/w"), (0, "/z"))
    assert str(rows.times()[2]) == "1970-01-01T00:00:00.000000000"
