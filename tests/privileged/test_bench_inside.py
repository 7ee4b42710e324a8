"""`bench inside` on a small image: its answers are right, and a wrong one is told from them."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator

import pytest
from bench.inside.questions import FOLDER, QUESTIONS, Question
from bench.inside.run import Inside
from bench.layout import GZIP_LAYER, SUMMARY, BenchImage, complete_layout, put_blob
from bench.scenarios.answer import WrongAnswer

from tests import busybox_root, tar_write
from tests.tar_members import Member

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]

_FOLDERS = ("srv", "srv/app", FOLDER, f"{FOLDER}/@of", f"{FOLDER}/@of/one", "usr/share", "var",
            "var/lib", "var/lib/dpkg")  # fmt: skip
_STATUS = b"""\
Package: some
Status: install ok installed
Maintainer: none
Architecture: all
Version: 1:2.0-3
Description: nothing
"""
_PACKAGE = b'{"name": "@of/one", "version": "4.5.6"}'


def _files() -> list[Member]:
    """Duplicates, hard links, names that are no text, a binary file, and enough to be changed."""
    files = [Member(f"{FOLDER}/f{n}.js".encode(), "file", 0o644, 7, 8, content=b"x" * (n % 50))
             for n in range(200)]  # fmt: skip
    return [
        *(Member(path.encode(), "dir", 0o755) for path in _FOLDERS),
        *files,
        Member(b"var/lib\xff\n1", "file", 0o644, content=b"password = 1\nno\npassword = 2"),
        Member(b"usr/share/lib2", "file", 0o755, content=b"\0password = 3\n" * 20_000),
        Member(b"usr/share/second", "hardlink", link=b"usr/share/lib2"),
        Member(b"var/lib/dpkg/status", "file", 0o644, content=_STATUS),
        Member(f"{FOLDER}/@of/one/package.json".encode(), "file", 0o644, content=_PACKAGE),
    ]


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    folder = tmp_path_factory.mktemp("inside")
    layout = folder / "layout"
    layers, diff_ids = [], []
    top = [Member(b"etc/.wh.plain", "file"), Member(b"etc/passwd", "file", 0o600)]
    for members in (busybox_root.members(), _files(), top):
        tar = tar_write.plain(members)
        diff_ids.append(f"sha256:{hashlib.sha256(tar).hexdigest()}")
        layers.append(put_blob(layout, GZIP_LAYER, gzip.compress(tar)))
    config = {"os": "linux", "architecture": "amd64", "config": {},
              "rootfs": {"type": "layers", "diff_ids": diff_ids}}  # fmt: skip
    image = BenchImage("small", layout)
    complete_layout(layout, json.dumps(config).encode(), layers, image.tag)
    (layout / SUMMARY).write_text("{}")
    with Inside(image, folder) as inside:
        yield inside


# The last one removes the changed image.
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_every_answer_is_right(inside: Inside, question: Question) -> None:
    if question.name != "shared":
        with pytest.raises(WrongAnswer, match=question.name):
            inside.check(question._replace(true=lambda _: {"nothing": "of it"}))
    costs = inside.ask(question)
    assert 0 < costs["work_seconds"] < costs["process_seconds"] < 60
    inside.check(question)


def test_the_last_question_is_the_one_that_removes() -> None:
    assert [question.name for question in QUESTIONS][-1] == "shared"


def test_an_empty_answer_is_none(inside: Inside) -> None:
    with pytest.raises(WrongAnswer, match="nothing to be told"):
        inside.check(QUESTIONS[0]._replace(told=lambda _: {}, true=lambda _: {}))
