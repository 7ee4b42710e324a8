"""The parts of the benchmark suite that could be wrong without anyone noticing."""

from __future__ import annotations

import io
import tarfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from bench import report, tree
from bench.scenarios.pull import WrongAnswer, check_tree


def _layer(path: Path, *members: tuple[str, bytes | None]) -> Path:
    """A tar of files, and of directories where the content is None."""
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            member.size = len(content or b"")
            tar.addfile(member, io.BytesIO(content or b""))
    return path


def test_reference_applies_whiteouts_to_what_is_below_only(tmp_path: Path) -> None:
    below = _layer(tmp_path / "1", ("d", None), ("d/old", b"1"), ("gone", None), ("gone/x", b""))
    above = _layer(
        tmp_path / "2", ("d/new", b"2"), ("d/.wh..wh..opq", b""), (".wh.gone", b""), ("e", b"")
    )
    assert sorted(tree.of_layers([below, above])) == ["d", "d/new", "e"]


def test_tree_of_a_directory_is_that_of_its_tar(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a/file").write_text("text")
    (root / "a/link").symlink_to("file")
    with tarfile.open(tmp_path / "tar", "w") as tar:
        tar.add(root / "a", "a")
    assert tree.of_layers([tmp_path / "tar"]) == tree.of_directory(root)


@pytest.mark.parametrize("change", ["content", "missing", "mode"])
def test_a_wrong_tree_is_caught(change: str) -> None:
    expected: tree.Tree = {"a": ("file", 0o644, 0, 0, 1, "x"), "b": ("dir", 0o755, 0, 0, 0, "")}
    got = dict(expected)
    if change == "missing":
        del got["a"]
    else:
        got["a"] = ("file", 0o600 if change == "mode" else 0o644, 0, 0, 1, "x" * 2)
    with pytest.raises(WrongAnswer, match="1 paths differ: a"):
        check_tree(expected, got, "engine")


def _figures(seconds: float) -> dict[str, Any]:
    rows = {"seconds": [seconds, seconds], "cpu_seconds": [0.0], "peak_bytes": 1_000_000}
    other = {**rows, "seconds": [3 * seconds]}
    return {"failures": {}, "rows": {"pull x": {"fastlayers erofs": rows, "a<b>": other}}}


def test_table_gives_ratios_to_the_first_contestant() -> None:
    assert "| a<b> | 6.00 s (6.00 to 6.00) | 3.00 | 1 MB |" in report.table(_figures(2.0))


def test_compare_gives_the_share_of_the_old_figure() -> None:
    assert "| 2.00 s (2.00 to 2.00) | 1.00 s (1.00 to 1.00) | 0.50 |" in report.compare(
        _figures(2.0), _figures(1.0)
    )


def test_chart_is_well_formed() -> None:
    bars = ElementTree.fromstring(report.chart(_figures(2.0))).iter(
        "{http://www.w3.org/2000/svg}rect"
    )
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
