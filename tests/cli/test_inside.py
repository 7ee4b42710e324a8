"""The verbs that look inside images, in a store of their own; nothing is mounted."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastlayers import Store, analysis
from fastlayers.cli import human, main
from fastlayers.errors import UnsupportedError
from tests import engine, stack_image
from tests.tar_members import Member

_OLD = [
    Member(b"etc/passwd", "file", content=b"root:x:0:0::/:/bin/sh\nmaria:x:1000:7::/:/bin/sh\n"),
    Member(b"etc/group", "file", content=b"root:x:0:\nstaff:x:50:maria\n"),
    Member(b"usr/bin/tool", "file", 0o4755, content=b"\0binary\xff" * 100),
    Member(b"bin", "symlink", 0o777, link=b"usr/bin"),
    Member(b"home/maria/key.pem", "file", 0o600, 1000, 50, content=b"secret" * 20),
    Member(b"home/maria/odd\xff\n", "file", content=b"odd"),
    Member(b"home/maria/copy", "file", content=b"secret" * 20),
    Member(b"loop", "symlink", 0o777, link=b"loop"),
]
_TOP = [
    Member(b"home/maria/.wh.key.pem", "file"),
    Member(b"home/maria/.wh.copy", "file"),
    Member(b"etc/passwd", "file", content=b"root:x:0:0::/:/bin/sh\n"),
    Member(b"new.txt", "file", 0o644, 3, 4, 1_700_000_000 * 10**9, b"new"),
]


@pytest.fixture(scope="module")
def root() -> Iterator[str]:
    """A store with old:1, new:1 (a layer more) and empty:1."""
    with engine.scratch_store() as root:
        stack_image.loaded(root, [_OLD], "old:1")
        stack_image.loaded(root, [_OLD, _TOP], "new:1")
        stack_image.loaded(root, [], "empty:1")
        yield root


Play = Callable[..., list[str]]


@pytest.fixture
def play(root: str, capfdbinary: pytest.CaptureFixture[bytes]) -> Play:
    """Runs a command line; what it prints, with one line of error (code 1) if it must fail."""

    def run(*words: str, code: int = 0) -> list[str]:
        assert main(["--root", root, *words]) == code
        out, err = capfdbinary.readouterr()
        assert err.count(b"\n") == (1 if code else 0), err
        text = err if code else out
        return text.decode(errors="surrogateescape").split("\n")[:-1]

    return run


def _rows(lines: list[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines]


def test_ls(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    assert play("ls", "new:1") == [
        "MODE         OWNER     SIZE      MODIFIED               LAYER     NAME",
        "lrwxrwxrwx   0:0       7B        1970-01-01T00:00:00Z   1         bin -> usr/bin",
        "drwxr-xr-x   0:0       0B        1970-01-01T00:00:00Z   1         etc",
        "drwxr-xr-x   0:0       0B        1970-01-01T00:00:00Z   1         home",
        "lrwxrwxrwx   0:0       4B        1970-01-01T00:00:00Z   1         loop -> loop",
        "-rw-r--r--   3:4       3B        2023-11-14T22:13:20Z   2         new.txt",
        "drwxr-xr-x   0:0       0B        1970-01-01T00:00:00Z   1         usr",
    ]
    assert play("ls", "new:1", "bin/../bin")[1].split()[-1] == "tool"
    assert play("ls", "--format", "{{.Name}} {{.Target}}", "new:1", "/loop") == ["/loop loop"]
    assert [line.split() for line in play("ls", "empty:1")] == [play("ls", "new:1")[0].split()]


def test_names_that_are_no_text(play: Play) -> None:
    assert [line.split()[-1] for line in play("ls", "new:1", "/home/maria")[1:]] == [r"odd\xff\n"]
    (row,) = _rows(play("find", "new:1", "--name", "odd*", "--format", "json"))
    assert row["Path"] == r"/home/maria/odd\xff\n"
    assert base64.b64decode(str(row["PathBase64"])) == b"/home/maria/odd\xff\n"
    assert play("cat", "new:1", os.fsdecode(b"/home/maria/odd\xff\n") + "") == []


def test_cat(play: Play, root: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["--root", root, "cat", "old:1", "/bin/tool", "new.txt"]) == 1
    assert main(["--root", root, "cat", "old:1", "/bin/tool", "etc/group"]) == 0
    out, err = capfdbinary.readouterr()
    tool, group = _OLD[2].content, _OLD[1].content
    assert out == tool + tool + group
    assert err == b"Error: no such file in the image: '/new.txt'\n"


@pytest.mark.parametrize(
    ("flags", "paths"),
    [
        (["--name", "*s*"], ["/etc/passwd", "/usr"]),
        (["--name", "*s*", "--type", "d"], ["/usr"]),
        (["--type", "symlink"], ["/bin", "/loop"]),
        (["--size", "+100"], ["/usr/bin/tool"]),
        (["--size", "-4"], ["/home/maria/odd\\xff\\n", "/new.txt"]),
        (["--size", "3"], ["/home/maria/odd\\xff\\n", "/new.txt"]),
        (["--size", "-0"], []),
        (["--size", "+0", "--name", "n*"], ["/new.txt"]),
        (["--mode", "4755"], ["/usr/bin/tool"]),
        (["--mode", "-4000"], ["/usr/bin/tool"]),
        (["--mode", "/4000"], ["/usr/bin/tool"]),
        (["--owner", "3"], ["/new.txt"]),
        (["--owner", ":4"], ["/new.txt"]),
        (["--owner", "root:4"], []),
        (["--deleted"], ["/etc/passwd", "/home/maria/copy", "/home/maria/key.pem"]),
        (["--deleted", "--owner", ":staff"], ["/home/maria/key.pem"]),
        (["--deleted", "--name", "*.pem", "--size", "+1"], ["/home/maria/key.pem"]),
        (["--deleted", "--type", "d"], []),
    ],
)
def test_find(play: Play, flags: list[str], paths: list[str]) -> None:
    assert play("find", "new:1", *flags, "--format", "{{.Path}}") == paths


def test_find_prints_the_table_of_its_columns(play: Play) -> None:
    columns = "table {{.Mode}}\t{{.Owner}}\t{{.Size}}\t{{.Layer}}\t{{.Path}}"
    for words in (["new:1"], ["new:1", "/home"], ["new:1", "--name", "absent"], ["empty:1"]):
        assert play("find", *words) == play("find", *words, "--format", columns)


def test_find_says_which_layer_has_it_and_which_hides_it(play: Play) -> None:
    assert play("find", "--deleted", "new:1", "/home") == [
        "MODE         OWNER     SIZE      LAYER     HIDDEN BY   PATH",
        "-rw-r--r--   0:0       120B      1         2           /home/maria/copy",
        "-rw-------   1000:50   120B      1         2           /home/maria/key.pem",
    ]
    assert play("find", "new:1", "/etc")[1].split() == ["drwxr-xr-x", "0:0", "0B", "1", "/etc"]


def test_du(play: Play) -> None:
    assert play("du", "old:1") == [
        "SIZE      FILES     PATH",
        "1.12kB    14        /",
        "800B      3         /usr",
        "243B      5         /home",
        "75B       3         /etc",
    ]
    assert play("du", "-d", "0", "old:1", "/usr")[1:] == ["800B      3         /usr"]
    assert play("du", "--by", "layer", "new:1")[1:] == [
        "830B      11        1",
        "25B       2         2",
    ]
    assert play("du", "--by", "type", "old:1", "/home")[1:] == [
        "123B      2         file",
        "120B      1         .pem",
        "0B        2         directory",
    ]


def test_layers_and_blame(play: Play) -> None:
    assert [line.split()[2:] for line in play("layers", "new:1")[1:]] == [
        ["14", "0", "0", "1.12kB", "288B", "step", "0"],
        ["1", "1", "2", "25B", "0B", "step", "1"],
    ]
    assert play("blame", "new:1", "/home/maria/key.pem") == [
        "LAYER     CHANGE    ADDED     MODIFIED   DELETED   SIZE      SHOWN     CREATED BY",
        "1         added     1         0          0         120B      0B        step 0",
        "2         deleted   0         0          1         0B        0B        step 1",
    ]
    assert [line.split() for line in play("blame", "new:1", "etc/./passwd")[1:]] == [
        ["1", "added", "1", "0", "0", "48B", "0B", "step", "0"],
        ["2", "modified", "0", "1", "0", "22B", "22B", "step", "1"],
    ]
    # Through a link on the way, and of a directory: all that is below.
    assert play("blame", "new:1", "/bin/tool") == play("blame", "new:1", "/usr/bin/tool")
    assert [line.split()[:5] for line in play("blame", "new:1", "/home/maria")[1:]] == [
        ["1", "added", "4", "0", "0"],
        ["2", "0", "0", "2", "0B"],
    ]
    assert _rows(play("layers", "--format", "json", "new:1"))[1]["Size"] == 25


def test_efficiency(play: Play) -> None:
    lines = play("efficiency", "new:1")
    assert lines[0] == "Efficiency:           74.80%"
    assert lines[-1].split() == ["2", "70B", "/etc/passwd"]
    (row,) = _rows(play("efficiency", "--format", "json", "new:1"))
    assert (row["WastedBytes"], row["UserWastedPercent"]) == (310, 310 / 25)
    assert play("efficiency", "--format", "{{.WastedBytes}}", "new:1") == ["310B"]


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--lowest-efficiency", "0.96"], "the efficiency is 0.7480, lower than 0.96"),
        (["--highest-wasted-bytes", "0.3kB"], "310 bytes are wasted, more than 0.3kB"),
        (["--highest-user-wasted-percent", "1"], "12.4000 of the layers above the base is wasted"),
    ],
)
def test_limits_of_efficiency(play: Play, flags: list[str], complaint: str) -> None:
    (line,) = play("efficiency", "new:1", *flags, code=1)
    assert line.startswith("Error: ") and complaint in line
    assert play("efficiency", "old:1", *flags)[0] == "Efficiency:           100.00%"


def test_diff_of_images(play: Play) -> None:
    assert play("diff", "old:1", "new:1") == [
        "CHANGE    TYPE      WHAT      OLD       NEW       NAME",
        "added     history                                 step 1",
        "changed   file      content   48B       22B       /etc/passwd",
        "removed   file                120B                /home/maria/copy",
        "removed   file                120B                /home/maria/key.pem",
        "added     file                          3B        /new.txt",
    ]
    assert play("diff", "old:1", "old:1")[1:] == []
    rows = _rows(play("diff", "--format", "json", "empty:1", "new:1"))
    assert len(rows) == 2 + 12 and rows[-1]["Aspects"] == ""
    (line,) = play("diff", "old:1", code=1)
    assert line == "Error: No such container: old:1"
    (line,) = play("diff", "--format", "json", "old:1", code=1)
    assert line == "--format is for the differences of two images"


def test_dupes_and_shared(play: Play, root: str) -> None:
    assert play("dupes", "old:1", "new:1") == [
        "RECLAIMABLE   SIZE      COUNT     PATH",
        "120B          120B      2         /home/maria/copy",
    ]
    (row,) = _rows(play("dupes", "--format", "json", "old:1"))
    assert [place["Path"] for place in row["Places"]] == ["/home/maria/copy", "/home/maria/key.pem"]  # type: ignore[attr-defined]
    assert play("dupes", "new:1")[1:] == []
    rows = {str(row["Names"]): row for row in _rows(play("shared", "--format", "json"))}
    assert rows.keys() == {"old:1", "new:1", "empty:1"}
    assert all(row["Size"] == row["Shared"] + row["Freed"] for row in rows.values())  # type: ignore[operator]
    layers = play("shared", "--layers", "--format", "{{.Count}} {{.Images}}")
    assert [line.split(" ")[0] for line in layers] == ["2", "1"]
    assert len(Store(root).files()) == 3


def test_grep(play: Play, root: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert play("grep", "old:1", "^maria") == ["/etc/passwd:2:maria:x:1000:7::/:/bin/sh"]
    assert play("grep", "old:1", "MARIA$", "-i") == ["/etc/group:2:staff:x:50:maria"]
    assert play("grep", "old:1", "maria", "/etc/group", "-l") == ["/etc/group"]
    assert play("grep", "old:1", "b.nary", "/bin") == ["/usr/bin/tool: binary file matches"]
    assert play("grep", "old:1", "secret", "--name", "*.pem", "-l") == ["/home/maria/key.pem"]
    (row,) = _rows(play("grep", "old:1", "^odd$", "--format", "json"))
    assert (row["Number"], row["Line"], row["LineBase64"]) == (1, "odd", "")
    # Across lines nothing matches, and deleted files are not searched.
    for image, pattern in (("old:1", r"sh\nmaria"), ("new:1", "secret")):
        assert main(["--root", root, "grep", image, pattern]) == 1
    assert capfdbinary.readouterr() == (b"", b"")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["grep", "new:1", "("], "not a regular expression: '(': missing )"),
        (["grep", "new:1", "[[:digit:]]"], "'[[:digit:]]': [:digit:] is of POSIX; Python has"),
        (["grep", "new:1", "x", "/none"], "no such file in the image: '/none'"),
        (["ls", "new:1", "/none"], "no such file in the image: '/none'"),
        (["ls", "new:1", "/loop/x"], "too many symbolic links: '/loop/x'"),
        (["cat", "new:1", "/loop"], "too many symbolic links: '/loop'"),
        (["cat", "new:1", "/etc"], "'/etc' is a directory"),
        (["cat", "new:1", "a\nb"], "no such file in the image: '/a\\nb'"),
        (["find", "new:1", "/none"], "no such file in the image: '/none'"),
        (["find", "new:1", "--owner", "nobody"], "no 'nobody' in /etc/passwd of the image"),
        (["find", "--deleted", "new:1", "/none"], "no layer of the image has '/none'"),
        (["du", "new:1", "/none"], "no such file in the image: '/none'"),
        (["blame", "new:1", "/none/../x"], "no layer of the image has '/none/../x'"),
        (["blame", "empty:1", "/none"], "no layer of the image has '/none'"),
        (["layers", "none"], "No such image: none:latest"),
        (["dupes", "old:1", "none"], "No such image: none:latest"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(
    play: Play, words: list[str], complaint: str
) -> None:
    (line,) = play(*words, code=1)
    assert complaint in line


@pytest.mark.parametrize(
    "words",
    [
        ["find", "old:1", "--size", "x"],
        ["find", "old:1", "--size", "++3"],
        ["find", "old:1", "--type", "q"],
        ["find", "old:1", "--mode", "9"],
        ["du", "old:1", "--by", "colour"],
        ["du", "old:1", "-d", "-1"],
        ["efficiency", "old:1", "--lowest-efficiency", "2"],
        ["efficiency", "old:1", "--highest-wasted-bytes", "much"],
    ],
)
def test_bad_values_of_flags(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 125
    assert capsys.readouterr().err.startswith("invalid argument ")


@pytest.mark.parametrize(
    ("text", "count"),
    [("0", 0), ("12", 12), ("20MB", 20_000_000), ("1.5kB", 1500), ("2k", 2048), ("1MiB", 1 << 20),
     ("1G", 1 << 30), ("7B", 7), ("", None), ("MB", None), ("-3", None), ("1x", None),
     ("1.2.3", None), ("٣", None), ("1e3", None)],
)  # fmt: skip
def test_sizes_as_people_write_them(text: str, count: int | None) -> None:
    assert human.parse_size(text) == count


def test_a_zero_copy_array_says_what_it_is(root: str) -> None:
    image = Store(root).image("new:1")
    files = image.files()
    assert not files.flags.writeable and not files.flags.owndata
    assert files[1:3].paths().tolist() == [b"/bin", b"/etc"]
    assert type(files["size"]).__name__ == "ndarray"
    layer = image.layers[1].files()
    assert layer.paths().tolist()[2] == b"/etc/passwd" and layer["kind"].tolist()[0] == 6


@pytest.mark.parametrize("package", ["pandas", "pyarrow"])
def test_tables_of_other_packages(root: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Store(root).image("new:1").files()
    convert = files.to_pandas if package == "pandas" else files.to_arrow
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, package, None)
        with pytest.raises(UnsupportedError, match=f"^{package} is not installed: pip install"):
            convert()
    table = convert()
    sizes = dict(zip(table["path"], table["size"], strict=True))
    assert {bytes(getattr(path, "as_py", lambda path=path: path)()) for path in sizes} == set(
        files.paths()
    )
    assert sum(int(str(size)) for size in sizes.values()) == int(files["size"].sum())


def test_types_of_files_are_their_suffixes(tmp_path: Path) -> None:
    names = [b"a.py", b"b.py", b"libx.so.1.2", b"liby.so", b"x.tar.gz", b".bashrc", b"dot.",
             b"none", b"odd.\xff", b"1.5"]  # fmt: skip
    stack = [[Member(name, "file", content=b"xy") for name in names]]
    image = stack_image.loaded(str(tmp_path), stack, "types:1")
    found = {u.name: (u.files, u.size) for u in analysis.disk_usage(image, by="type")}
    assert found == {
        ".py": (2, 4), ".so": (2, 4), ".gz": (1, 2), "file": (3, 6), ".\udcff": (1, 2),
        ".5": (1, 2), "directory": (1, 0),
    }  # fmt: skip
