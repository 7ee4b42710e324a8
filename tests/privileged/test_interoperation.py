"""Other engines read what this one writes, and the same tree comes out."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.command_line import CommandLine
from tests.tree import Tree, counted_links, differences, read_directory

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]

SCRIPT = """
mkdir -p /app/empty; echo code > /app/main; ln /app/main /app/again; ln -s main /app/link
mkfifo /app/pipe; mknod /app/null c 1 3; chmod 4755 /app/main; chown 1000:50 /app/main
rm /etc/group; rm -r /home; mkdir /home; echo new > /home/new; echo more >> /etc/plain
touch -d @1600000000 /app/link /app/main
"""


@pytest.fixture(scope="module")
def made(shell: CommandLine) -> CommandLine:
    """A store with an image `made`: one committed layer with some of everything."""
    shell.must("run", "--name=maker", "box", "sh", "-c", SCRIPT)
    shell.must("commit", "-c", "CMD cat /app/main", "maker", "made:1")
    shell.must("rm", "maker")
    return shell


def _mounted(shell: CommandLine, image: str, target: Path) -> Tree:
    target.mkdir(exist_ok=True)
    shell.must("mount", image, str(target))
    try:
        return counted_links(read_directory(str(target)))
    finally:
        shell.must("umount", str(target))


@pytest.mark.needs("skopeo")
def test_skopeo_reads_the_live_store(made: CommandLine) -> None:
    name = "docker.io/library/made:1"
    done = subprocess.run(["skopeo", "inspect", f"oci:{made.root}:{name}"], capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["Layers"]) == 2


@pytest.mark.needs("skopeo", "umoci")
def test_umoci_unpacks_the_same_tree(made: CommandLine, tmp_path: Path) -> None:
    layout, bundle = tmp_path / "layout", tmp_path / "bundle"
    source = f"oci:{made.root}:docker.io/library/made:1"
    subprocess.run(["skopeo", "copy", "-q", source, f"oci:{layout}:made"], check=True)
    subprocess.run(["umoci", "unpack", "--image", f"{layout}:made", str(bundle)], check=True,
                   capture_output=True)  # fmt: skip
    unpacked = counted_links(read_directory(str(bundle / "rootfs")))
    expected = _mounted(made, "made:1", tmp_path / "mounted")
    # umoci stores user.* data of its own in rootless mode only; directory times it sets last.
    assert differences(expected, unpacked) == []


def test_saved_archives_load_into_an_empty_store(made: CommandLine, tmp_path: Path) -> None:
    expected = _mounted(made, "made:1", tmp_path / "mounted")
    for form in ("docker-archive", "oci-archive"):
        archive = tmp_path / f"{form}.tar"
        made.must("save", "--format", form, "-o", str(archive), "made:1")
        other = CommandLine(tmp_path / form, made.backend)
        assert other.must("load", "-i", str(archive)).out.strip() == "Loaded image: made:1"
        assert other.must("load", "-i", "-", stdin=archive.read_bytes()).code == 0
        assert differences(expected, _mounted(other, "made:1", tmp_path / "again")) == []
        ids = {c.must("images", "-aq", "--no-trunc", "made:1").out for c in (made, other)}
        assert len(ids) == 1, "the image ID has changed"
        assert other.must("run", "--rm", "made:1").out == "code\n"


def test_only_the_rest_is_saved(made: CommandLine, tmp_path: Path) -> None:
    other = CommandLine(tmp_path / "other")
    base, rest = tmp_path / "base.tar", tmp_path / "rest.tar"
    made.must("save", "-o", str(base), "box")
    made.must("save", "--since", "box", "-o", str(rest), "made:1")
    assert rest.stat().st_size < 200_000 < base.stat().st_size
    assert "the store has no such layer" in other.fails(1, "load", "-i", str(rest)).err
    other.must("load", "-i", str(base))
    other.must("load", "-i", str(rest))
    assert other.must("run", "--rm", "made:1").out == "code\n"
    assert "No such image" in made.fails(1, "save", "--since", "absent", "-o", "x", "made:1").err


def test_an_image_without_a_name_is_loaded_by_its_id(made: CommandLine, tmp_path: Path) -> None:
    identity = made.must("images", "-aq", "--no-trunc", "made:1").out.strip()
    archive = made.must("save", identity)
    loaded = CommandLine(tmp_path / "other").must(
        "load", stdin=archive.out.encode(errors="surrogateescape")
    )
    assert loaded.lines == [f"Loaded image ID: {identity}"]


@pytest.mark.needs("skopeo")
def test_skopeo_reads_a_saved_docker_archive(made: CommandLine, tmp_path: Path) -> None:
    archive, layout = tmp_path / "saved.tar", tmp_path / "layout"
    made.must("save", "-o", str(archive), "made:1")
    subprocess.run(["skopeo", "copy", "-q", f"docker-archive:{archive}", f"oci:{layout}:made"],
                   check=True)  # fmt: skip
    other = CommandLine(tmp_path / "other", made.backend)
    other.must("load", "-i", str(layout))
    made_id = made.must("inspect", "-f", "{{json .RootFS.Layers}}", "made:1").out
    (name,) = other.must("images", "-aq", "--no-trunc").lines
    assert other.must("inspect", "-f", "{{json .RootFS.Layers}}", name).out == made_id


def test_export_is_the_whole_tree(made: CommandLine, tmp_path: Path) -> None:
    made.must("create", "--name=exported", "made:1", "true")
    archive = tmp_path / "root.tar"
    made.must("export", "-o", str(archive), "exported")
    made.must("rm", "exported")
    with tarfile.open(archive) as tar:
        names = {member.name.strip("/").removeprefix("./") for member in tar}
    expected = {path.decode() for path in _mounted(made, "made:1", tmp_path / "mounted")}
    assert expected <= names
    assert {name.split("/")[0] for name in names - expected} <= {"", "dev", "etc", "proc", "sys",
                                                                 ".dockerenv", "."}  # fmt: skip


@pytest.mark.needs("bsdtar")
@pytest.mark.parametrize("program", ["tar", "bsdtar"])
def test_other_tars_read_a_committed_layer(made: CommandLine, program: str) -> None:
    (document,) = json.loads(made.must("inspect", "made:1").out)
    blob = made.root / "blobs/sha256" / document["RootFS"]["Layers"][-1].partition(":")[2]
    done = subprocess.run([program, "-tvf", str(blob)], capture_output=True, text=True, check=True)
    assert "app/main link to app/again" in done.stdout
