"""The choice of a backend, and that the kernel is not asked twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastlayers import _core
from fastlayers.backend import choose
from fastlayers.errors import InvalidError, UnsupportedError

Answers = dict[str, tuple[bool, str]]


class Kernel:
    """Stands in for the core's probe."""

    def __init__(self) -> None:
        self.answers: Answers = {
            "erofs_file": (True, "yes"),
            "erofs_loop": (True, "yes"),
            "overlay": (True, "yes"),
        }
        self.asked = 0

    def refuse(self, **reasons: str) -> None:
        self.answers.update({name: (False, why) for name, why in reasons.items()})

    def probe(self, directory: str) -> Answers:
        self.asked += 1
        return self.answers


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(_core, "probe", kernel.probe)
    return kernel


def test_the_best_that_works_is_chosen(kernel: Kernel, tmp_path: Path) -> None:
    root = str(tmp_path)
    assert choose(root, "", "").mount_name == "erofs"
    kernel.refuse(erofs_file="too old")
    (tmp_path / "probe.json").unlink()
    loop = choose(root, "", "")
    assert (loop.name, loop.mount_name) == ("erofs", "erofs-loop")
    assert "too old" in loop.reason
    kernel.refuse(erofs_loop="no loops")
    (tmp_path / "probe.json").unlink()
    overlay = choose(root, "", "")
    assert (overlay.name, overlay.mount_name) == ("overlay", "overlay")
    assert "too old" in overlay.reason
    assert "no loops" in overlay.reason


def test_in_a_user_namespace_a_copy_serves_where_overlayfs_does_not(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.refuse(erofs_file="no", erofs_loop="no", overlay="forbidden here")
    with pytest.raises(UnsupportedError, match="--backend copy"):
        choose(str(tmp_path), "", "")
    assert choose(str(tmp_path), "copy", "--backend").mount_name == "copy"
    monkeypatch.setattr(_core, "in_initial_user_namespace", lambda: False)
    copy = choose(str(tmp_path), "", "")
    assert (copy.name, copy.mount_name) == ("copy", "copy")
    assert "forbidden here" in copy.reason


def test_what_was_asked_for_is_used_or_refused(kernel: Kernel, tmp_path: Path) -> None:
    root = str(tmp_path)
    assert choose(root, "overlay", "--backend").reason == "chosen by --backend"
    assert choose(root, "erofs-loop", "--backend").mount_name == "erofs-loop"
    kernel.refuse(erofs_file="too old", erofs_loop="no loops")
    (tmp_path / "probe.json").unlink()
    for name in ("erofs", "erofs-loop"):
        with pytest.raises(UnsupportedError, match=rf"{name} \(--backend\).*no loops"):
            choose(root, name, "--backend")
    with pytest.raises(InvalidError, match="unknown backend 'zfs'"):
        choose(root, "zfs", "--backend")


def test_nothing_works_without_overlayfs(kernel: Kernel, tmp_path: Path) -> None:
    kernel.refuse(overlay="not permitted")
    with pytest.raises(UnsupportedError, match="not permitted"):
        choose(str(tmp_path), "", "")


def test_the_kernel_is_asked_once(kernel: Kernel, tmp_path: Path) -> None:
    for _ in range(3):
        choose(str(tmp_path), "", "")
    assert kernel.asked == 1


def test_other_circumstances_are_asked_about_anew(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(str(tmp_path), "", "")
    monkeypatch.setenv("FASTLAYERS_FORBID", "erofs-file")
    choose(str(tmp_path), "", "")
    assert kernel.asked == 2


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"answers":{}}', b'{"answers":1}'])
def test_a_damaged_cache_is_mended(kernel: Kernel, tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "probe.json").write_bytes(raw)
    assert choose(str(tmp_path), "", "").name == "erofs"
    assert choose(str(tmp_path), "", "").name == "erofs"
    assert kernel.asked == 1
