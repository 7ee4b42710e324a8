"""`copy --referrers`: what refers to an image comes along, and what is not so is refused."""

from __future__ import annotations

import itertools
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastlayers.errors import (
    ConflictError,
    CorruptError,
    FastlayersError,
    LimitError,
    RegistryError,
    UnsupportedError,
)
from fastlayers.store import Store
from fastlayers.transports import copy, load
from tests.artifact import EMPTY, Artifact, artifact_of
from tests.fake_registry import Answer, FakeRegistry, error
from tests.image_parts import INDEX, Blob, image_of, index_of, index_row, layer_tar
from tests.oci_layout import MANIFEST, digest_of

IMAGE = image_of([Blob.gzip(layer_tar("a"))])
ARM = image_of([Blob.gzip(layer_tar("arm"))], "arm64")
SBOM = artifact_of(IMAGE.manifest, "sbom/example", "parts of it")
SIGNATURE = artifact_of(IMAGE.manifest, "signature/example", "signed")
# Of the SBOM: a referrer of a referrer.
SBOM_SIGNATURE = artifact_of(SBOM.manifest, "signature/example", "signed as well")
ARTIFACTS = (SBOM, SIGNATURE, SBOM_SIGNATURE)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastlayers.transports.session._FIRST_DELAY_SECONDS", 0.005)


def attach(registry: FakeRegistry, *artifacts: Artifact) -> None:
    """Puts artifacts into a registry that lists them itself."""
    registry.put_blob(EMPTY)
    for artifact in artifacts:
        registry.put_blob(artifact.data)
        digest = digest_of(artifact.manifest)
        registry.manifests[digest] = (artifact.manifest, MANIFEST)


def tag_of(raw: bytes) -> str:
    return digest_of(raw).replace(":", "-")


def listed(registry: FakeRegistry, raw: bytes) -> list[dict[str, Any]]:
    """The rows of the list that stands under a tag."""
    rows: list[dict[str, Any]] = json.loads(registry.manifests[tag_of(raw)][0])["manifests"]
    return rows


PLACES = ("lists", "no-lists", "oci", "oci-archive")


@pytest.mark.parametrize(("middle", "end"), list(itertools.product(PLACES, ("lists", "no-lists"))))
def test_referrers_come_along(
    registry: FakeRegistry, store: Store, tmp_path: Path, middle: str, end: str
) -> None:
    registry.referrers_per_page = 1
    registry.publish(IMAGE)
    attach(registry, *ARTIFACTS)
    with FakeRegistry().running() as between, FakeRegistry().running() as last:
        between.referrers_per_page = 5 if middle == "lists" else 0
        last.referrers_per_page = 5 if end == "lists" else 0
        place = f"docker://{between.host}/app:1"
        if middle.startswith("oci"):
            place = f"{middle}:{tmp_path}/place:app:1"
        source = f"docker://{registry.host}/app"
        digest = digest_of(IMAGE.manifest)
        assert copy(store, source, place, referrers=True) == digest
        assert copy(store, place, f"docker://{last.host}/app:1", referrers=True) == digest
        for artifact in ARTIFACTS:
            assert last.manifests[artifact.digest] == (artifact.manifest, MANIFEST)
        assert last.blobs == registry.blobs
        if end == "lists":
            assert not [name for name in last.manifests if name.startswith("sha256-")]
        else:
            rows = {row["digest"]: row for row in listed(last, IMAGE.manifest)}
            assert set(rows) == {SBOM.digest, SIGNATURE.digest}
            assert rows[SBOM.digest] == {
                "mediaType": MANIFEST,
                "digest": SBOM.digest,
                "size": len(SBOM.manifest),
                "artifactType": "sbom/example",
                "annotations": {"about": "parts of it"},
            }
            assert [row["digest"] for row in listed(last, SBOM.manifest)] == [SBOM_SIGNATURE.digest]


def test_without_the_flag_they_stay(registry: FakeRegistry, store: Store) -> None:
    registry.referrers_per_page = 1
    registry.publish(IMAGE)
    attach(registry, *ARTIFACTS)
    with FakeRegistry().running() as other:
        copy(store, f"docker://{registry.host}/app", f"docker://{other.host}/app")
        assert set(other.manifests) == {"latest", digest_of(IMAGE.manifest)}


def test_of_an_index_those_of_every_manifest(registry: FakeRegistry, store: Store) -> None:
    registry.referrers_per_page = 5
    registry.publish(IMAGE, "unused")
    registry.publish(ARM, "unused")
    raw = index_of([index_row(IMAGE, "amd64"), index_row(ARM, "arm64")])
    registry.put_manifest("multi", raw, INDEX)
    of_index = artifact_of(raw, "signature/example", "all of it", INDEX)
    of_arm = artifact_of(ARM.manifest, "signature/example", "arm")
    attach(registry, SIGNATURE, of_index, of_arm)
    with FakeRegistry().running() as other:
        source, target = f"docker://{registry.host}/app:multi", f"docker://{other.host}/app:multi"
        copy(store, source, target, every_platform=True, referrers=True)
        for subject, artifact in ((raw, of_index), (ARM.manifest, of_arm)):
            assert [row["digest"] for row in listed(other, subject)] == [artifact.digest]
        assert SIGNATURE.digest in other.manifests


def test_a_list_keeps_what_is_in_it_and_grows_once(registry: FakeRegistry, store: Store) -> None:
    registry.referrers_per_page = 5
    registry.publish(IMAGE)
    attach(registry, SBOM)
    other_row = {
        "mediaType": MANIFEST, "digest": SIGNATURE.digest, "size": len(SIGNATURE.manifest),
        "artifactType": "signature/example", "odd": {"kept": True},
    }  # fmt: skip
    tag = tag_of(IMAGE.manifest)
    with FakeRegistry().running() as other:
        other.put_manifest(tag, index_of([other_row]), INDEX)
        for _ in range(2):
            copy(store, f"docker://{registry.host}/app", f"docker://{other.host}/app",
                 referrers=True)  # fmt: skip
            rows = listed(other, IMAGE.manifest)
            assert rows[0] == other_row
            assert [row["digest"] for row in rows] == [SIGNATURE.digest, SBOM.digest]
        puts = [r for r in other.requests if r.method == "PUT" and r.path.endswith(tag)]
        assert len(puts) == 1


def test_a_layout_lists_each_once_and_still_has_one_image(
    registry: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    registry.referrers_per_page = 5
    registry.publish(IMAGE)
    attach(registry, *ARTIFACTS)
    layout = tmp_path / "layout"
    for _ in range(2):
        copy(store, f"docker://{registry.host}/app", f"oci:{layout}:app:1", referrers=True)
    rows = json.loads((layout / "index.json").read_text())["manifests"]
    assert sorted(row["digest"] for row in rows) == sorted(
        [digest_of(IMAGE.manifest), *(artifact.digest for artifact in ARTIFACTS)]
    )
    assert [row["artifactType"] for row in rows if row["digest"] == SBOM.digest] == ["sbom/example"]
    [(name, image)] = load(store, str(layout))
    assert (name, image.id) == ("app:1", IMAGE.id)
    # Without a name the image is meant, not what refers to it.
    assert copy(store, f"oci:{layout}", "store:again") == digest_of(IMAGE.manifest)
    with FakeRegistry().running() as other:
        target = f"docker://{other.host}/app"
        assert copy(store, f"oci:{layout}", target) == digest_of(IMAGE.manifest)


def test_an_artifact_that_is_copied_alone_is_listed(registry: FakeRegistry, store: Store) -> None:
    attach(registry, SBOM)
    with FakeRegistry().running() as other:
        with pytest.raises(
            FastlayersError
        ):  # its config is none of an image: it is not taken apart
            copy(store, f"docker://{registry.host}/app@{SBOM.digest}", "store:x")
        copy(
            store, f"docker://{registry.host}/app@{SBOM.digest}", f"docker://{other.host}/app:sbom"
        )
        assert [row["digest"] for row in listed(other, IMAGE.manifest)] == [SBOM.digest]


def test_a_blob_that_is_config_and_layer_is_in_an_archive_once(
    registry: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    """As the specification has it for an artifact without content."""
    note = artifact_of(IMAGE.manifest, "note/example", EMPTY.decode())
    attach(registry, note)
    path = tmp_path / "note.tar"
    copy(store, f"docker://{registry.host}/app@{note.digest}", f"oci-archive:{path}")
    with tarfile.open(path) as archive:
        names = archive.getnames()
    assert len(names) == len(set(names)) and f"blobs/sha256/{digest_of(EMPTY)[7:]}" in names
    assert copy(store, f"oci-archive:{path}", f"oci:{tmp_path}/note") == note.digest


@pytest.mark.parametrize("kind", ["docker-archive", "store"])
def test_what_cannot_hold_them_says_so(
    registry: FakeRegistry, store: Store, tmp_path: Path, kind: str
) -> None:
    registry.publish(IMAGE)
    place = "store:x" if kind == "store" else f"docker-archive:{tmp_path}/x.tar:x"
    for ends in ((f"docker://{registry.host}/app", place), (place, f"oci:{tmp_path}/y:x")):
        with pytest.raises(UnsupportedError, match="cannot hold what refers to an image"):
            copy(store, *ends, referrers=True)
    assert registry.requests == []


def lying(rows: list[dict[str, Any]]) -> Callable[[FakeRegistry], Answer]:
    return lambda registry: Answer(body=index_of(rows), headers={"Content-Type": INDEX})


def endless(registry: FakeRegistry) -> Answer:
    """A page that is new each time and says that there are more."""
    rows = [
        {"mediaType": MANIFEST, "digest": digest_of(f"{len(registry.requests)}".encode()),
         "size": 1, "annotations": {"long": "x" * 1_000_000}}
    ]  # fmt: skip
    link = f'</v2/app/referrers/{digest_of(IMAGE.manifest)}>; rel="next"'
    return Answer(body=index_of(rows), headers={"Content-Type": INDEX, "Link": link})


ROW = {"mediaType": MANIFEST, "digest": digest_of(ARM.manifest), "size": len(ARM.manifest)}
ITSELF = {"mediaType": MANIFEST, "digest": digest_of(IMAGE.manifest), "size": len(IMAGE.manifest)}


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (lying([ROW]), CorruptError, "is listed as referring to .* and does not"),
        (lying([ITSELF]), CorruptError, "is listed as referring to .* and does not"),
        (lying([{**ROW, "mediaType": "text/odd"}]), UnsupportedError, "not supported: 'text/odd'"),
        (lying([{**ROW, "size": 7}]), CorruptError, "bytes, its index says 7"),
        (endless, LimitError, "the list is longer than"),
        (lambda _: Answer(body=b"[]", headers={"Content-Type": INDEX}), CorruptError, "is no list"),
        (lambda _: Answer(body=b"{" * 99_999, headers={"Content-Type": INDEX}), CorruptError,
         "is no list"),
        (lambda _: error(500, "UNKNOWN", "broken"), RegistryError, "cannot list what refers to"),
    ],
)  # fmt: skip
def test_a_registry_that_answers_nonsense(
    registry: FakeRegistry,
    store: Store,
    tmp_path: Path,
    answer: Callable[[FakeRegistry], Answer],
    kind: type[Exception],
    words: str,
) -> None:
    registry.publish(ARM, "arm")
    registry.publish(IMAGE)
    registry.hooks.append(lambda r: answer(registry) if "/referrers/" in r.path else None)
    with pytest.raises(kind, match=words):
        copy(store, f"docker://{registry.host}/app", f"oci:{tmp_path}/x:1", referrers=True)
    assert not (tmp_path / "x").exists()


def test_pages_that_go_round_end(registry: FakeRegistry, store: Store, tmp_path: Path) -> None:
    registry.publish(IMAGE)
    attach(registry, SIGNATURE)
    row = {"mediaType": MANIFEST, "digest": SIGNATURE.digest, "size": len(SIGNATURE.manifest)}
    link = f'</v2/app/referrers/{digest_of(IMAGE.manifest)}>; rel="next"'
    registry.hooks.append(
        lambda r: Answer(body=index_of([row]), headers={"Content-Type": INDEX, "Link": link})
        if r.path.endswith(f"/referrers/{digest_of(IMAGE.manifest)}") else None
    )  # fmt: skip
    copy(store, f"docker://{registry.host}/app", f"oci:{tmp_path}/x:1", referrers=True)
    assert len(registry.paths(f"/referrers/{digest_of(IMAGE.manifest)}")) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [(Answer(404), "cannot list what refers to"), (Answer(body=b"<html>"), "is no list")],
)
def test_a_page_that_is_missing_is_no_end(
    registry: FakeRegistry, store: Store, tmp_path: Path, answer: Answer, words: str
) -> None:
    registry.referrers_per_page = 1
    registry.publish(IMAGE)
    attach(registry, *ARTIFACTS)
    registry.hooks.append(lambda r: answer if "?from=1" in r.path else None)
    with pytest.raises(FastlayersError, match=words):
        copy(store, f"docker://{registry.host}/app", f"oci:{tmp_path}/x:1", referrers=True)


def test_too_many_are_refused(
    registry: FakeRegistry, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.referrers_per_page = 5
    registry.publish(IMAGE)
    attach(registry, *ARTIFACTS)
    source, target = f"docker://{registry.host}/app", f"oci:{tmp_path}/x:1"
    with monkeypatch.context() as patch:
        patch.setattr("fastlayers.transports.plan._REFERRERS", 2)
        with pytest.raises(LimitError, match="more than 2 manifests refer to it"):
            copy(store, source, target, referrers=True)
    with monkeypatch.context() as patch:
        patch.setattr("fastlayers.transports.plan._DOCUMENT_BYTES", 1500)
        with pytest.raises(LimitError, match="more than 1500 bytes together"):
            copy(store, source, target, referrers=True)


def test_a_tag_that_is_something_else(registry: FakeRegistry, store: Store) -> None:
    """It lists nothing when it is read, and is not written over."""
    registry.publish(IMAGE)
    registry.publish(ARM, tag_of(IMAGE.manifest))
    with FakeRegistry().running() as other:
        other.publish(ARM, tag_of(IMAGE.manifest))
        copy(store, f"docker://{registry.host}/app", f"docker://{other.host}/app", referrers=True)
        registry.referrers_per_page = 5
        attach(registry, SBOM)
        with pytest.raises(ConflictError, match="not the list of what refers to"):
            copy(store, f"docker://{registry.host}/app", f"docker://{other.host}/b", referrers=True)
        assert other.manifests[tag_of(IMAGE.manifest)][0] == ARM.manifest


def test_a_blob_of_an_artifact_is_verified(
    registry: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    registry.referrers_per_page = 5
    registry.publish(IMAGE)
    attach(registry, SBOM)
    registry.blobs[digest_of(SBOM.data)] = b"PARTS OF IT"
    with pytest.raises(CorruptError, match=digest_of(SBOM.data)):
        copy(store, f"docker://{registry.host}/app", f"oci:{tmp_path}/x:1", referrers=True)
    assert not (tmp_path / "x" / "index.json").exists()


def test_a_mirror_is_not_asked_what_refers_to_an_image(
    registry: FakeRegistry, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would say that there is nothing, where it has nothing."""
    registry.referrers_per_page = 5
    registry.publish(IMAGE)
    attach(registry, SBOM)
    settings = tmp_path / "registries.toml"
    monkeypatch.setenv("FASTLAYERS_REGISTRIES", str(settings))
    with FakeRegistry().running() as mirror:
        mirror.publish(IMAGE)
        settings.write_text(f'["{registry.host}"]\nmirrors = ["{mirror.host}"]\n')
        copy(store, f"docker://{registry.host}/app", f"oci:{tmp_path}/x:1", referrers=True)
        assert mirror.paths("/manifests/latest") and not mirror.paths("/referrers/")
    assert (tmp_path / "x/blobs/sha256" / SBOM.digest[7:]).read_bytes() == SBOM.manifest
