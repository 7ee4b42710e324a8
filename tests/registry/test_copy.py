"""`copy` with a real registry, which keeps no lists of referrers; skopeo as a witness."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archive_shapes import classic
from tests.artifact import EMPTY, Artifact, artifact_of
from tests.command_line import CommandLine
from tests.image_parts import Blob, archive_of, image_of, layer_tar, layout_members
from tests.oci_layout import MANIFEST, digest_of
from tests.registry.server import Registry, serving

pytestmark = pytest.mark.needs("docker-registry", "skopeo")

IMAGE = image_of([Blob.gzip(layer_tar("a"))])
SBOM = artifact_of(IMAGE.manifest, "sbom/example", "parts of it")
SIGNATURE = artifact_of(SBOM.manifest, "signature/example", "signed")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("registry")) as open_to_all:
        yield open_to_all


def served(registry: Registry, repository: str, name: str) -> bytes:
    """A manifest or index as it lies there."""
    request = urllib.request.Request(
        f"http://{registry.address}/v2/{repository}/manifests/{name}",
        headers={"Accept": f"{MANIFEST}, application/vnd.oci.image.index.v1+json"},
    )
    with urllib.request.urlopen(request) as response:
        found: bytes = response.read()
    return found


def rows(registry: Registry, repository: str, subject: bytes) -> list[dict[str, Any]]:
    """What the tag that stands for a list of referrers lists."""
    index = json.loads(served(registry, repository, digest_of(subject).replace(":", "-")))
    found: list[dict[str, Any]] = index["manifests"]
    return found


def layout_of(folder: Path, *artifacts: Artifact) -> Path:
    """A layout with the image, called app:1, and what refers to it."""
    for member in layout_members(IMAGE, {"org.opencontainers.image.ref.name": "app:1"}):
        path = folder / member.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(member.data)
    index = json.loads((folder / "index.json").read_text())
    for artifact in artifacts:
        for data in (EMPTY, artifact.manifest, artifact.data):
            (folder / "blobs/sha256" / digest_of(data)[7:]).write_bytes(data)
        index["manifests"].append(
            {"mediaType": MANIFEST, "digest": artifact.digest, "size": len(artifact.manifest)}
        )
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def test_referrers_go_from_registry_to_registry_by_tag(
    registry: Registry, fresh: CommandLine, tmp_path: Path
) -> None:
    layout = layout_of(tmp_path / "layout", SBOM, SIGNATURE)
    first, second = (f"docker://{registry.address}/{name}:1" for name in ("first", "second"))
    fresh.must("copy", "--referrers", f"oci:{layout}:app:1", first)
    for _ in range(2):
        assert fresh.must("copy", "--referrers", first, second).lines[-1] == digest_of(
            IMAGE.manifest
        )
    for repository in ("first", "second"):
        assert [row["digest"] for row in rows(registry, repository, IMAGE.manifest)] == [
            SBOM.digest
        ]
        [row] = rows(registry, repository, SBOM.manifest)
        assert (row["digest"], row["artifactType"]) == (SIGNATURE.digest, "signature/example")
        for artifact in (SBOM, SIGNATURE):
            assert served(registry, repository, artifact.digest) == artifact.manifest
    back = tmp_path / "back"
    fresh.must("copy", "--referrers", second, f"oci:{back}:app:1")
    listed = json.loads((back / "index.json").read_text())["manifests"]
    assert len(listed) == 3
    for data in (SBOM.data, SIGNATURE.data, EMPTY):
        assert (back / "blobs/sha256" / digest_of(data)[7:]).read_bytes() == data


def inspect(registry: Registry, name: str, *options: str) -> dict[str, Any]:
    """What skopeo says of an image."""
    found: dict[str, Any] = json.loads(
        subprocess.run(
            ["skopeo", "inspect", "--tls-verify=false", *options,
             f"docker://{registry.address}/{name}"],
            check=True, capture_output=True,
        ).stdout
    )  # fmt: skip
    return found


def test_an_archive_of_docker_save_lies_there_as_skopeo_copies_it(
    registry: Registry, fresh: CommandLine, tmp_path: Path
) -> None:
    archive = tmp_path / "classic.tar"
    archive.write_bytes(archive_of(*classic()))
    source = f"docker-archive:{archive}"
    fresh.must("copy", source, f"docker://{registry.address}/ours:1")
    subprocess.run(
        ["skopeo", "copy", "-q", "--dest-tls-verify=false", source,
         f"docker://{registry.address}/theirs:1"],
        check=True,
    )  # fmt: skip
    ours, theirs = (inspect(registry, f"{name}:1", "--raw") for name in ("ours", "theirs"))
    assert ours["config"]["digest"] == theirs["config"]["digest"]
    for mine, other in zip(ours["layers"], theirs["layers"], strict=True):
        # What skopeo writes has Docker's media types here, ours OCI's: both are gzip.
        assert mine["mediaType"].endswith("gzip") and other["mediaType"].endswith("gzip")
        assert mine["size"] < other["size"] * 1.25 + 1000
    about = [inspect(registry, f"{name}:1", "--config") for name in ("ours", "theirs")]
    assert about[0] == about[1]
    for name in ("ours", "theirs"):
        fresh.must("pull", f"{registry.address}/{name}:1")
    ids = [
        fresh.must("inspect", "-f", "{{.Id}}", f"{registry.address}/{name}:1").out
        for name in ("ours", "theirs")
    ]
    assert ids[0] == ids[1] == ours["config"]["digest"] + "\n"
    # And skopeo can read all of it again.
    subprocess.run(
        ["skopeo", "copy", "-q", "--src-tls-verify=false",
         f"docker://{registry.address}/ours:1", f"oci:{tmp_path}/back:1"],
        check=True,
    )  # fmt: skip
