"""fastlayers://IMAGE/PATH through fsspec."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tests import engine, stack_image
from tests.tar_members import Member

_MEMBERS = [
    Member(b"etc/os-release", "file", 0o640, 1, 2, 10**18, b"NAME=x\n"),
    Member(b"etc/link", "symlink", link=b"os-release"),
    Member(b"etc/up", "symlink", link=b".."),
    Member(b"loop", "symlink", link=b"loop"),
    Member(b"a.txt", "file", content=b"12345"),
]


@pytest.fixture(scope="module")
def files() -> Iterator[Any]:
    """The file system as fsspec makes it, registered as the entry point says."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    entry = project["project"]["entry-points"]["fsspec.specs"]["fastlayers"]
    module, _, name = entry.partition(":")
    fsspec.register_implementation("fastlayers", getattr(import_module(module), name), clobber=True)
    with engine.scratch_store() as root:
        stack_image.loaded(root, [_MEMBERS], "registry.example:5000/team/app:1")
        stack_image.loaded(root, [_MEMBERS[:1]], "small")
        yield fsspec.filesystem("fastlayers", root=root)


APP = "registry.example:5000/team/app:1"


def test_reading(files: Any) -> None:
    options = {"root": files.storage_options["root"]}
    for url in (f"fastlayers://{APP}/etc/os-release", "fastlayers://small/etc/os-release"):
        with fsspec.open(url, **options) as file:
            assert file.read() == b"NAME=x\n"
    with fsspec.open(f"fastlayers://{APP}/etc/up/a.txt", "rt", **options) as text:
        assert text.read() == "12345"
    assert files.cat(f"{APP}/etc/link") == b"NAME=x\n"
    assert files.cat_file(f"{APP}/a.txt", start=1, end=3) == b"23"


def test_looking(files: Any) -> None:
    assert sorted(files.ls("", detail=False)) == [APP, "small:latest"]
    assert files.ls("fastlayers://small/", detail=False) == ["small/etc"]
    rows = {row["name"].rpartition("/")[2]: row for row in files.ls(f"{APP}/etc")}
    assert {name: row["type"] for name, row in rows.items()} == {
        "link": "link", "os-release": "file", "up": "link",
    }  # fmt: skip
    row = rows["os-release"]
    assert (row["size"], row["uid"], row["gid"], row["mode"]) == (7, 1, 2, 0o100640)
    assert files.modified(f"{APP}/etc/os-release").year == 2001
    assert files.info(f"{APP}/etc/link")["type"] == "file"
    assert files.info(f"{APP}/etc/link")["destination"] == "os-release"
    assert files.isdir(f"{APP}/etc/up") and files.isdir(APP) and files.isdir("")
    assert files.info(f"{APP}/loop")["type"] == "link"
    assert sorted(files.find(APP)) == [
        f"{APP}/a.txt", f"{APP}/etc/link", f"{APP}/etc/os-release", f"{APP}/etc/up", f"{APP}/loop",
    ]  # fmt: skip
    assert files.glob(f"{APP}/*/os-*") == [f"{APP}/etc/os-release"]
    assert files.ukey(f"{APP}/a.txt") != files.ukey("small/etc/os-release")


def test_what_cannot_be(files: Any) -> None:
    for path in (f"{APP}/none", "none/etc", f"{APP}/etc/os-release/x"):
        assert not files.exists(path)
        with pytest.raises(FileNotFoundError):
            files.cat(path)
    for path in (f"{APP}/loop", f"{APP}/loop/x"):
        with pytest.raises(FileNotFoundError, match="too many symbolic links"):
            files.open(path)
    with pytest.raises(IsADirectoryError):
        files.open(f"{APP}/etc")
    with pytest.raises(OSError, match="images are read-only: mode 'wb'"):
        files.open(f"{APP}/new", "wb")
