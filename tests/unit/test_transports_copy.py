"""`copy`: from every kind of place to every other, with every digest as it was."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fastlayers.errors import (
    ConflictError,
    CorruptError,
    DigestMismatchError,
    FastlayersError,
    InvalidError,
    NotFoundError,
    UnsupportedError,
)
from fastlayers.store import Store
from fastlayers.transports import copy, load, pull
from fastlayers.transports.location import Location
from fastlayers.transports.source import Event
from tests.archive_shapes import classic
from tests.fake_registry import Answer, FakeRegistry
from tests.image_parts import (
    INDEX,
    Blob,
    archive_of,
    image_of,
    index_of,
    index_row,
    layer_tar,
)
from tests.oci_layout import digest_of

IMAGE = image_of([Blob.gzip(layer_tar("a")), Blob.gzip(layer_tar("b", 2 << 20))])
ARM = image_of([Blob.gzip(layer_tar("arm"))], "arm64")
PLACES = ("docker", "docker-archive", "oci", "oci-archive", "store")


@pytest.fixture(autouse=True)
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setattr("fastlayers.transports.session._FIRST_DELAY_SECONDS", 0.005)


@pytest.fixture
def place(registry: FakeRegistry, tmp_path: Path) -> Callable[[str, str], str]:
    def spell(kind: str, name: str) -> str:
        """A place of a kind for an image called `name`."""
        if kind == "docker":
            return f"docker://{registry.host}/{name}:1"
        if kind == "store":
            return f"store:{name}:1"
        return f"{kind}:{tmp_path}/{name}.{kind}:{name}:1"

    return spell


@pytest.mark.parametrize(("source", "target"), list(itertools.product(PLACES, PLACES)))
def test_every_place_to_every_other(
    registry: FakeRegistry, store: Store, place: Callable[[str, str], str], source: str, target: str
) -> None:
    registry.publish(IMAGE, "first")
    begin, end = place(source, "begin"), place(target, "end")
    digest = digest_of(IMAGE.manifest)
    assert copy(store, f"docker://{registry.host}/first:first", begin) == digest
    assert copy(store, begin, end) == digest
    # The last place is read by what reads such places otherwise.
    fresh = Store(store.root + "-fresh")
    if target == "docker":
        image = pull(fresh, end.removeprefix("docker://"))
    elif target == "store":
        image = store.image("end:1")
    else:
        path = end.split(":")[1]
        if target != "oci":
            path = Path(path)  # type: ignore[assignment]
        [(name, image)] = load(fresh, path)
        assert name == "end:1"
    assert (image.id, image.digest) == (IMAGE.id, digest)


def multi(registry: FakeRegistry) -> bytes:
    """An index of two platforms and an attestation; published as app:multi."""
    note = image_of([Blob.gzip(layer_tar("note"))], "unknown")
    attached = {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    for parts in (IMAGE, ARM, note):
        registry.publish(parts, "unused")
    raw = index_of(
        [index_row(IMAGE, "amd64"), index_row(ARM, "arm64"), index_row(note, "unknown", **attached)]
    )
    registry.put_manifest("multi", raw, INDEX)
    return raw


@pytest.mark.parametrize("kind", ["docker", "oci", "oci-archive"])
def test_an_index_is_copied_whole(
    registry: FakeRegistry, store: Store, place: Callable[[str, str], str], kind: str
) -> None:
    raw = multi(registry)
    target = place(kind, "end")
    source = f"docker://{registry.host}/app:multi"
    assert copy(store, source, target, every_platform=True) == digest_of(raw)
    with FakeRegistry().running() as other:
        again = f"docker://{other.host}/app:again"
        assert copy(store, target, again, every_platform=True) == digest_of(raw)
        assert other.manifests["again"] == (raw, INDEX)
        assert set(registry.manifests) - {"unused", "multi", "1"} == set(other.manifests) - {
            "again"
        }
        assert set(other.blobs) == set(registry.blobs)


def test_of_an_index_one_platform_is_copied(registry: FakeRegistry, store: Store) -> None:
    multi(registry)
    for platform, parts in (("linux/amd64", IMAGE), ("linux/arm64", ARM)):
        with FakeRegistry().running() as other:
            target = f"docker://{other.host}/app:1"
            source = f"docker://{registry.host}/app:multi"
            assert copy(store, source, target, platform=platform) == digest_of(parts.manifest)
            assert set(other.blobs) == {parts.id, *(digest_of(x.data) for x in parts.layers)}
    with pytest.raises(NotFoundError, match="s390x"):
        copy(store, f"docker://{registry.host}/app:multi", f"docker://{registry.host}/x",
             platform="linux/s390x")  # fmt: skip


def test_within_a_registry_blobs_are_mounted(registry: FakeRegistry, store: Store) -> None:
    registry.publish(IMAGE)
    registry.hooks.append(lambda r: Answer(404) if r.method == "HEAD" else None)
    registry.mountable.add("from")
    events: list[Event] = []
    copy(store, f"docker://{registry.host}/from", f"docker://{registry.host}/to",
         progress=events.append)  # fmt: skip
    assert [(event.kind, event.source) for event in events] == [("mounted", "from")] * 2
    assert len([r for r in registry.requests if r.method == "PATCH"]) == 1


def test_a_classic_archive_gets_a_manifest(
    registry: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    archive = tmp_path / "classic.tar"
    archive.write_bytes(archive_of(*classic()))
    digest = copy(store, f"docker-archive:{archive}:app:1", f"docker://{registry.host}/app:1")
    manifest = json.loads(registry.manifests["1"][0])
    assert digest_of(registry.manifests["1"][0]) == digest
    [(_, image)] = load(store, archive)
    assert manifest["config"]["digest"] == image.id
    assert pull(Store(store.root + "-fresh"), f"{registry.host}/app:1").id == image.id


def test_a_layout_keeps_its_other_images(
    registry: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    registry.publish(IMAGE, "one")
    registry.publish(ARM, "two")
    layout = tmp_path / "layout"
    for tag in ("one", "two", "two"):
        copy(store, f"docker://{registry.host}/app:{tag}", f"oci:{layout}:{tag}")
    index = json.loads((layout / "index.json").read_text())
    names = [row["annotations"]["org.opencontainers.image.ref.name"] for row in index["manifests"]]
    assert names == ["one", "two"]
    copy(store, f"docker://{registry.host}/app:two", f"oci:{layout}:one")
    with pytest.raises(InvalidError, match="has several images: say which of one, two"):
        registry.publish(IMAGE, "three")
        copy(store, f"docker://{registry.host}/app:three", f"oci:{layout}:one")
        copy(store, f"oci:{layout}", f"docker://{registry.host}/app:which")
    assert [name for name in os.listdir(layout / "blobs/sha256") if len(name) != 64] == []


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive", "docker", "store"])
def test_a_lying_blob_leaves_nothing(
    registry: FakeRegistry,
    store: Store,
    place: Callable[[str, str], str],
    tmp_path: Path,
    kind: str,
) -> None:
    registry.publish(IMAGE, "bad")
    digest = digest_of(IMAGE.layers[1].data)
    registry.blobs[digest] = registry.blobs[digest][:-1] + b"!"
    with FakeRegistry().running() as other:
        target = f"docker://{other.host}/end" if kind == "docker" else place(kind, "end")
        with pytest.raises(FastlayersError) as failure:
            copy(store, f"docker://{registry.host}/app:bad", target)
        assert other.manifests == {} and digest not in other.blobs
    if kind != "docker":
        assert isinstance(failure.value, CorruptError)
    assert store.images() == []
    assert not (tmp_path / "end.oci-archive").exists()
    assert not (tmp_path / "end.docker-archive").exists()
    assert not (tmp_path / "end.oci" / "index.json").exists()


def test_of_a_copy_that_fails_nothing_stays_in_a_layout(
    registry: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    """Others in it do, and what another copy may count on meanwhile."""
    good = image_of([Blob.gzip(layer_tar("a"))])
    bad = image_of([Blob.gzip(layer_tar("b")), Blob.gzip(layer_tar("c", 50_000))])
    registry.publish(good, "good")
    registry.publish(bad, "bad")
    layout = tmp_path / "layout"
    copy(store, f"docker://{registry.host}/app:good", f"oci:{layout}:good")
    before = sorted(layout.rglob("*"))
    registry.blobs[digest_of(bad.layers[1].data)] = b"x" * len(bad.layers[1].data)
    source = f"docker://{registry.host}/app:bad"
    for target in (layout, tmp_path / "new"):
        with pytest.raises(DigestMismatchError, match=f"{registry.host}/app:bad: layer sha256:"):
            copy(store, source, f"oci:{target}:bad")
    assert sorted(layout.rglob("*")) == before
    assert not (tmp_path / "new").exists()
    other = os.open(layout, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(other, fcntl.LOCK_SH)  # as a copy that goes on at the same time
    with pytest.raises(DigestMismatchError):
        copy(store, source, f"oci:{layout}:bad")
    os.close(other)
    assert set(layout.rglob("*")) >= set(before)
    assert json.loads((layout / "index.json").read_bytes())["manifests"][1:] == []


def test_a_layer_that_breaks_off_is_gone_on_with(registry: FakeRegistry, store: Store) -> None:
    """The download and the upload each where they were."""
    registry.publish(IMAGE)
    digest = digest_of(IMAGE.layers[1].data)
    cuts = [1 << 20]
    takes = [1 << 19]
    registry.hooks.append(
        lambda r: Answer(body=IMAGE.layers[1].data, cut=cuts.pop())
        if cuts and r.method == "GET" and digest in r.path else None
    )  # fmt: skip
    with FakeRegistry().running() as other:
        other.patch_hooks.append(
            lambda r: Answer(take=takes.pop())
            if takes and int(r.headers["Content-Length"]) > 1 << 20 else None
        )  # fmt: skip
        copy(store, f"docker://{registry.host}/app", f"docker://{other.host}/app")
        assert pull(store, f"{other.host}/app").id == IMAGE.id
    assert not cuts and not takes


def test_what_cannot_be_copied(registry: FakeRegistry, store: Store, tmp_path: Path) -> None:
    multi(registry)
    source = f"docker://{registry.host}/app:multi"
    taken = tmp_path / "taken.tar"
    taken.write_bytes(b"something")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    for wanted, error, words in (
        (f"oci-archive:{taken}", ConflictError, "is there already"),
        (f"oci:{tmp_path}/folder", ConflictError, "other things in it"),
        (f"oci:{tmp_path}/absent/x", NotFoundError, "no such directory"),
        (f"docker-archive:{tmp_path}/x.tar", UnsupportedError, "leave --all out"),
        ("store:x", InvalidError, "leave --all out"),
    ):
        with pytest.raises(error, match=words):
            copy(store, source, wanted, every_platform=True)
    assert taken.read_bytes() == b"something"
    for begin, words in (
        (f"oci:{tmp_path}/absent", "no such file or directory"),
        ("store:absent", "No such image: absent"),
        (f"docker://{registry.host}/app:absent", "not found"),
    ):
        with pytest.raises(NotFoundError, match=words):
            copy(store, begin, f"oci:{tmp_path}/made:x")
    assert sorted(os.listdir(tmp_path)) == ["folder", "store", "taken.tar"]


@pytest.mark.parametrize(
    ("text", "transport", "path", "name"),
    [
        ("docker://a/b:c", "docker", "", "a/b:c"),
        ("oci:/x/y", "oci", "/x/y", ""),
        ("oci:x:a/b:c", "oci", "x", "a/b:c"),
        ("docker-archive:x.tar:a:1", "docker-archive", "x.tar", "a:1"),
        ("app:1", "store", "", "app:1"),
        ("store:app", "store", "", "app"),
        ("containers-storage:app", "store", "", "app"),
        ("localhost:5000/app", "store", "", "localhost:5000/app"),
    ],
)
def test_places_are_spelled_as_skopeo_does(text: str, transport: str, path: str, name: str) -> None:
    assert Location.parse(text) == (transport, path, name)


@pytest.mark.parametrize(
    "text", ["docker:a", "docker://", "docker://A", "oci:", "oci::x", "", "store:"]
)
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(InvalidError):
        Location.parse(text)
