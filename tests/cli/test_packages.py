"""`packages`, and the packages of `diff`; nothing is mounted."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence

import pytest

from fastlayers import Image, Store, analysis
from fastlayers.analysis import packages as module
from fastlayers.analysis.rpm_database import rpm
from fastlayers.cli import main
from tests import engine, package_files, stack_image
from tests.package_files import database, npm, pypi, rpm_of, written
from tests.tar_members import Member

_STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 2.36-9
Description: x
 Version: 7 of the description
Conffiles:
 /etc/x 00

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36-9

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: dash
Status: install ok half-configured
Architecture: amd64
Version: 0.5
"""
_APK = "C:Q1=\nP:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\n\nP:zlib\nV:1.3\nA:x86_64\n\n"
_OLD = [
    written("var/lib/dpkg/status", _STATUS),
    written("usr/lib/apk/db/installed", _APK),
    Member(b"lib", "symlink", link=b"usr/lib"),
    written("usr/lib/sysimage/rpm/rpmdb.sqlite", database(blobs=(rpm_of("bash", "5"),))),
    Member(b"var/lib/rpm", "symlink", link=b"../../usr/lib/sysimage/rpm"),
    pypi("requests", "2.31"),
    written("usr/lib/python3/six.egg-info", "Name: six\nVersion: 1.16\n"),
    written("opt/old.egg-info/PKG-INFO", "name:old\nversion:3\n"),
    npm("app/", "left-pad", "1.0.0"),
    npm("app/", "@scope/inner", "2.0.0"),
    npm("app/node_modules/left-pad/", "left-pad", "0.9.0"),
    npm("app/", "moved", "1.0.0"),
    written("app/node_modules/plain/package.json", "\ufeff{}"),
    # No packages: a part of one, and one that is worked on.
    written("app/node_modules/left-pad/esm/package.json", '{"type": "module"}'),
    written("app/node_modules/.cache/package.json", "not JSON"),
    written("app/package.json", '{"name": "app"}'),
]
_TOP = [
    written("var/lib/dpkg/status", _STATUS.replace("0.5\n", "0.6\n").replace("i386", "arm64")),
    written("usr/lib/sysimage/rpm/rpmdb.sqlite",
            database(blobs=(rpm_of("bash", "6"), rpm_of("new", "1")))),
    Member(b"usr/lib/python3/.wh.requests-2.31.dist-info", "file"),
    pypi("requests", "2.32"),
    npm("app/node_modules/left-pad/", "left-pad", "1.0.0"),
    Member(b"app/node_modules/.wh.moved", "file"),
    npm("srv/", "moved", "1.0.0"),
]  # fmt: skip


@pytest.fixture(scope="module")
def root() -> Iterator[str]:
    """A store with old:1 and new:1, a layer more."""
    with engine.scratch_store() as root:
        stack_image.loaded(root, [_OLD], "old:1")
        stack_image.loaded(root, [_OLD, _TOP], "new:1")
        yield root


def _print(
    root: str, words: Sequence[str], capfd: pytest.CaptureFixture[str]
) -> tuple[int, list[str], str]:
    code = main(["--root", root, *words])
    out, err = capfd.readouterr()
    return code, out.splitlines(), err


def test_packages_of_every_kind(root: str, capfd: pytest.CaptureFixture[str]) -> None:
    code, lines, err = _print(root, ["packages", "old:1"], capfd)
    assert (code, err) == (0, "")
    app = "/app/node_modules"
    assert [tuple(line.split()) for line in lines] == [
        ("TYPE", "NAME", "VERSION", "ARCHITECTURE", "PATH"),
        ("apk", "musl", "1.2.5-r0", "x86_64", "/usr/lib/apk/db/installed"),
        ("apk", "zlib", "1.3", "x86_64", "/usr/lib/apk/db/installed"),
        ("deb", "dash", "0.5", "amd64", "/var/lib/dpkg/status"),
        ("deb", "libc6", "2.36-9", "amd64", "/var/lib/dpkg/status"),
        ("deb", "libc6", "2.36-9", "i386", "/var/lib/dpkg/status"),
        ("npm", "@scope/inner", "2.0.0", f"{app}/@scope/inner/package.json"),
        ("npm", "left-pad", "0.9.0", f"{app}/left-pad/node_modules/left-pad/package.json"),
        ("npm", "left-pad", "1.0.0", f"{app}/left-pad/package.json"),
        ("npm", "moved", "1.0.0", f"{app}/moved/package.json"),
        ("npm", "plain", f"{app}/plain/package.json"),
        ("pypi", "old", "3", "/opt/old.egg-info/PKG-INFO"),
        ("pypi", "requests", "2.31", "/usr/lib/python3/requests-2.31.dist-info/METADATA"),
        ("pypi", "six", "1.16", "/usr/lib/python3/six.egg-info"),
        ("rpm", "bash", "5-1", "noarch", "/usr/lib/sysimage/rpm/rpmdb.sqlite"),
    ]
    _, rows, _ = _print(root, ["packages", "--format", "json", "old:1"], capfd)
    assert json.loads(rows[0]) == {
        "Architecture": "x86_64", "Name": "musl", "Path": "/usr/lib/apk/db/installed",
        "PathBase64": "", "Type": "apk", "Version": "1.2.5-r0",
    }  # fmt: skip


def test_packages_of_diff(root: str, capfd: pytest.CaptureFixture[str]) -> None:
    form = "{{.Type}} {{.Change}} {{.Aspects}} {{.Name}} {{.Old}} {{.New}}"
    code, lines, err = _print(root, ["diff", "--format", form, "old:1", "new:1"], capfd)
    assert (code, err) == (0, "")
    assert [line.removeprefix("package ") for line in lines if line.startswith("package ")] == [
        "changed deb dash 0.5 0.6",
        "changed deb libc6 2.36-9 (i386) 2.36-9 (arm64)",
        "changed npm left-pad 0.9.0 1.0.0",
        "changed pypi requests 2.31 2.32",
        "changed rpm bash 5-1 6-1",
        "added rpm new  1-1",
    ]
    old, new = map(Store(root).image, ("old:1", "new:1"))
    found = analysis.compare(new, old).packages
    assert [(d.name, d.change) for d in found if d.type == "rpm"] == [
        ("bash", "changed"), ("new", "removed"),
    ]  # fmt: skip


def test_what_both_have_is_not_read(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    told = module._told

    def counted(contents: module.Contents, place: module._Place) -> object:
        read.append(place.row)
        return told(contents, place)

    monkeypatch.setattr(module, "_told", counted)
    old, new = map(Store(root).image, ("old:1", "new:1"))
    analysis.compare(old, new)
    # dpkg, rpm, requests, one of left-pad and what moved, of each.
    assert len(read) == 10


_BROKEN = [
    (written("var/lib/rpm/Packages", b"\0" * 99), "it is no SQLite database, no ndb and no hash"),
    (written("var/lib/rpm/Packages", b"\0" * 12 + b"\x61\x15\x06\0" + b"\0" * 999), "no hash of"),
    (written("usr/lib/sysimage/rpm/Packages.db", b"RpmP" + b"\0" * 99), "its slots lie outside"),
    (written("var/lib/rpm/rpmdb.sqlite-wal", b"\0" * 99), "it has changes"),
    (written("var/lib/rpm/rpmdb.sqlite", b"\0" * 999), "it is no SQLite database, no"),
    (written("var/lib/rpm/rpmdb.sqlite", database(blobs=(b"x",))), "a header is cut off"),
    (written("var/lib/rpm/Packages.db", package_files.ndb(b"x")), "a header is cut off"),
    (written("var/lib/dpkg/status", "Status: x\nVersion: 1\n"), "it names no package"),
    (written("var/lib/dpkg/status.d/base", "Version: 1\n"), "it names no package"),
    (written("lib/apk/db/installed", "V:1\n"), "it names no package"),
    (written("x.dist-info/METADATA", ""), "it names no package"),
    (written("node_modules/x/package.json", "[" * 99_999), "it is nested too deeply"),
    (written("node_modules/x/package.json", "{"), "property name"),
    (written("node_modules/x/package.json", "[]"), "it is no JSON object"),
    (written("node_modules/x/package.json", b'{"name": "\xff"}'), "it is not UTF-8"),
    (written("node_modules/x/package.json", b" " * ((4 << 20) + 1)), "more than 4194304 bytes"),
]


@pytest.mark.parametrize(("member", "reason"), _BROKEN)
def test_what_cannot_be_read_is_named(
    root: str, member: Member, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    image = stack_image.loaded(root, [[npm("", "good", "1"), member]], "broken:1")
    stack_image.loaded(root, [[npm("", "good", "1"), member], [Member(b"a", "dir")]], "same:1")
    code, lines, err = _print(root, ["packages", "broken:1"], capfd)
    assert code == 1 and len(lines) == 2 and lines[1].startswith("npm       good      1 ")
    assert err.startswith(f"Warning: packages of /{member.path.decode()}: ") and reason in err
    assert err.count("\n") == 1
    assert [file.path for file in analysis.find_packages(image).unread] == [
        "/" + member.path.decode()
    ]
    code, _, told = _print(root, ["diff", "old:1", "broken:1"], capfd)
    assert code == 1 and told == err
    code, _, told = _print(root, ["diff", "broken:1", "same:1"], capfd)
    assert code == 0 and told == ""


@pytest.mark.needs("db5.3_load")
def test_older_databases_of_rpm(root: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Those of openSUSE, by its link, and of Red Hat's until 8; and one in which nothing is yet."""
    ndb = package_files.NDB_OF_RPM
    berkeley = package_files.berkeley_db(rpm_of("bash", "4"), rpm_of("gpg-pubkey", "00"))
    layers = [
        [written("usr/lib/sysimage/rpm/Packages.db", ndb),
         Member(b"var/lib/rpm", "symlink", link=b"../../usr/lib/sysimage/rpm")],
        [written("var/lib/rpm/Packages", berkeley), written("var/lib/rpm/Packages.db", b"")],
    ]  # fmt: skip
    form = "{{.Name}} {{.Version}} {{.Architecture}} {{.Path}}"
    for name, layer in zip(("suse:1", "redhat:1"), layers, strict=True):
        stack_image.loaded(root, [layer], name)
    suse = "x86_64 /usr/lib/sysimage/rpm/Packages.db"
    assert _print(root, ["packages", "--format", form, "suse:1"], capfd) == (
        0, [f"bash 5.1-1 {suse}", f"glibc 3:2.31-1 {suse}", f"gone 1-1 {suse}"], "",
    )  # fmt: skip
    assert _print(root, ["packages", "--format", form, "redhat:1"], capfd) == (
        0, ["bash 4-1 noarch /var/lib/rpm/Packages"], "",
    )  # fmt: skip
    stack_image.loaded(root, [[written("var/lib/rpm/Packages", berkeley[:-4096])]], "cut:1")
    code, lines, err = _print(root, ["packages", "--format", form, "cut:1"], capfd)
    assert (code, lines) == (1, [])
    assert err == (
        "Warning: packages of /var/lib/rpm/Packages: its pages lead out of it or in circles\n"
    )
    form = "{{.Type}} {{.Change}} {{.Name}} {{.Old}} {{.New}}"
    code, lines, err = _print(root, ["diff", "--format", form, "redhat:1", "suse:1"], capfd)
    assert (code, err) == (0, "")
    assert [line.removeprefix("package ") for line in lines if line.startswith("package ")] == [
        "changed bash 4-1 (noarch) 5.1-1 (x86_64)", "added glibc  3:2.31-1", "added gone  1-1",
    ]  # fmt: skip


def test_distroless(root: str) -> None:
    folder = "var/lib/dpkg/status.d/"
    image = stack_image.loaded(
        root,
        [[
            written(folder + "base", "Package: base\nVersion: 12\nArchitecture: all\n"),
            written(folder + "base.md5sums", "00  etc/x\n"),
            written(folder + "deeper/none", "Package: none\n"),
            written(folder + "tz", "Package: tz\xff\nVersion: 1\x1b[2J\n".encode("latin-1")),
        ]],
        "distroless:1",
    )  # fmt: skip
    found = analysis.find_packages(image).packages
    assert [(p.name, p.version) for p in found] == [("base", "12"), ("tz\udcff", "1\x1b[2J")]


def test_names_that_would_move_the_cursor(root: str, capfd: pytest.CaptureFixture[str]) -> None:
    status = b"Package: tz\xff\nVersion: 1\x1b[2J\n"
    stack_image.loaded(root, [[written("var/lib/dpkg/status", status)]], "odd:1")
    _, lines, _ = _print(root, ["packages", "--format", "{{.Name}} {{.Version}}", "odd:1"], capfd)
    assert lines == [r"tz\xff 1\x1b[2J"]


_TABLE = "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)"
_ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x AS blob FROM c"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"SQLite format 3", "no SQLite database"),
        (b"SQLite format 3\0", "SQLite says"),
        (database()[:600], "SQLite says"),
        (database("CREATE TABLE other (blob)"), "no table of packages"),
        (database("CREATE TABLE t (blob)", f"CREATE VIEW Packages AS {_ENDLESS}"),
         "no table of packages"),
        (database("CREATE TABLE Packages (a, blob AS (zeroblob(999999999)))",
                  "INSERT INTO Packages (a) VALUES (1)"), "SQLite says: "),
        (database(_TABLE, blobs=("text",)), "no header"),
        (database(_TABLE, blobs=(bytes(8),)), "names no package"),
    ],
)  # fmt: skip
def test_hostile_databases(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        list(rpm(data))


def test_an_index_that_leads_in_circles_ends() -> None:
    """A page that is its own child: SQLite finds it, or its time is up."""
    data = bytearray(database(blobs=tuple(rpm_of(f"p{n}", "1") for n in range(2000))))
    size = int.from_bytes(data[16:18], "big")
    connection = sqlite3.connect(":memory:")
    connection.deserialize(bytes(data))
    ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'Packages'")
    connection.close()
    start = (page - 1) * size
    assert data[start] == 5  # an inner page of a table
    cells = int.from_bytes(data[start + 3 : start + 5], "big")
    for cell in range(cells):
        at = start + int.from_bytes(data[start + 12 + 2 * cell :][:2], "big")
        data[at : at + 4] = page.to_bytes(4, "big")
    with pytest.raises(ValueError, match="SQLite says: "):
        list(rpm(bytes(data)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda b: b[:7], "cut off"),
        (lambda b: b + b"\0", "not as long as it says"),
        (lambda b: b"\xff" * 8 + b[8:], "not as long as it says"),
        (lambda b: b[:16] + b"\x7f\xff\xff\xff" + b[20:], "lies outside"),
        (lambda b: b[:-1] + b"x", "does not end"),
    ],
)
def test_hostile_headers(change: Callable[[bytes], bytes], reason: str) -> None:
    blob = package_files.rpm_header((package_files.NAME, "bash"), (package_files.ARCH, "x"))
    with pytest.raises(ValueError, match=reason):
        list(rpm(database(blobs=(change(blob),))))


def test_what_a_header_says() -> None:
    name, version, release, epoch, arch = (
        package_files.NAME, package_files.VERSION, package_files.RELEASE,
        package_files.EPOCH, package_files.ARCH,
    )  # fmt: skip
    blobs = (
        package_files.rpm_header((name, "a"), (epoch, 2), (version, "1"), (release, "3"),
                                 (arch, "x86_64")),
        package_files.rpm_header((5000, 7), (name, "b"), (version, "1"), (version, "2")),
        package_files.rpm_header((name, "gpg-pubkey"), (version, "00")),
        # A name of another type is none.
        package_files.rpm_header((name, 7), (name, "c")),
    )  # fmt: skip
    assert list(rpm(database(blobs=blobs))) == [
        ("a", "2:1-3", "x86_64"), ("b", "1", ""), ("c", "", ""),
    ]  # fmt: skip
    logged = bytearray(database(blobs=blobs[:1]))
    logged[18:20] = b"\2\2"  # as rpm leaves it: written through a log
    assert len(list(rpm(bytes(logged)))) == 1


def test_an_image_without_packages(root: str) -> None:
    image: Image = stack_image.loaded(root, [], "none:1")
    assert analysis.find_packages(image) == module.PackageList((), ())
    loops = [Member(b"var/lib", "symlink", link=b"lib"), Member(b"lib/apk/db/installed", "dir")]
    image = stack_image.loaded(root, [loops], "loop:1")
    assert analysis.find_packages(image) == module.PackageList((), ())
