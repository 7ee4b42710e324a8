"""Images of archives and layout folders looked into where they are: API, fsspec, verbs."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from fastlayers import Image, Store, analysis
from fastlayers.cli import main
from fastlayers.errors import CorruptError, FastlayersError, InvalidError, NotFoundError
from fastlayers.image_filesystem import ImageFileSystem
from fastlayers.transports.temporary import remove_temporary_stores
from tests import engine, stack_image
from tests.tar_members import Member

_FIRST = [
    Member(b"etc/os-release", "file", content=b"NAME=first\n"),
    Member(b"etc/link", "symlink", link=b"os-release"),
    Member(b"odd\xff", "file", content=b"odd"),
]
_SECOND = [Member(b"etc/os-release", "file", content=b"NAME=second\n")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """one.tar (docker), two.tar (docker, two images), oci.tar, oci.tar.gz and layout/."""
    folder = tmp_path_factory.mktemp("files")
    with engine.scratch_store() as root:
        store = Store(root)
        first = stack_image.loaded(root, [_FIRST], "first:1")
        stack_image.loaded(root, [_SECOND], "team/second:1")
        first.save(folder / "one.tar")
        first.save(folder / "oci.tar", format="oci")
        assert main(["--root", root, "save", "-o", f"{folder}/two.tar", "first:1",
                     "team/second:1"]) == 0  # fmt: skip
        for name in ("first", "team/second"):
            words = ["copy", "-q", f"store:{name}:1", f"oci:{folder}/layout:{name}:1"]
            assert main(["--root", root, *words]) == 0
        (folder / "oci.tar.gz").write_bytes(gzip.compress((folder / "oci.tar").read_bytes()))
        assert store.images()
    return folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """TMPDIR, which must be empty in the end; and no store to write to."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setenv("FASTLAYERS_ROOT", str(tmp_path / "store"))
    yield place
    remove_temporary_stores()
    assert list(place.iterdir()) == []
    assert not (tmp_path / "store").exists()


_ONE = ("docker-archive:{}/one.tar", "docker-archive:{}/two.tar:first:1", "oci-archive:{}/oci.tar",
        "oci-archive:{}/oci.tar.gz", "oci:{}/layout:first:1")  # fmt: skip


@pytest.mark.parametrize("place", _ONE)
def test_the_image_of_a_file(folder: Path, temporary: Path, place: str) -> None:
    image = Image.at(place.format(folder))
    assert image.path("/etc/link").read_text() == "NAME=first\n"
    with image.open(b"/odd\xff", "rb") as file:
        assert file.read() == b"odd"
    assert len(image.files()) == 5 and image.tags == ("first:1",)
    assert [layer.size for layer in analysis.layer_changes(image)] == [14]
    assert Image.at(place.format(folder)) is image
    assert len(list(temporary.iterdir())) == 1


@pytest.mark.parametrize("place", _ONE)
def test_fsspec(folder: Path, place: str) -> None:
    url = f"fastlayers://{place.format(folder)}"
    fsspec.register_implementation("fastlayers", ImageFileSystem, clobber=True)
    with fsspec.open(f"{url}/etc/os-release") as file:
        assert file.read() == b"NAME=first\n"
    files: Any = fsspec.filesystem("fastlayers")
    assert [name.removeprefix(url[13:]) for name in files.find(url)] == [
        "/etc/link", "/etc/os-release", "/odd\udcff",
    ]  # fmt: skip
    assert files.isdir(url) and not files.exists(f"{url}/none")


def test_names_with_slashes_and_relative_paths(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    files = ImageFileSystem()
    for place in ("docker-archive:two.tar:team/second:1", "oci:layout:team/second:1"):
        assert files.cat(f"{place}/etc/os-release") == b"NAME=second\n"
        assert Image.at(place).read("etc/os-release") == b"NAME=second\n"
    with pytest.raises(FileNotFoundError, match=r"two\.tar has several images: say which of"):
        files.cat("docker-archive:two.tar/etc/os-release")
    for place in ("docker-archive:none.tar/etc", "oci:/etc", "oci:layout:none/x", "oci-archive:"):
        with pytest.raises(FileNotFoundError, match="no image of the store begins"):
            files.cat(place)


def test_another_file_of_the_same_name_is_another_image(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "app.tar"
    place.write_bytes((folder / "one.tar").read_bytes())
    first = Image.at(f"docker-archive:{place}")
    place.unlink()
    assert first.read("/etc/link") == b"NAME=first\n"
    place.write_bytes((folder / "two.tar").read_bytes())
    second = Image.at(f"docker-archive:{place}:team/second:1")
    assert second.read("/etc/os-release") == b"NAME=second\n"
    assert analysis.compare(first, second).files


@pytest.mark.parametrize(
    ("place", "kind", "complaint"),
    [
        ("docker-archive:{}/two.tar", InvalidError, "has several images: say which of"),
        ("docker-archive:{}/two.tar:none", NotFoundError, "no image is called 'none'"),
        ("oci:{}/none", NotFoundError, "no such image archive or layout"),
        ("oci:{}", NotFoundError, "no such image archive or layout"),
        ("docker-archive:{}/broken.tar", CorruptError, "its digest is"),
        ("docker-archive:", InvalidError, "it is docker-archive:FILE"),
        ("docker://ubuntu", FastlayersError, "docker://ubuntu is not looked into where it is"),
    ],
)
def test_what_is_not_there(
    folder: Path, temporary: Path, place: str, kind: type[Exception], complaint: str
) -> None:
    whole = (folder / "one.tar").read_bytes()
    (folder / "broken.tar").write_bytes(whole.replace(b"NAME=first", b"NAME=worst"))
    with pytest.raises(kind, match=complaint):
        Image.at(place.format(folder))
    assert list(temporary.iterdir()) == []


def test_a_child_leaves_the_stores_of_its_parent(folder: Path) -> None:
    image = Image.at(f"docker-archive:{folder}/one.tar")
    child = os.fork()
    if not child:
        remove_temporary_stores()
        os._exit(0)
    os.waitpid(child, 0)
    assert image.read("/etc/os-release") == b"NAME=first\n"


def test_a_process_that_exits_leaves_nothing(folder: Path, temporary: Path) -> None:
    code = (
        "from fastlayers import Image\n"
        f"print(Image.at('oci-archive:{folder}/oci.tar').read('/etc/os-release'))"
    )
    environment = {**os.environ, "TMPDIR": str(temporary)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True
    )
    assert done.stdout == b"b'NAME=first\\n'\n"
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_killed_process_leaves_the_next_one_removes(
    folder: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    code = (
        "from fastlayers import Image\n"
        f"image = Image.at('docker-archive:{folder}/two.tar:first:1')\n"
        "print(image.id, flush=True)\n"
        "input()"
    )
    environment = {**os.environ, "TMPDIR": str(temporary)}
    words = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, env=environment, stdin=pipe, stdout=pipe) as process:
        assert process.stdout and process.stdout.readline().startswith(b"sha256:")
        (left,) = temporary.iterdir()
        Image.at(f"docker-archive:{folder}/one.tar")
        assert left.exists()  # it is in use
        remove_temporary_stores()
        process.send_signal(number)
    target = temporary.parent / "of no concern"
    target.mkdir()
    others = [temporary / "fastlayers-look-link", temporary / "fastlayers-look-file"]
    others[0].symlink_to(target)
    others[1].write_text("")
    with monkeypatch.context() as other_user:
        other_user.setattr(os, "geteuid", lambda: os.getuid() + 1)
        Image.at(f"docker-archive:{folder}/two.tar:first:1")
    assert left.exists()
    Image.at(f"docker-archive:{folder}/one.tar")
    assert not left.exists() and target.exists() and all(map(os.path.lexists, others))
    assert len(list(temporary.iterdir())) == 4
    for other in others:
        other.unlink()


_VERBS = (
    ["ls", "{}", "/etc"], ["cat", "{}", "/etc/os-release"], ["find", "{}"], ["du", "{}"],
    ["grep", "{}", "NAME"], ["blame", "{}", "/etc"], ["layers", "{}"], ["efficiency", "{}"],
    ["dupes", "{}"], ["packages", "{}"], ["diff", "{}", "{}"],
)  # fmt: skip


@pytest.mark.parametrize("words", _VERBS)
def test_verbs(
    folder: Path, words: list[str], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    told = []
    with engine.scratch_store() as root:
        stack_image.loaded(root, [_FIRST], "first:1")
        for place in ("first:1", f"oci-archive:{folder}/oci.tar.gz"):
            code = main(["--root", root, *(word.format(place) for word in words)])
            told.append((code, *capfd.readouterr()))
    assert told[0] == told[1] and told[0][0] == 0
    assert main([*(word.format("docker-archive:/none") for word in words)]) == 1
    assert capfd.readouterr().err == "Error: /none: no such image archive or layout\n"
