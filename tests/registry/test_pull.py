"""Pulling from a real registry: what arrives, what is asked for, what a refusal looks like."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import busybox_root, oci_layout, oracle, tar_write
from tests.command_line import CommandLine
from tests.oci_layout import LayerBlob, digest_of, write_layout
from tests.real_registry import PASSWORD, USER
from tests.registry.server import Registry, serving
from tests.tar_members import Member
from tests.tree import differences, read_directory

pytestmark = [pytest.mark.privileged, pytest.mark.needs("docker-registry", "skopeo", "busybox")]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """An open registry."""
    with serving(tmp_path_factory.mktemp("registry")) as running:
        yield running


def _gzip_layer(tar: bytes) -> LayerBlob:
    return LayerBlob.of_gzip(oracle.compress(tar), tar)


def _file_layer(name: bytes, content: bytes) -> LayerBlob:
    return _gzip_layer(tar_write.plain([Member(name, "file", content=content)]))


@pytest.fixture(scope="module")
def base_layer() -> LayerBlob:
    """The layer that the images here share."""
    return _gzip_layer(busybox_root.tar())


@pytest.fixture
def two(
    registry: Registry, base_layer: LayerBlob, tmp_path: Path
) -> tuple[str, str, LayerBlob, LayerBlob]:
    """Two images on one base, and their own layers."""
    layers = [_file_layer(b"one", b"1" * 1000), _file_layer(b"two", b"2" * 1000)]
    names = []
    for index, layer in enumerate(layers):
        layout = write_layout(tmp_path / str(index), [base_layer, layer], runtime={"Cmd": ["ls"]})
        names.append(registry.fill(layout, f"team/image{index}", "v1"))
    return names[0], names[1], layers[0], layers[1]


def test_the_second_image_transfers_only_what_is_new(
    registry: Registry, base_layer: LayerBlob, fresh: CommandLine,
    two: tuple[str, str, LayerBlob, LayerBlob],
) -> None:  # fmt: skip
    first, second, one, other = two
    start = len(registry.requests())
    fresh.must("pull", first)
    sent = registry.blobs_sent(start)
    assert sent.count(base_layer.digest) == 1 and sent.count(one.digest) == 1
    start = len(registry.requests())
    fresh.must("pull", second)
    sent = registry.blobs_sent(start)
    assert base_layer.digest not in sent, "the base came twice"
    assert sent.count(other.digest) == 1 and len(sent) == 2  # and the config
    start = len(registry.requests())
    assert "up to date" in fresh.must("pull", second).out
    assert registry.blobs_sent(start) == []


def test_the_pulled_image_is_the_pushed_one(
    fresh: CommandLine, base_layer: LayerBlob, tmp_path: Path,
    two: tuple[str, str, LayerBlob, LayerBlob],
) -> None:  # fmt: skip
    name, *_ = two
    done = fresh.must("pull", name)
    assert done.lines[-1] == name
    target = tmp_path / "mounted"
    target.mkdir()
    fresh.must("mount", name, str(target))
    try:
        expected = oracle.apply(
            [busybox_root.tar(), tar_write.plain([Member(b"one", "file", content=b"1" * 1000)])]
        )
        assert differences(expected, read_directory(str(target))) == []
    finally:
        fresh.must("umount", str(target))
    blob = fresh.root / "blobs/sha256" / base_layer.digest.partition(":")[2]
    assert blob.read_bytes() == base_layer.blob, "the compressed blob is kept as it came"
    assert fresh.must("run", "--rm", name).code == 0


def test_quiet_prints_the_name_only(
    fresh: CommandLine, two: tuple[str, str, LayerBlob, LayerBlob]
) -> None:
    assert fresh.must("pull", "-q", two[0]).out == f"{two[0]}\n"


def test_run_pulls_what_is_not_there(
    fresh: CommandLine, two: tuple[str, str, LayerBlob, LayerBlob]
) -> None:
    done = fresh.must("run", "--rm", two[0], "cat", "/one")
    assert done.out == "1" * 1000
    assert f"Unable to find image '{two[0]}' locally" in done.err


def test_pull_by_digest(fresh: CommandLine, two: tuple[str, str, LayerBlob, LayerBlob]) -> None:
    fresh.must("pull", two[0])
    (document,) = json.loads(fresh.must("inspect", two[0]).out)
    (by_digest,) = document["RepoDigests"]
    other = CommandLine(fresh.root.parent / "other")
    other.must("pull", by_digest)
    assert other.must("run", "--rm", by_digest, "true").code == 0
    assert other.must("images", "-aq", "--no-trunc").out == fresh.must("images", "-q",
                                                                      "--no-trunc").out  # fmt: skip


def test_an_index_gives_the_image_of_this_machine(
    registry: Registry, fresh: CommandLine, base_layer: LayerBlob, tmp_path: Path
) -> None:
    name = _push_index(registry, base_layer, tmp_path)
    fresh.must("pull", name)
    assert fresh.must("inspect", "-f", "{{.Architecture}}", name).out.strip() == "amd64"
    other = CommandLine(tmp_path / "arm")
    other.must("pull", "--platform", "linux/arm64", name)
    assert other.must("inspect", "-f", "{{.Architecture}}", name).out.strip() == "arm64"
    done = CommandLine(tmp_path / "none").fails(1, "pull", "--platform", "linux/s390x", name)
    assert "linux/s390x" in done.err


def _push_index(registry: Registry, base: LayerBlob, tmp_path: Path) -> str:
    """An index of two platforms and an attestation, which is no image."""
    layout = write_layout(tmp_path / "multi", [base])
    blobs = layout / "blobs/sha256"
    rows = []
    for architecture, extra in (("arm64", {}), ("amd64", {}), ("unknown", _ATTESTATION)):
        system = "unknown" if extra else "linux"
        config = {"architecture": architecture, "os": system, "config": {},
                  "rootfs": {"type": "layers", "diff_ids": [base.diff_id]}}  # fmt: skip
        raw = json.dumps(config).encode()
        manifest = {
            "schemaVersion": 2, "mediaType": oci_layout.MANIFEST,
            "config": {"mediaType": oci_layout.CONFIG, "digest": digest_of(raw), "size": len(raw)},
            "layers": [{"mediaType": base.media_type, "digest": base.digest, "size": base.size}],
        }  # fmt: skip
        document = json.dumps(manifest).encode()
        for data in (raw, document):
            (blobs / digest_of(data).partition(":")[2]).write_bytes(data)
        rows.append(
            {
                "mediaType": oci_layout.MANIFEST,
                "digest": digest_of(document),
                "size": len(document),
                "platform": {"architecture": architecture, "os": system},
                **extra,
            }
        )
    media_type = "application/vnd.oci.image.index.v1+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": rows}).encode()
    (blobs / digest_of(index).partition(":")[2]).write_bytes(index)
    top = {"mediaType": media_type, "digest": digest_of(index), "size": len(index)}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    return registry.fill(layout, "team/multi", "latest")


_ATTESTATION = {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}


@pytest.mark.parametrize("name", ["team/nothing:v1", "team/image0:no-such-tag"])
def test_what_is_not_there_is_said_in_one_line(
    registry: Registry, fresh: CommandLine, name: str, two: tuple[str, str, LayerBlob, LayerBlob]
) -> None:
    done = fresh.fails(1, "pull", f"{registry.address}/{name}")
    assert name.partition(":")[0] in done.err
    assert fresh.must("images", "-aq").lines == []
    fresh.fails(125, "run", f"{registry.address}/{name}", "true")


def test_a_wrong_digest_is_refused(
    registry: Registry, fresh: CommandLine, two: tuple[str, str, LayerBlob, LayerBlob]
) -> None:
    name = two[0].rpartition(":")[0] + "@sha256:" + "0" * 64
    fresh.fails(1, "pull", name)
    assert fresh.must("images", "-aq").lines == []


def test_a_registry_that_serves_other_bytes_is_refused(
    registry: Registry, fresh: CommandLine, tmp_path: Path
) -> None:
    layer = _file_layer(b"victim", b"v" * 4000)
    name = registry.fill(write_layout(tmp_path / "layout", [layer]), "team/spoilt", "v1")
    (stored,) = (registry.folder / "data").rglob(f"{layer.digest.partition(':')[2]}/data")
    spoilt = bytearray(stored.read_bytes())
    spoilt[len(spoilt) // 2] ^= 1
    stored.write_bytes(bytes(spoilt))
    done = fresh.fails(1, "pull", name)
    assert layer.digest[7:19] in done.err
    assert fresh.must("images", "-aq").lines == []


def test_nobody_listens(fresh: CommandLine) -> None:
    done = fresh.fails(1, "pull", "127.0.0.1:1/team/image:v1")
    assert "127.0.0.1:1" in done.err


def test_credentials_of_the_docker_config_are_used(tmp_path: Path) -> None:
    layer = _file_layer(b"private", b"p")
    with serving(tmp_path / "registry", auth=True) as closed:
        name = closed.fill(write_layout(tmp_path / "layout", [layer]), "team/private", "v1")
        config = tmp_path / "docker"
        config.mkdir()
        command = CommandLine(tmp_path / "store", extra={"DOCKER_CONFIG": str(config)})
        command.fails(1, "pull", name)
        for password, code in ((b"wrong", 1), (PASSWORD.encode(), 0)):
            token = base64.b64encode(USER.encode() + b":" + password).decode()
            document = {"auths": {closed.address: {"auth": token}}}
            (config / "config.json").write_text(json.dumps(document))
            assert command.call("pull", name).code == code
        assert len(command.must("images", "-aq").lines) == 1
