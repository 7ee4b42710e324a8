"""`report`: what it writes and where, and what the page's data are."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import stat
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastlayers import Image, Store, analysis
from fastlayers.cli import main
from tests import engine, stack_image, tar_write
from tests.image_parts import Blob, archive_of, image_of, layout_members
from tests.oci_layout import NAME
from tests.tar_members import Member

_OLD = [
    Member(b"etc/passwd", "file", 0o640, 5, 6, 7 * 10**9, b"root" * 10),
    Member(b"usr/lib/lib.so", "file", content=b"x" * 5000),
    Member(b"usr/lib/again.so", "hardlink", link=b"usr/lib/lib.so"),
    Member(b"usr/link", "symlink", 0o777, link=b"lib/<b>\xff"),
    Member(b"gone/key", "file", content=b"k" * 300),
    Member(b"turns", "file", content=b"t" * 9),
    Member(b"odd\xff\n</script>", "file", content=b"o" * 70),
]
_TOP = [
    Member(b".wh.gone", "file"),
    Member(b"etc/passwd", "file", 0o600, 5, 6, 7 * 10**9, b"root" * 20),
    Member(b"turns/new", "file", content=b"n" * 11),
]


@pytest.fixture(scope="module")
def root() -> Iterator[str]:
    """A store with old:1, new:1 (a layer more), plain:1 (no history) and empty:1."""
    with engine.scratch_store() as root:
        stack_image.loaded(root, [_OLD], "old:1")
        stack_image.loaded(root, [_OLD, _TOP], "new:1")
        stack_image.loaded(root, [], "empty:1")
        parts = image_of([Blob.plain(tar_write.plain(_OLD))])
        archive = archive_of(*layout_members(parts, {NAME: "plain:1"}))
        Image.load(io.BytesIO(archive), store=Store(root))
        yield root


def opened(page: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document and the columns in a page."""
    (packed,) = re.findall(rb'id="data">([A-Za-z0-9+/=]*)</script>', page)
    data = zlib.decompress(base64.b64decode(packed))
    document = json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")])
    columns = {
        name: np.frombuffer(data, dtype=f"<{kind}", count=count, offset=offset)
        for name, (kind, offset, count) in document["columns"].items()
    }
    return document, columns


def texts(column: Any) -> list[bytes]:
    """The texts of a column of them."""
    found: list[bytes] = column.tobytes().split(b"\0")
    assert found.pop() == b""
    return found


def paths(columns: dict[str, Any]) -> list[bytes]:
    """The path of each entry, from its name and its directory."""
    found: list[bytes] = []
    for name, above in zip(texts(columns["names"]), columns["parent"].tolist(), strict=True):
        found.append(b"/" if above < 0 else found[above].rstrip(b"/") + b"/" + name)
    return found


def test_the_data_of_one_image(root: str) -> None:
    image = Store(root).image("new:1")
    document, columns = opened(analysis.report(image))
    files = image.files()
    assert paths(columns) == files.paths().tolist()
    for name in ("uid", "gid", "mode", "layer"):
        assert columns[name].tolist() == files[name].tolist()
    assert columns["mtime"].tolist() == files["mtime_sec"].tolist()
    kinds = dict(zip(paths(columns), columns["kind"].tolist(), strict=True))
    assert sorted(path for path, kind in kinds.items() if kind & 16) == [b"/usr/lib/lib.so"]
    assert texts(columns["links"]) == [b"lib/<b>\xff"]
    (about,) = document["images"]
    assert about["name"] == "new:1" and about["layers"] == [0, 1]
    assert document["score"] == analysis.efficiency(image).score
    assert [row[1] for row in about["history"]] == ["step 1", "step 0"]
    layers = analysis.layer_changes(image)
    assert [(row["size"], row["wasted"], row["added"]) for row in document["layers"]] == [
        (layer.size, layer.wasted, layer.added) for layer in layers
    ]
    hidden = list(
        zip(
            texts(columns["hidden_paths"]),
            *(columns[f"hidden_{name}"].tolist() for name in ("size", "layer", "by")),
            strict=True,
        )
    )
    assert hidden == [(b"/etc/passwd", 40, 0, 1), (b"/gone/key", 300, 0, 1), (b"/turns", 9, 0, 1)]
    assert sum(row[1] for row in hidden) == about["wasted"]


def test_the_data_of_two_images(root: str) -> None:
    old, new = (Store(root).image(name) for name in ("old:1", "new:1"))
    document, columns = opened(analysis.report(old, new))
    told = dict(zip(paths(columns), columns["change"].tolist(), strict=True))
    for difference in analysis.compare(old, new).files:
        change = told.pop(os.fsencode(difference.path))
        assert ("same", "changed", "added", "removed")[change] == difference.change
    assert set(told.values()) == {0}
    at = paths(columns).index(b"/etc/passwd")
    assert (columns["old_size"][at], columns["size"][at]) == (40, 80)
    assert columns["aspects"][at] == 0b110  # content and mode
    gone = paths(columns).index(b"/gone/key")
    assert columns["parent"][gone] == paths(columns).index(b"/gone")
    assert columns["size"][gone] == 300
    assert [row["images"] for row in document["layers"]] == [3, 2]
    assert document["differences"]["new_history"] == ["step 1"]


def test_layers_of_two_images_that_share_only_some(tmp_path: Path) -> None:
    a, b, c = ([Member(name, "file", content=name)] for name in (b"a", b"b", b"c"))
    old = stack_image.loaded(str(tmp_path), [a, b, b], "x:1")
    new = stack_image.loaded(str(tmp_path), [a, c, b, a], "x:2")
    document, columns = opened(analysis.report(old, new))
    assert [image["layers"] for image in document["images"]] == [[0, 1, 2], [0, 3, 1, 4]]
    assert [row["images"] for row in document["layers"]] == [3, 3, 1, 2, 2]
    assert [row["diff_id"] for row in document["layers"]] == [
        *(layer.diff_id for layer in old.layers), new.layers[1].diff_id, new.layers[3].diff_id,
    ]  # fmt: skip
    where = dict(zip(paths(columns), columns["layer"].tolist(), strict=True))
    assert where[b"/c"] == 3 and where[b"/b"] == 1 and where[b"/a"] == 4


@pytest.mark.parametrize("names", [("empty:1",), ("empty:1", "new:1"), ("new:1", "empty:1"),
                                   ("plain:1",), ("old:1", "old:1")])  # fmt: skip
def test_images_with_little_in_them(root: str, names: tuple[str, ...]) -> None:
    document, columns = opened(analysis.report(*(Store(root).image(name) for name in names)))
    assert len(document["images"]) == len(names)
    assert columns["parent"][0] == -1
    if names == ("plain:1",):
        assert document["layers"][0]["created_by"] == ""
    if names == ("old:1", "old:1"):
        assert not columns["change"].any() and not document["differences"]["config"]


def test_names_of_one_hidden_file_are_told_once_with_their_bytes(tmp_path: Path) -> None:
    image = stack_image.loaded(str(tmp_path), [_OLD, [Member(b".wh.usr", "file")]], "less:1")
    document, columns = opened(analysis.report(image))
    told = zip(texts(columns["hidden_paths"]), columns["hidden_size"].tolist(), strict=True)
    assert list(told) == [(b"/usr/lib/again.so", 5000), (b"/usr/lib/lib.so", -1)]
    assert document["images"][0]["wasted"] == 5000


@pytest.mark.parametrize("depth", [20, 480, 900])
def test_a_config_that_is_deeper_than_any(tmp_path: Path, depth: int) -> None:
    value = "{" + '"a":{' * depth + '"b":1' + "}" * depth + "}"
    parts = image_of([Blob.plain(tar_write.plain(_OLD))], config={"Labels": {"deep": "X"}})
    raw = parts.config.replace(b'"X"', value.encode())
    parts = parts._replace(config=raw.replace(b'"Labels"', b'"Odd"'))
    manifest = json.loads(parts.manifest)
    manifest["config"] |= {"digest": parts.id, "size": len(parts.config)}
    parts = parts._replace(manifest=json.dumps(manifest).encode())
    archive = archive_of(*layout_members(parts, {NAME: "deep:1"}))
    (image,) = Image.load(io.BytesIO(archive), store=Store(str(tmp_path)))
    for new in (None, stack_image.loaded(str(tmp_path), [], "other:1")):
        document, _ = opened(analysis.report(image, new))
        assert document["images"][0]["name"] == "deep:1"
        assert analysis.compare(image, new or image) is not None


def test_nothing_of_an_image_is_in_the_page_but_as_data(root: str) -> None:
    page = analysis.report(Store(root).image("new:1"))
    assert page.count(b"</script>") == 2
    (policy,) = re.findall(rb'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith(b"default-src 'none'; ")
    for part, tag in (("script", b'<script type="module">'), ("style", b"<style>")):
        start = page.index(tag) + len(tag)
        content = page[start : page.index(b"</" + part.encode(), start)]
        digest = base64.b64encode(hashlib.sha256(content).digest())
        assert b"%s-src 'sha256-%s'" % (part.encode(), digest) in policy
    assert not re.search(rb"https?://(?!www\.w3\.org/2000/svg)", page)
    script = page[page.index(b"<script type") :]
    for way in (b"innerHTML", b"outerHTML", b"insertAdjacent", b"document.write", b"eval("):
        assert way not in script


def test_where_it_is_written(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--root", root, "report", "new:1"]) == 0
    assert re.fullmatch(r"Wrote report\.html \([\d.]+kB\)\n", capsys.readouterr().out)
    assert stat.S_IMODE(os.stat("report.html").st_mode) & 0o600 == 0o600
    page = Path("report.html").read_bytes()
    assert main(["--root", root, "report", "old:1"]) == 1
    assert capsys.readouterr().err == (
        "report.html is there already: to replace it, say -o report.html\n"
    )
    assert Path("report.html").read_bytes() == page
    assert main(["--root", root, "report", "old:1", "-o", "report.html"]) == 0
    assert Path("report.html").read_bytes() != page
    assert os.listdir() == ["report.html"]
    os.symlink("report.html", "latest.html")
    assert main(["--root", root, "report", "new:1", "-o", "latest.html"]) == 0
    assert os.path.islink("latest.html") and Path("report.html").read_bytes() == page


def test_it_goes_to_stdout_and_into_devices_as_well(root: str, tmp_path: Path) -> None:
    for output, shown in (("-", True), ("/dev/stdout", True), ("/dev/null", False)):
        command = [sys.executable, "-m", "fastlayers", "--root", root, "report", "new:1"]
        done = subprocess.run([*command, "-o", output], capture_output=True, check=True)
        assert (done.stdout[:15], done.stdout[-8:]) == (
            (b"<!doctype html>", b"</html>\n") if shown else (b"", b"")
        )
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with open(tmp_path / "out", "wb") as out:
        subprocess.run([*command, "-o", "/dev/stdout"], stdout=out, check=True)
    assert os.path.islink("/dev/stdout")
    assert (tmp_path / "out").read_bytes().endswith(b"</html>\n")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["none"], "Error: No such image: none:latest"),
        (["new:1", "none"], "Error: No such image: none:latest"),
        (["new:1", "-o", "no/where/x.html"], "Error: cannot write no/where/x.html"),
        (["new:1", "-o", "."], "Error: cannot write .: Is a directory"),
        (["new:1", "-o", ""], 'invalid argument "" for "-o, --output" flag: must name a file'),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], words: list[str], complaint: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["--root", root, "report", *words]) != 0
    out, err = capsys.readouterr()
    assert out == "" and err.splitlines()[0].startswith(complaint)
    assert os.listdir() == []


def test_a_full_disk_leaves_no_half_of_it(root: str, tmp_path: Path) -> None:
    import resource

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    command = [sys.executable, "-m", "fastlayers", "--root", root, "report", "new:1"]
    done = subprocess.run([*command, "-o", "x.html"], cwd=tmp_path, preexec_fn=little,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "Error: cannot write the report: file too large\n"
    assert os.listdir(tmp_path) == []
