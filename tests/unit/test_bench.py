"""The parts of the benchmark suite that could be wrong without anyone noticing."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from bench import report, tree
from bench.chart import chart
from bench.docker_archive import diff_ids_of, docker_archive
from bench.layout import BenchImage
from bench.leftovers import end_leftovers
from bench.measure import Cost, total
from bench.place import file_system_of, fresh
from bench.scenarios.answer import WrongAnswer, check_disk, check_tree
from bench.tree import Row


def _layer(path: Path, *members: tuple[str, bytes | None]) -> Path:
    """A tar of files, and of directories where the content is None."""
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            member.size = len(content or b"")
            tar.addfile(member, io.BytesIO(content or b""))
    return path


def _special(path: Path, *members: tuple[str, bytes, str]) -> Path:
    """A tar of entries that have a type and a target."""
    with tarfile.open(path, "w") as tar:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            tar.addfile(member)
    return path


def test_reference_applies_whiteouts_to_what_is_below_only(tmp_path: Path) -> None:
    below = _layer(tmp_path / "1", ("d", None), ("d/old", b"1"), ("gone", None), ("gone/x", b""))
    above = _layer(
        tmp_path / "2", ("d/new", b"2"), ("d/.wh..wh..opq", b""), (".wh.gone", b""), ("e", b"")
    )
    assert sorted(tree.of_layers([below, above])) == ["d", "d/new", "e"]


def test_reference_replaces_a_directory_by_a_file(tmp_path: Path) -> None:
    below = _layer(tmp_path / "1", ("d", None), ("d/old", b"1"))
    found = tree.of_layers([below, _layer(tmp_path / "2", ("d", b"now a file"))])
    assert list(found) == ["d"] and found["d"].kind == "file"


def test_reference_links_to_files_of_lower_layers(tmp_path: Path) -> None:
    below = _layer(tmp_path / "1", ("b", b"text"), ("other", b"text"))
    above = _special(tmp_path / "2", ("a", tarfile.LNKTYPE, "b"), ("s", tarfile.SYMTYPE, "b"))
    found = tree.of_layers([below, above])
    assert (found["a"].same_as, found["b"].same_as, found["other"].same_as) == ("a", "a", "")
    assert found["a"].content == found["b"].content and found["s"].content == "b"


def test_part_keeps_only_the_links_within(tmp_path: Path) -> None:
    names = _layer(tmp_path / "1", ("d", None), ("d/x", b"1"), ("d/y", b"2"))
    links = _special(
        tmp_path / "2", ("out", tarfile.LNKTYPE, "d/x"), ("d/z", tarfile.LNKTYPE, "d/y")
    )
    found = tree.part(tree.of_layers([names, links]), "d")
    assert {path: row.same_as for path, row in found.items()} == {"x": "", "y": "y", "z": "y"}


def test_tree_of_a_directory_is_that_of_its_tar(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a/file").write_text("text")
    (root / "a/link").symlink_to("file")
    (root / "a/name").hardlink_to(root / "a/file")
    os.mkfifo(root / "a/fifo")
    with tarfile.open(tmp_path / "tar", "w") as tar:
        tar.add(root / "a", "a")
    found = tree.of_directory(root)
    assert tree.difference(tree.of_layers([tmp_path / "tar"]), found) == ""
    assert found["a/name"].same_as == "a/file"


@pytest.mark.parametrize(
    "wrong",
    [
        {"content": "y"},
        {"mode": 0o600},
        {"mtime": 2},
        {"uid": 7},
        {"same_as": "b"},
        {"xattrs": "user.a=00"},
        None,
    ],
)
def test_a_wrong_tree_is_caught(wrong: dict[str, Any] | None) -> None:
    expected = {"a": Row("file", 0o644, 0, 0, 1, "x"), "b": Row("dir", 0o755, 0, 0, 0, "")}
    check_tree(expected, dict(expected), "engine")
    got = {**expected, "a": expected["a"]._replace(**wrong)} if wrong else {"b": expected["b"]}
    with pytest.raises(WrongAnswer, match="engine: 1 paths differ: a"):
        check_tree(expected, got, "engine")


def test_what_engines_put_into_containers_does_not_count() -> None:
    row = Row("dir", 0o755, 0, 0, 1, "")
    later = row._replace(mtime=2)
    assert tree.difference({"etc": row}, {"etc": later, ".dockerenv": row, "dev/pts": row}) == ""
    assert tree.difference({"usr": row}, {"usr": later})


def test_bytes_that_stay_on_disk_are_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.scenarios.answer._PATIENCE_SECONDS", 0.0)
    (tmp_path / "rest").write_bytes(os.urandom(1 << 20))
    check_disk(tmp_path, 2 << 20, "engine")
    with pytest.raises(WrongAnswer, match=r"engine: .* bytes are still on disk"):
        check_disk(tmp_path, 1 << 19, "engine")


def _image(folder: Path, *tars: bytes) -> BenchImage:
    """A layout of gzip layers with these bytes in them."""
    image = BenchImage("x", folder / "x")
    blobs = folder / "x/blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes) -> dict[str, Any]:
        digest = tree._content(io.BytesIO(data))
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    diff_ids = [f"sha256:{tree._content(io.BytesIO(tar))}" for tar in tars]
    config = put(json.dumps({"rootfs": {"diff_ids": diff_ids}}).encode())
    layers = [put(gzip.compress(tar)) for tar in tars]
    manifest = put(json.dumps({"config": config, "layers": layers}).encode())
    (folder / "x/index.json").write_text(json.dumps({"manifests": [manifest]}))
    return image


def test_layers_of_an_archive_are_hashed_anew(tmp_path: Path) -> None:
    image = _image(tmp_path, b"one" * 1000, b"two" * 1000)
    archive = docker_archive(image)
    expected = [layer.diff_id for layer in image.layers]
    assert diff_ids_of(archive) == expected
    archive.write_bytes(archive.read_bytes().replace(b"twotwo", b"twoTWO", 1))
    assert diff_ids_of(archive)[0] == expected[0] and diff_ids_of(archive)[1] != expected[1]


def _figures(*seconds: float) -> dict[str, Any]:
    def row(factor: float) -> dict[str, Any]:
        times = [factor * second for second in seconds]
        return {"seconds": times, "peak_bytes": [1_000_000], "disk_bytes": [2_000_000]}

    by_name = {"fastlayers erofs": row(1), "a<b>": row(3), "part": row(0.5)}
    return {"failures": {"y: z": "it\nbroke"}, "limits": ["part"], "rows": {"pull x": by_name}}


def test_table_has_medians_spreads_and_ratios_to_the_first_engine() -> None:
    lines = report.table(_figures(2.0, 1.0, 4.0)).splitlines()
    assert lines[0] == "|  | fastlayers erofs | a<b> | parts of the work |"
    assert lines[2] == (
        "| pull x | 2.00 s (1.00 s to 4.00 s) | 6.00 s (3.00 s to 12.00 s), 3x "
        "| part 1.00 s (500 ms to 2.00 s), 0.5x |"
    )
    assert lines[3] == "| disk after pull x | 2 MB | 2 MB, 1x | part 2 MB, 1x |"
    assert lines[4].startswith("| peak memory of pull x | 1 MB |")
    assert lines[-1] == "Failed: y: z: it broke"


def test_compare_tells_a_change_from_the_spread() -> None:
    shown = report.compare(_figures(2.0, 2.2), _figures(1.0, 1.2)).splitlines()
    assert (
        "| pull x | fastlayers erofs | 2.10 s (2.00 s to 2.20 s) | 1.10 s (1.00 s to 1.20 s)"
        in (shown[2])
    )
    assert shown[2].endswith("| 0.52 |  |")
    assert (
        report.compare(_figures(2.0, 2.2), _figures(2.1))
        .splitlines()[2]
        .endswith("| 1 | within the spread |")
    )


def test_chart_is_well_formed_and_to_scale() -> None:
    bars = ElementTree.fromstring(chart(_figures(2.0))).iter("{http://www.w3.org/2000/svg}rect")
    widths = [float(bar.get("width", "0")) for bar in bars]
    assert widths[1] == pytest.approx(3 * widths[0])


def test_only_what_is_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.replace_between_marks(page, "new\n")
    assert page.read_text() == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(SystemExit):
        report.replace_between_marks(page, "new\n")


def test_a_process_that_was_left_is_ended_and_named(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import time; print(flush=True); time.sleep(60)")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = end_leftovers(tmp_path)
        assert process.wait(5) == -9
    assert len(found) == 1 and str(script) in found[0]
    assert end_leftovers(tmp_path) == []


def test_a_disk_is_no_ram_disk(tmp_path: Path) -> None:
    if file_system_of(tmp_path) == "tmpfs":
        pytest.skip("the temporary folder is on a RAM disk")
    with pytest.raises(SystemExit, match="not on a RAM disk"), fresh("tmpfs", tmp_path):
        pass


def test_the_cost_of_several_commands() -> None:
    both = total([Cost(1.0, 0.5, 7, b"a"), Cost(2.0, 0.25, 5, b"b")])
    assert (both.seconds, both.cpu_seconds, both.peak_bytes, both.output) == (3.0, 0.75, 7, b"b")
