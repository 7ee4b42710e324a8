"""Import: one tar becomes an image."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fastlayers.errors import CorruptError, FastlayersError, InvalidError, NotFoundError
from fastlayers.oci.platform import Platform
from fastlayers.store import Store
from fastlayers.transports import import_rootfs
from tests.image_parts import layer_tar
from tests.oci_layout import digest_of

TAR = layer_tar("root", 100_000)


def plain(data: bytes) -> bytes:
    return data


@pytest.mark.parametrize("pack", [plain, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("how", ["path", "file", "bytes", "pipe"])
def test_import_of_every_form(
    store: Store, tmp_path: Path, pack: Callable[[bytes], bytes], how: str
) -> None:
    data = pack(TAR)
    (tmp_path / "root.tar").write_bytes(data)
    if how == "path":
        image = import_rootfs(store, tmp_path / "root.tar", "base")
    elif how == "file":
        with open(tmp_path / "root.tar", "rb") as file:
            image = import_rootfs(store, file, "base")
    elif how == "bytes":
        image = import_rootfs(store, io.BytesIO(data), "base")
    else:
        reader, writer = os.pipe()

        def feed() -> None:
            with os.fdopen(writer, "wb") as file:
                file.write(data)

        thread = threading.Thread(target=feed)
        thread.start()
        with os.fdopen(reader, "rb", buffering=0) as pipe:
            image = import_rootfs(store, pipe, "base")
        thread.join()
    assert image.names == ("docker.io/library/base:latest",)
    assert [layer.diff_id for layer in image.layers] == [digest_of(TAR)]


def test_history_and_config(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    image = import_rootfs(
        store, io.BytesIO(TAR), changes=["CMD node app.js", "ENV A=b"], platform="linux/arm64"
    )
    assert image.names == ()
    assert image.config.platform == Platform("linux", "arm64")
    assert image.config.runtime.cmd == ("/bin/sh", "-c", "node app.js")
    assert image.config.runtime.env == ("A=b",)
    [step] = image.config.history
    assert (step.comment, step.created[:19]) == ("Imported from -", "2023-11-14T22:13:20")
    again = import_rootfs(store, io.BytesIO(TAR), message="by hand", changes=["CMD x"])
    assert again.config.history[0].comment == "by hand"


def test_bad_words_are_refused_before_reading(store: Store) -> None:
    class Unreadable(io.RawIOBase):
        def read(self, count: int = -1) -> bytes:
            raise AssertionError

    for arguments in (
        {"name": "Bad Name"},
        {"name": f"a@{digest_of(b'')}"},
        {"changes": ["RUN x"]},
    ):
        with pytest.raises(InvalidError):
            import_rootfs(store, Unreadable(), **arguments)  # type: ignore[arg-type]


def test_what_is_no_tar_is_refused(store: Store, tmp_path: Path) -> None:
    for data in (b"hello world" * 100, gzip.compress(TAR)[:-9], lzma.compress(TAR)[:-30]):
        (tmp_path / "bad.tar").write_bytes(data)
        with pytest.raises(CorruptError):
            import_rootfs(store, tmp_path / "bad.tar", "base")
        with pytest.raises(CorruptError):
            import_rootfs(store, io.BytesIO(data), "base")
    assert store.images() == []


def test_paths_that_cannot_be_read(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        import_rootfs(store, tmp_path / "missing.tar")
    with pytest.raises(FastlayersError, match="is a directory"):
        import_rootfs(store, tmp_path)


def test_an_interrupt_leaves_the_store_as_it_was(store: Store) -> None:
    class Interrupted(io.BytesIO):
        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_rootfs(store, Interrupted(TAR), "base")
    assert store.images() == []
