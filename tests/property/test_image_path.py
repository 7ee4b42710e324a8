"""ImagePath on random stacks, against the oracle; its globs, against pathlib's."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers import Image, Store, errors
from tests import stack_image, strategies
from tests.effort import examples
from tests.tar_members import Member

_TYPES = {"file": stat.S_IFREG, "dir": stat.S_IFDIR, "symlink": stat.S_IFLNK,
          "char": stat.S_IFCHR, "block": stat.S_IFBLK, "fifo": stat.S_IFIFO}  # fmt: skip


@examples(30)
@given(strategies.stacks(max_layers=3))
def test_paths_show_the_merged_tree(memory_store: str, stack: list[list[Member]]) -> None:
    tree = stack_image.trees(stack)[-1]
    root = stack_image.loaded(memory_store, stack).path()
    inodes: dict[int, frozenset[bytes]] = {}
    for path, facts in tree.items():
        here = root / path
        status = here.lstat()
        assert bytes(here) == b"/" + path and os.fsencode(here.name) == path.rpartition(b"/")[2]
        assert stat.S_IFMT(status.st_mode) == _TYPES[facts.type]
        if facts.type != "symlink":
            assert stat.S_IMODE(status.st_mode) == facts.mode
        assert (status.st_uid, status.st_gid) == (facts.uid, facts.gid)
        assert (status.st_mtime_ns, status.st_nlink) == (facts.mtime_ns, facts.nlink)
        assert (os.major(status.st_rdev), os.minor(status.st_rdev)) == facts.device
        names = facts.names or frozenset([path])
        assert inodes.setdefault(status.st_ino, names) == names
        if facts.type == "file":
            assert hashlib.sha256(here.read_bytes()).hexdigest() == facts.sha256
            assert status.st_size == facts.size
        elif facts.type == "symlink":
            assert os.fsencode(here.readlink()) == facts.link and here.is_symlink()
        elif facts.type == "dir":
            inside = sorted(p for p in tree if p.rpartition(b"/")[0] == path)
            assert [bytes(child)[1:] for child in here.iterdir()] == inside
            assert all(child.parent == here for child in here.iterdir())
    assert sum(1 for _ in root.rglob("*")) == len(tree)


_FILES: dict[str, bytes | str] = {
    "a/b/c.txt": b"one", "a/b/d.py": b"two", "a/.hidden": b"", "a/e/f/g.txt": b"x", "z.txt": b"z",
    "a/link": "b", "up": "a/e/../b", "loop": "loop2", "loop2": "loop", "dangling": "none",
    "abs": "/a/b", "climb": "../../../a", "weird[1].txt": b"",
}  # fmt: skip


def _image(root: str, files: dict[str, bytes | str]) -> Image:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    buffer.seek(0)
    return Image.import_(buffer, store=Store(root))


@pytest.fixture(scope="module")
def image(memory_store: str) -> Image:
    return _image(memory_store, _FILES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as real files; what is absolute means the host there, so it is left out."""
    top = tmp_path_factory.mktemp("tree")
    for name, content in _FILES.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.symlink_to(content)
    for name in ("abs", "climb"):
        (top / name).unlink()
    return top


_PATTERNS = ["*", "*.txt", "**/*.txt", "a/*", "a/**/g.txt", "**", "a/**", "link/*", "a/link/*",
             "up/*", "*/b/?.py", "[az]*", "loop/*", "a/../z*", "**/e/**", "weird[[]1*",
             ".*", "*/*/*", "none/*", "z.txt/*"]  # fmt: skip


@pytest.mark.parametrize("pattern", _PATTERNS)
def test_globs_are_those_of_pathlib(image: Image, folder: Path, pattern: str) -> None:
    wanted = {str(path.relative_to(folder)) for path in folder.glob(pattern)}
    found = [str(path)[1:] or "." for path in image.path().glob(pattern)]
    assert len(set(found)) == len(found)
    assert {p for p in found if p.partition("/")[0] not in ("abs", "climb")} == wanted


@given(st.lists(st.sampled_from(["a", "b", "c.txt", "link", "up", "..", ".", "e", "x", "z.txt"]),
                max_size=5))  # fmt: skip
def test_resolving_is_as_the_kernel_does(image: Image, folder: Path, parts: list[str]) -> None:
    path = image.path("/".join(parts))
    real = folder.joinpath(*parts)
    # ".." of the real folder leads out of it, that of an image's root does not.
    depth = 0
    for part in parts:
        depth += {"..": -1, ".": 0}.get(part, 1)
        if depth < 0:
            return
    try:
        wanted = real.resolve(strict=True)
    except OSError:
        assert not path.exists()
        with pytest.raises(errors.FastlayersError):
            path.resolve(strict=True)
        return
    if wanted.is_relative_to(folder):
        assert str(path.resolve())[1:] == str(wanted.relative_to(folder)).removeprefix(".")
        assert (path.is_dir(), path.is_file()) == (real.is_dir(), real.is_file())


def test_links_stay_inside_and_loops_end(image: Image) -> None:
    root = image.path()
    assert (root / "abs" / "c.txt").read_text() == "one"
    assert str((root / "climb/b").resolve()) == "/a/b"
    assert str((root / "dangling/more").resolve()) == "/dangling/more"
    assert not (root / "loop").exists() and (root / "loop").is_symlink()
    for ask in ("stat", "resolve", "iterdir", "read_bytes"):
        with pytest.raises(errors.InvalidError, match="too many symbolic links: '/loop'"):
            getattr(root / "loop", ask)()
    with pytest.raises(errors.NotFoundError, match="no such file in the image: '/none'"):
        (root / "none").stat()
    with pytest.raises(errors.InvalidError, match=r"'/z.txt' is not a directory"):
        (root / "z.txt").iterdir()
    with pytest.raises(errors.InvalidError, match="not a symbolic link"):
        (root / "z.txt").readlink()
    for pattern in ("", "/a", "."):
        with pytest.raises(errors.InvalidError, match="not a relative pattern"):
            list(root.glob(pattern))


def test_the_parts_of_a_path(image: Image) -> None:
    path = image.path("usr//lib/./x.tar.gz/")
    assert (str(path), path.parts) == ("/usr/lib/x.tar.gz", ("/", "usr", "lib", "x.tar.gz"))
    assert (path.name, path.suffix, path.stem) == ("x.tar.gz", ".gz", "x.tar")
    assert str(path.parent.parent) == "/usr" and str(image.path().parent) == "/"
    assert str(path.joinpath("a", "/b", "c")) == "/b/c"
    assert path == image.path("/usr/lib/x.tar.gz") and path != image.path("/usr")
    assert str(image.path(b"/\xff") / b"\xfe") == "/\udcff/\udcfe"
    assert sorted([image.path("b"), image.path("a")])[0] == image.path("a")
    for name in (".bashrc", "a.", "a", "..", ""):
        assert (image.path(name).suffix, image.path(name).stem) == ("", Path(name).name or "")


def test_files_are_opened_where_they_lie(image: Image) -> None:
    with image.open("/a/b/c.txt") as text:
        assert text.read() == "one"
    with image.open("/a/b/c.txt", "rb") as file:
        assert (file.seek(-2, os.SEEK_END), file.read(), file.read(1)) == (1, b"ne", b"")
        assert (file.seek(1), file.read(1), file.tell()) == (1, b"n", 2)
        file.seek(100)
        assert file.read() == b""
        with pytest.raises(ValueError, match="negative seek"):
            file.seek(-1)
    with pytest.raises(ValueError, match="closed file"):
        file.read()
    with image.open("/a/.hidden", "rb") as empty:
        assert empty.read() == b""
    with pytest.raises(errors.InvalidError, match="can only be read: mode 'w'"):
        image.open("/z.txt", "w")
    with pytest.raises(errors.InvalidError, match="'/a' is a directory"):
        image.open("/a")
