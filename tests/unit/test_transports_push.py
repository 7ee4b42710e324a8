"""Pushing: what is sent and what is not, uploads that break, and what refusals look like."""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fastlayers import _core
from fastlayers.errors import (
    CorruptError,
    DigestMismatchError,
    InvalidError,
    RegistryError,
    UnauthorizedError,
)
from fastlayers.image import Image
from fastlayers.oci.digest import hex_of
from fastlayers.store import Store
from fastlayers.transports import load, pull, push
from fastlayers.transports.source import Event
from tests.fake_registry import Answer, FakeRegistry, Request, error
from tests.image_parts import Blob, Parts, archive_of, image_of, layer_tar, layout_members, tar_of
from tests.oci_layout import digest_of

PULLED = image_of([Blob.gzip(layer_tar("a")), Blob.gzip(layer_tar("b", 3 << 20))])
# As commit and load leave them: plain tars, one of them long.
PLAIN = image_of([Blob.plain(layer_tar("c", 3 << 20)), Blob.plain(tar_of({"small": b"x"}))])


@pytest.fixture(autouse=True)
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setattr("fastlayers.transports.session._FIRST_DELAY_SECONDS", 0.005)


def put(store: Store, parts: Parts, name: str = "") -> Image:
    annotations = {"org.opencontainers.image.ref.name": name} if name else None
    return load(store, io.BytesIO(archive_of(*layout_members(parts, annotations))))[0][1]


def sent(registry: FakeRegistry) -> list[Request]:
    return [request for request in registry.requests if request.method == "PATCH"]


def pulled_anew(store: Store, name: str) -> Image:
    return pull(Store(store.root + "-fresh"), name)


def test_a_pulled_image_keeps_every_digest(registry: FakeRegistry, store: Store) -> None:
    registry.publish(PULLED, "first")
    image = pull(store, f"{registry.host}/app:first")
    with FakeRegistry().running() as other:
        assert image.push(f"{other.host}/app:1", f"{other.host}/app:2") == image.digest
        assert set(other.blobs) == set(registry.blobs)
        assert other.manifests["1"] == other.manifests["2"] == registry.manifests["first"]


def test_plain_layers_are_compressed_on_the_way(registry: FakeRegistry, store: Store) -> None:
    image = put(store, PLAIN)
    digest = image.push(f"{registry.host}/app")
    manifest = json.loads(registry.manifests["latest"][0])
    assert digest == digest_of(registry.manifests["latest"][0])
    assert [row["mediaType"].rpartition("+")[2] for row in manifest["layers"]] == ["gzip", "gzip"]
    again = pulled_anew(store, f"{registry.host}/app")
    assert (again.id, again.digest) == (PLAIN.id, digest)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_the_same_layer_is_the_same_blob(
    registry: FakeRegistry, tmp_path: Path, compression: str
) -> None:
    digests = set()
    for number in range(2):
        image = put(Store(str(tmp_path / f"store-{number}")), PLAIN)
        digests.add(
            image.push(
                f"{registry.host}/{number}/app",
                compression=compression,  # type: ignore[arg-type]
                level=None if compression == "none" else 1,
            )
        )
    assert len(digests) == 1
    assert len(registry.blobs) == 3


def test_what_is_not_compressed_has_no_level(registry: FakeRegistry, store: Store) -> None:
    image = put(store, PLAIN)
    with pytest.raises(InvalidError, match="has no level of compression"):
        image.push(f"{registry.host}/app", compression="none", level=1)
    assert sent(registry) == []


def test_what_is_there_is_not_sent_again(registry: FakeRegistry, store: Store) -> None:
    image = put(store, PLAIN, f"{registry.host}/app:1")
    image.push()
    assert image.repo_digests == (f"{registry.host}/app@{digest_of(registry.manifests['1'][0])}",)
    registry.requests.clear()
    events: list[Event] = []
    image.push(f"{registry.host}/app:2", progress=events.append)
    assert sent(registry) == []
    assert {event.kind for event in events} == {"exists"}
    assert registry.manifests["1"] == registry.manifests["2"]


def test_a_blob_is_mounted_from_another_repository(registry: FakeRegistry, store: Store) -> None:
    registry.publish(PULLED)
    image = pull(store, f"{registry.host}/from/here")
    registry.hooks.append(lambda r: Answer(404) if r.method == "HEAD" else None)
    registry.mountable.add("from/here")
    events: list[Event] = []
    image.push(f"{registry.host}/to/there", progress=events.append)
    assert len(sent(registry)) == 1  # the config
    assert {(event.kind, event.source) for event in events} == {("mounted", "from/here")}


@pytest.mark.parametrize("answer", [None, Answer(405), Answer(401)])
def test_a_registry_that_does_not_mount_is_sent_the_blob(
    registry: FakeRegistry, store: Store, answer: Answer | None
) -> None:
    registry.publish(PULLED)
    image = pull(store, f"{registry.host}/from/here")
    registry.hooks.append(lambda r: Answer(404) if r.method == "HEAD" else None)
    registry.hooks.append(lambda r: answer if "mount=" in r.path else None)
    image.push(f"{registry.host}/to/there")
    assert len(sent(registry)) == 3
    begun = [r for r in registry.requests if r.method == "POST"]
    # Without a refusal the place that a mount got instead is used, and none is asked for.
    assert len(begun) == (3 if answer is None else 5)


@pytest.mark.parametrize(("status", "sent_again"), [(307, False), (405, False), (404, True)])
def test_head_is_answered_in_many_ways(
    registry: FakeRegistry, store: Store, status: int, sent_again: bool
) -> None:
    """A redirect leads to what is signed for GET alone; some servers know no HEAD at all."""
    registry.publish(PULLED)
    image = put(store, PULLED)
    away = {"Location": "http://127.0.0.1:1/signed"} if status == 307 else {}
    registry.hooks.append(lambda r: Answer(status, headers=away) if r.method == "HEAD" else None)
    image.push(f"{registry.host}/app:again")
    assert bool(sent(registry)) == sent_again
    assert registry.manifests["again"] == registry.manifests["latest"]


def cutting(*takes: int) -> Callable[[Request], Answer | None]:
    """Ends the connection of the first uploads of long bodies after so many bytes."""
    left = list(takes)

    def hook(request: Request) -> Answer | None:
        length = int(request.headers.get("Content-Length", 1 << 40))
        return Answer(take=left.pop(0)) if left and length > 1 << 20 else None

    return hook


@pytest.mark.parametrize("parts", [PULLED, PLAIN])
def test_a_broken_upload_goes_on_where_it_broke(
    registry: FakeRegistry, store: Store, parts: Parts
) -> None:
    image = put(store, parts)
    registry.patch_hooks.append(cutting(1 << 20, 0, 1 << 19))
    image.push(f"{registry.host}/app")
    assert pulled_anew(store, f"{registry.host}/app").id == parts.id
    spans = [r.headers["Content-Range"] for r in sent(registry) if "Content-Range" in r.headers]
    size = len(parts.layers[1].data)
    if parts is PULLED:
        starts = [1 << 20, 1 << 20, (1 << 20) + (1 << 19)]
        assert spans == [f"{start}-{size - 1}" for start in starts]


def test_an_upload_that_the_registry_lost_is_begun_anew(
    registry: FakeRegistry, store: Store
) -> None:
    image = put(store, PLAIN)
    lost = []

    def lose(request: Request) -> Answer | None:
        if lost:
            return None
        lost.append(request)
        registry.uploads.clear()
        return Answer(take=100)

    registry.patch_hooks.append(lose)
    image.push(f"{registry.host}/app")
    assert pulled_anew(store, f"{registry.host}/app").id == PLAIN.id


def test_a_registry_that_loses_every_upload_is_given_up(
    registry: FakeRegistry, store: Store
) -> None:
    image = put(store, PULLED)
    registry.patch_hooks.append(lambda r: Answer(404))
    with pytest.raises(RegistryError, match=r"upload a layer to app: the upload is lost"):
        image.push(f"{registry.host}/app")
    assert len([r for r in registry.requests if r.method == "POST"]) <= 3 * len(PULLED.layers)
    assert registry.manifests == {}


def test_a_registry_that_never_takes_a_byte_is_given_up(
    registry: FakeRegistry, store: Store
) -> None:
    image = put(store, PULLED)
    registry.patch_hooks.append(lambda r: Answer(take=0))
    with pytest.raises(RegistryError, match="cannot upload a layer to app"):
        image.push(f"{registry.host}/app")
    assert len(sent(registry)) <= 6 * len(PULLED.layers)
    assert registry.manifests == {}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_registry_is_asked_again(registry: FakeRegistry, store: Store, status: int) -> None:
    image = put(store, PLAIN)
    busy = {"POST": 1, "PATCH": 1, "PUT": 2}

    def once(request: Request) -> Answer | None:
        if busy.get(request.method, 0) == 0:
            return None
        busy[request.method] -= 1
        return error(status, "BUSY", "try later", **{"Retry-After": "0"})

    registry.hooks.append(lambda r: once(r) if r.method != "PATCH" else None)
    registry.patch_hooks.append(once)
    image.push(f"{registry.host}/app")
    assert pulled_anew(store, f"{registry.host}/app").id == PLAIN.id


def test_a_wrong_digest_in_the_answer_is_an_error(registry: FakeRegistry, store: Store) -> None:
    image = put(store, PULLED)
    wrong = {"Docker-Content-Digest": "sha256:" + "0" * 64}
    registry.hooks.append(
        lambda r: Answer(201, headers=wrong) if r.method == "PUT" and "manifest" in r.path else None
    )
    with pytest.raises(DigestMismatchError, match="it stored the manifest"):
        image.push(f"{registry.host}/app")


def test_a_damaged_layer_is_not_pushed(registry: FakeRegistry, store: Store) -> None:
    image = put(store, PLAIN)
    path = Path(_core.blob_path(store.root, PLAIN.layers[0].descriptor()["digest"]))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.raises(CorruptError, match="is damaged; run 'fastlayers fsck --repair'"):
        image.push(f"{registry.host}/app")
    assert registry.manifests == {}


def test_access_denied_names_the_repository(registry: FakeRegistry, store: Store) -> None:
    image = put(store, PULLED)
    registry.hooks.append(
        lambda r: error(403, "DENIED", "not yours") if r.method == "POST" else None
    )
    with pytest.raises(UnauthorizedError, match=r"push access denied for team/app.*not yours"):
        image.push(f"{registry.host}/team/app")


def test_one_token_that_may_push_and_read_where_it_mounts_from(
    registry: FakeRegistry, store: Store
) -> None:
    registry.publish(PULLED)
    image = pull(store, f"{registry.host}/from/here")
    scopes: list[str] = []

    def token(request: Request) -> Answer | None:
        url = urlsplit(request.path)
        if url.path == "/token":
            scopes.append(url.query)
            return Answer(body=b'{"token":"t"}')
        if request.authorization != "Bearer t":
            rights = "pull" if request.method in ("GET", "HEAD") else "pull,push"
            realm = f'realm="http://{registry.host}/token",scope="repository:to/there:{rights}"'
            return error(401, "UNAUTHORIZED", "no", **{"WWW-Authenticate": f"Bearer {realm}"})
        return Answer(404) if request.method == "HEAD" else None

    registry.hooks.append(token)
    registry.mountable.add("from/here")
    image.push(f"{registry.host}/to/there")
    assert any(
        "scope=repository%3Ato%2Fthere%3Apull%2Cpush&scope=repository%3Afrom%2Fhere%3Apull" in one
        for one in scopes
    )


def test_a_token_that_expires_in_an_upload_is_renewed(registry: FakeRegistry, store: Store) -> None:
    # One layer, one thread: another one's token must not expire between its renewal and its use.
    image = put(store, image_of(PLAIN.layers[:1]))
    good = ["t0"]

    def token(request: Request) -> Answer | None:
        if urlsplit(request.path).path == "/token":
            return Answer(body=json.dumps({"token": good[0]}).encode())
        if request.authorization == f"Bearer {good[0]}":
            return None
        realm = f'Bearer realm="http://{registry.host}/token"'
        return error(401, "UNAUTHORIZED", "expired", **{"WWW-Authenticate": realm})

    def expire(request: Request) -> Answer | None:
        if good[0] == "t0":
            good[0] = "t1"
        return token(request)

    registry.hooks.append(token)
    registry.patch_hooks.append(expire)
    image.push(f"{registry.host}/app")
    assert good == ["t1"]
    assert registry.manifests


def test_no_credentials_go_to_another_host(
    registry: FakeRegistry, store: Store, tmp_path: Path
) -> None:
    image = put(store, PULLED)
    folder = tmp_path / "docker"
    folder.mkdir()
    auths = {registry.host: {"auth": "bWU6c2VjcmV0"}}
    (folder / "config.json").write_text(json.dumps({"auths": auths}))

    def basic(request: Request) -> Answer | None:
        if request.authorization != "Basic bWU6c2VjcmV0":
            return error(401, "UNAUTHORIZED", "no", **{"WWW-Authenticate": "Basic realm=x"})
        if request.method == "POST":
            place = f"http://{elsewhere.host}/v2/app/blobs/uploads/upload-there"
            elsewhere.uploads["upload-there"] = bytearray()
            return Answer(202, headers={"Location": place})
        return None

    registry.hooks.append(basic)
    with FakeRegistry().running() as elsewhere:
        elsewhere.hooks.append(lambda r: Answer(500) if r.method == "PUT" else None)
        with pytest.raises(RegistryError):
            image.push(f"{registry.host}/app")
        assert elsewhere.requests
        assert {request.authorization for request in elsewhere.requests} == {""}


def test_foreign_layers_stay_where_they_are(registry: FakeRegistry, store: Store) -> None:
    layer = Blob.gzip(layer_tar("foreign"))
    plain = image_of([layer])
    registry.publish(plain)
    row = {
        **layer.descriptor(),
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "urls": ["https://example.test/layer"],
    }
    manifest = json.loads(plain.manifest) | {"layers": [row]}
    registry.put_manifest("latest", json.dumps(manifest).encode())
    image = pull(store, f"{registry.host}/app")
    with FakeRegistry().running() as other:
        assert image.push(f"{other.host}/app") == image.digest
        assert set(other.blobs) == {plain.id}


def test_what_a_push_is_not_told_by(registry: FakeRegistry, store: Store) -> None:
    image = put(store, PLAIN)
    with pytest.raises(InvalidError, match="no name to push to"):
        image.push()
    with pytest.raises(InvalidError, match="by digest"):
        image.push(f"{registry.host}/app@{image.digest}")
    with pytest.raises(InvalidError, match="unknown compression 'lz4'"):
        push(store, image, [f"{registry.host}/app"], compression="lz4")
    with pytest.raises(InvalidError, match="levels"):
        image.push(f"{registry.host}/app", level=77)
    assert registry.manifests == {}


def test_what_is_remembered_of_a_layer_is_a_hint(registry: FakeRegistry, store: Store) -> None:
    image = put(store, PLAIN)
    digest = image.push(f"{registry.host}/app")
    path = os.path.join(store.root, "layers", hex_of(image.config.diff_ids[0]), "packed")
    wrong = {"gzip-2": {"digest": "sha256:" + "0" * 64, "size": 1}}
    for damage in (b"", b"{", b'{"gzip-2":{"digest":"sha256:00"}}', json.dumps(wrong).encode()):
        Path(path).write_bytes(damage)
        with FakeRegistry().running() as other:
            assert image.push(f"{other.host}/app") == digest
    assert store.fsck().damages == ()


def test_events_tell_each_layer_from_start_to_end(registry: FakeRegistry, store: Store) -> None:
    image = put(store, PULLED)
    events: list[Event] = []
    image.push(f"{registry.host}/app", progress=events.append)
    for diff_id, layer in zip(image.config.diff_ids, PULLED.layers, strict=True):
        of_layer = [event for event in events if event.layer == diff_id]
        assert [event.kind for event in of_layer][:1] == ["start"]
        assert of_layer[-1][0] == "done"
        assert of_layer[-2][:1] + of_layer[-2][2:4] == (
            "transfer", len(layer.data), len(layer.data)
        )  # fmt: skip


def test_many_layers_of_any_size_arrive(registry: FakeRegistry, store: Store) -> None:
    dice = random.Random(1)
    sizes = [0, 1, 511, 1 << 20, (1 << 20) + 1, *(dice.randrange(1 << 18) for _ in range(15))]
    parts = image_of([Blob.plain(layer_tar(str(n), size)) for n, size in enumerate(sizes)])
    image = put(store, parts)
    image.push(f"{registry.host}/app", compression="zstd")
    assert pulled_anew(store, f"{registry.host}/app").id == parts.id
