"""Reads and writes that do less than they were asked for, as they may on any file system, pipe and
socket: everything comes out whole all the same."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_registry import FakeRegistry
from tests.faults.operations import Scene, check, names

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox", "gcc")]

# Stands before the C library's functions: of more than 64 bytes a third is done at a time. Small
# transfers are left alone: those of an eventfd must not be cut.
_SHORT = """
#define _GNU_SOURCE
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static size_t some(size_t count) { return count > 64 ? count / 3 : count; }
ssize_t write(int fd, const void *from, size_t n) { return syscall(SYS_write, fd, from, some(n)); }
ssize_t read(int fd, void *to, size_t n) { return syscall(SYS_read, fd, to, some(n)); }
ssize_t pwrite(int fd, const void *from, size_t n, off_t at) {
  return syscall(SYS_pwrite64, fd, from, some(n), at);
}
ssize_t pwrite64(int fd, const void *from, size_t n, off_t at) {
  return syscall(SYS_pwrite64, fd, from, some(n), at);
}
ssize_t pread(int fd, void *to, size_t n, off_t at) {
  return syscall(SYS_pread64, fd, to, some(n), at);
}
ssize_t pread64(int fd, void *to, size_t n, off_t at) {
  return syscall(SYS_pread64, fd, to, some(n), at);
}
ssize_t copy_file_range(int in, off_t *a, int out, off_t *b, size_t n, unsigned flags) {
  return syscall(SYS_copy_file_range, in, a, out, b, some(n), flags);
}
ssize_t sendfile(int out, int in, off_t *at, size_t n) {
  return syscall(SYS_sendfile, out, in, at, some(n));
}
ssize_t sendfile64(int out, int in, off_t *at, size_t n) {
  return syscall(SYS_sendfile, out, in, at, some(n));
}
"""
_NAMES = ("pull", "load", "import", "commit", "tag", "prune", "create", "run")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with FakeRegistry().running() as registry:
        yield Scene(tmp_path_factory.mktemp("short"), registry)


@pytest.fixture(scope="module")
def preload(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a command whose transfers are short."""
    folder = tmp_path_factory.mktemp("preload")
    (folder / "short.c").write_text(_SHORT)
    library = folder / "short.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-o", library, folder / "short.c"], check=True
    )
    return {"LD_PRELOAD": str(library)}


def test_transfers_are_short(preload: dict[str, str], tmp_path: Path) -> None:
    """Else the others here would show nothing."""
    (tmp_path / "file").write_bytes(b"x" * 3000)
    code = f"import os; print(len(os.read(os.open({str(tmp_path / 'file')!r}, 0), 3000)))"
    done = subprocess.run(["python3", "-c", code], env=preload | {"PATH": "/usr/bin:/bin"},
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout == "1000\n"


@pytest.mark.parametrize("name", _NAMES)
def test_short(scene: Scene, preload: dict[str, str], name: str) -> None:
    operation = next(one for one in scene.operations() if one.name == name)
    with scene.attempt() as command:
        before = names(command)
        command.extra = preload
        command.must(*operation.words)
        assert operation.done(command)
        check(command, operation, before)


@pytest.mark.parametrize("format", ["docker", "oci"])
def test_an_archive_is_the_same(
    scene: Scene, preload: dict[str, str], tmp_path: Path, format: str
) -> None:
    with scene.attempt() as command:
        command.must("save", "--format", format, "-o", str(tmp_path / "whole"), "old:1")
        command.extra = preload
        command.must("save", "--format", format, "-o", str(tmp_path / "short"), "old:1")
        piped = command.start("save", "--format", format, "old:1", stdout=subprocess.PIPE)
        out, _ = piped.communicate()
        assert piped.returncode == 0
    whole = (tmp_path / "whole").read_bytes()
    assert (tmp_path / "short").read_bytes() == whole == out
