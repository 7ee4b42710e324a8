"""The same images through other people's tools: docker-registry, skopeo and umoci."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastlayers.errors import NotFoundError, RegistryError, UnauthorizedError
from fastlayers.image import Image
from fastlayers.store import Store
from fastlayers.transports import load, pull, save
from tests import real_registry
from tests.image_parts import Blob, archive_of, image_of, layer_tar, layout_members

pytestmark = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
needs_registry = pytest.mark.skipif(
    not real_registry.is_installed(), reason="docker-registry is not installed"
)
BASE = Blob.gzip(layer_tar("base", 3 << 20))
PARTS = image_of([BASE, Blob.gzip(layer_tar("top", 100_000)), Blob.plain(layer_tar("plain"))])
CREDENTIALS = f"{real_registry.USER}:{real_registry.PASSWORD}"


def skopeo(*arguments: str) -> str:
    done = subprocess.run(
        ["skopeo", "--insecure-policy", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "parts.tar"
    path.write_bytes(archive_of(*layout_members(PARTS)))
    return path


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_registry.running(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture(scope="module")
def locked_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real_registry.running(tmp_path_factory.mktemp("locked"), password=True) as host:
        yield host


@pytest.fixture(autouse=True)
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@needs_registry
@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_pull_what_skopeo_pushed(
    open_registry: str, store: Store, archive: Path, form: str
) -> None:
    name = f"{open_registry}/team/app:{form}"
    skopeo("copy", "--format", form, "--dest-tls-verify=false", f"oci-archive:{archive}",
           f"docker://{name}")  # fmt: skip
    image = pull(store, name)
    raw = skopeo("inspect", "--tls-verify=false", "--raw", f"docker://{name}")
    assert image.manifest.raw == raw.encode()
    assert image.names == (name,)
    assert [layer.diff_id for layer in image.layers] == list(image.config.diff_ids)
    by_digest = pull(store, f"{open_registry}/team/app@{image.digest}")
    assert by_digest.id == image.id


@needs_registry
def test_missing_images_of_a_real_registry(open_registry: str, store: Store, archive: Path) -> None:
    with pytest.raises(NotFoundError, match=r"manifest for .*/none:latest not found: "):
        pull(store, f"{open_registry}/none")
    skopeo("copy", "--dest-tls-verify=false", f"oci-archive:{archive}",
           f"docker://{open_registry}/some:1")  # fmt: skip
    with pytest.raises(NotFoundError, match=r"some:2 not found: manifest unknown"):
        pull(store, f"{open_registry}/some:2")


@needs_registry
def test_password_of_a_real_registry(
    locked_registry: str, store: Store, archive: Path, tmp_path: Path
) -> None:
    skopeo("copy", "--dest-tls-verify=false", "--dest-creds", CREDENTIALS,
           f"oci-archive:{archive}", f"docker://{locked_registry}/app:1")  # fmt: skip
    with pytest.raises(UnauthorizedError, match="no basic auth credentials"):
        pull(store, f"{locked_registry}/app:1")
    log_in(tmp_path, locked_registry, "someone:wrong")
    with pytest.raises(UnauthorizedError, match="authentication required"):
        pull(store, f"{locked_registry}/app:1")
    log_in(tmp_path, locked_registry, CREDENTIALS)
    assert pull(store, f"{locked_registry}/app:1").id == PARTS.id


def log_in(tmp_path: Path, host: str, pair: str) -> None:
    (tmp_path / "docker").mkdir(exist_ok=True)
    auth = base64.b64encode(pair.encode()).decode()
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))


@needs_registry
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_tls_with_a_private_authority(
    store: Store, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "certs.d"
    monkeypatch.setattr("fastlayers.transports.connection._CERTIFICATE_FOLDER", str(folder))
    tls = real_registry.make_certificate(tmp_path / "tls")
    with real_registry.running(tmp_path / "registry", password=True, tls=tls) as host:
        skopeo("copy", "--dest-tls-verify=false", "--dest-creds", CREDENTIALS,
               f"oci-archive:{archive}", f"docker://{host}/app:1")  # fmt: skip
        log_in(tmp_path, host, CREDENTIALS)
        with pytest.raises(RegistryError, match=r"its certificate is not trusted: self-signed"):
            pull(store, f"{host}/app:1")
        (folder / host).mkdir(parents=True)
        shutil.copy(tls[0], folder / host / "ca.crt")
        assert pull(store, f"{host}/app:1").id == PARTS.id


@needs_registry
def test_plain_and_compressed_pushes_share_what_they_can(
    open_registry: str, store: Store, archive: Path
) -> None:
    skopeo("copy", "--dest-tls-verify=false", f"oci-archive:{archive}",
           f"docker://{open_registry}/shared:1")  # fmt: skip
    pull(store, f"{open_registry}/shared:1")
    kinds: list[str] = []
    pull(store, f"{open_registry}/shared:1", progress=lambda event: kinds.append(event.kind))
    assert set(kinds) == {"exists"}


@pytest.fixture
def image(store: Store, archive: Path) -> Image:
    image = load(store, archive)[0][1]
    return store.add_image(image.manifest.raw, image.manifest.media_type, ["app:1", "app:2"])


def layers_by_skopeo(source: str, folder: Path) -> list[bytes]:
    """The uncompressed layers that skopeo finds in a source, base first."""
    skopeo("copy", "--dest-decompress", source, f"dir:{folder}")
    manifest = json.loads((folder / "manifest.json").read_text())
    return [
        (folder / layer["digest"].partition(":")[2]).read_bytes() for layer in manifest["layers"]
    ]


@pytest.mark.parametrize("tag", ["", ":app:1", ":docker.io/library/app:2"])
def test_skopeo_reads_our_docker_archives(
    store: Store, image: Image, tmp_path: Path, tag: str
) -> None:
    names = ["app:1", "app:2"] if tag else ["app:1"]
    save(store, [(image, names)], tmp_path / "out.tar")
    layers = layers_by_skopeo(f"docker-archive:{tmp_path}/out.tar{tag}", tmp_path / "dir")
    assert layers == [layer.tar for layer in PARTS.layers]
    inspected = skopeo("inspect", "--config", "--raw", f"docker-archive:{tmp_path}/out.tar{tag}")
    assert inspected.encode() == PARTS.config


@pytest.mark.parametrize("format", ["oci", "docker"])
@pytest.mark.parametrize("tag", ["", ":1"])
def test_skopeo_reads_our_oci_archives(
    store: Store, image: Image, tmp_path: Path, tag: str, format: str
) -> None:
    save(
        store,
        [(image, ["app:1", "app:2"] if tag else ["app:1"])],
        tmp_path / "out.tar",
        format=format,
    )
    source = f"oci-archive:{tmp_path}/out.tar{tag}"
    assert skopeo("inspect", "--raw", source).encode() == PARTS.manifest
    assert layers_by_skopeo(source, tmp_path / "dir") == [layer.tar for layer in PARTS.layers]


@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive", "oci"])
def test_what_skopeo_writes_loads(store: Store, archive: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "skopeo-out"
    skopeo("copy", f"oci-archive:{archive}", f"{kind}:{target}:some/app:3")
    [(name, image)] = load(store, target)
    assert name == "some/app:3"
    assert [layer.diff_id for layer in image.layers] == list(image.config.diff_ids)
    assert image.config.diff_ids == load(store, archive)[0][1].config.diff_ids


def test_skopeo_reads_the_live_store(store: Store, image: Image) -> None:
    name = "docker.io/library/app:1"
    assert skopeo("inspect", "--raw", f"oci:{store.root}:{name}").encode() == PARTS.manifest


@pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci is not installed")
def test_umoci_unpacks_our_oci_archive(store: Store, image: Image, tmp_path: Path) -> None:
    save(store, [(image, ["app:1"])], tmp_path / "out.tar", format="oci")
    with tarfile.open(tmp_path / "out.tar") as tar:
        tar.extractall(tmp_path / "layout")
    subprocess.run(
        [
            "umoci",
            "raw",
            "unpack",
            "--rootless",
            "--image",
            f"{tmp_path}/layout:1",
            f"{tmp_path}/root",
        ],
        check=True,
        capture_output=True,
    )
    assert sorted(p.name for p in (tmp_path / "root").iterdir()) == [
        "file-base", "file-plain", "file-top"
    ]  # fmt: skip
