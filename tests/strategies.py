"""The single home of hypothesis strategies: names, members, layer stacks, edits, references.

Names come from a small pool, so that entries collide, replace and nest; odd names are mixed in
rarely. Hard links mostly name something that exists, so that most stacks are valid; the tests ask
the oracle which ones are not.
"""

from __future__ import annotations

import copy
import string
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.tar_members import Member
from tests.tar_write import Dialect, Sparse

COMMON_NAMES = [b"a", b"b", b"c", b"d"]
ODD_NAMES = [
    b"..x", b"...", b".whx", b"with space", b"new\nline", b"tab\tand\\slash", b"\xff\xfe",
    b"\xc3\xa9", b"e\xcc\x81", b"n" * 255, b"%s", b"-rf", b"\x01", b"a" * 120,
]  # fmt: skip
BLOCK = 512


def names() -> st.SearchStrategy[bytes]:
    """One component of a path."""
    common = st.sampled_from(COMMON_NAMES)
    return st.one_of(common, common, common, common, st.sampled_from(ODD_NAMES))


def paths(max_depth: int = 3) -> st.SearchStrategy[bytes]:
    """A relative path of up to `max_depth` components."""
    return st.lists(names(), min_size=1, max_size=max_depth).map(b"/".join)


def modes() -> st.SearchStrategy[int]:
    """Permission bits, special bits included."""
    return st.sampled_from([0o644, 0o755, 0o600, 0o000, 0o4755, 0o2755, 0o1777, 0o7777, 0o400])


def ids() -> st.SearchStrategy[int]:
    """User or group ids, also those beyond octal header fields."""
    return st.sampled_from([0, 0, 0, 1, 1000, 65534, 2097151, 2097152, 2**31, 2**32 - 2])


def times_ns() -> st.SearchStrategy[int]:
    """Modification times that ext4 and EROFS both hold: 1901 to 2446, in nanoseconds."""
    second = st.one_of(st.just(1_700_000_000), st.integers(1 - 2**31, 2**33))
    nanosecond = st.one_of(st.just(0), st.integers(0, 10**9 - 1))
    return st.builds(lambda s, n: s * 10**9 + n, second, nanosecond)


def contents() -> st.SearchStrategy[bytes]:
    """File contents: empty, around block boundaries, and with holes of zeros."""
    piece = st.one_of(
        st.binary(max_size=64),
        st.sampled_from([b"x" * 511, b"y" * 512, b"z" * 513, bytes(3 * BLOCK), bytes(4096)]),
    )
    return st.lists(piece, max_size=4).map(b"".join)


def xattrs(*, user: bool) -> st.SearchStrategy[dict[bytes, bytes]]:
    """Extended attributes that every file system here stores; user.* only where it is allowed."""
    keys = [b"trusted.k", b"trusted.long-name-of-an-attribute"]
    if user:
        keys += [b"user.k", b"user.mime"]
    values = st.one_of(st.binary(min_size=1, max_size=20), st.just(b"\0\n=\xff"))
    some = st.dictionaries(st.sampled_from(keys), values, max_size=2)
    return st.one_of(st.just({}), st.just({}), some)


def control_xattrs() -> st.SearchStrategy[dict[bytes, bytes]]:
    """What a layer may carry but an engine must never obey or show."""
    overlay = {
        b"trusted.overlay.opaque": b"y", b"trusted.overlay.redirect": b"/a",
        b"trusted.overlay.metacopy": b"\0", b"user.overlay.opaque": b"y",
        b"user.fuseoverlayfs.opaque": b"y", b"trusted.overlay.whiteout": b"y",
    }  # fmt: skip
    one = st.sampled_from(sorted(overlay)).map(lambda key: {key: overlay[key]})
    return st.one_of(st.just({}), st.just({}), st.just({}), one)


def link_targets() -> st.SearchStrategy[bytes]:
    """Targets of symlinks: relative, absolute, climbing, dangling, looping."""
    near = paths(2)
    return st.one_of(
        near,
        near.map(lambda p: b"/" + p),
        near.map(lambda p: b"../" + p),
        st.sampled_from([b".", b"/", b"..", b"../../../../../../etc", b"a" * 300]),
    )


@st.composite
def nodes(draw: st.DrawFn, path: bytes, kind: str) -> Member:
    """A member of a given type at a given path."""
    member = Member(path, kind, draw(modes()), draw(ids()), draw(ids()), draw(times_ns()))
    member.xattrs = draw(xattrs(user=kind in ("file", "dir")))
    if kind in ("file", "dir"):
        member.xattrs.update(draw(control_xattrs()))
    if kind == "file":
        member.content = draw(contents())
    elif kind == "symlink":
        member.link = draw(link_targets())
        member.mode = 0o777
    elif kind in ("char", "block"):
        member.device = draw(st.sampled_from([(1, 3), (0, 1), (8, 0), (4095, 255), (5, 300)]))
    return member


KINDS = ["file"] * 6 + ["dir"] * 5 + ["symlink"] * 2 + ["char", "block", "fifo"]


@st.composite
def layers(draw: st.DrawFn, known: dict[bytes, str], *, max_entries: int = 12) -> list[Member]:
    """One layer: entries, whiteouts, opaque markers, links, duplicates, implied parents.

    `known` maps the paths of the layers below to their types and is extended by this layer's.
    """
    result: list[Member] = []
    for _ in range(draw(st.integers(0, max_entries))):
        choice = draw(st.integers(0, 19))
        below = st.sampled_from(list(known)) if known else paths()
        files = [path for path, kind in known.items() if kind != "dir"]
        if choice <= 2:
            directory, _, name = draw(st.one_of(below, below, paths())).rpartition(b"/")
            prefix = directory + b"/" if directory else b""
            if len(name) <= 251:
                result.append(Member(prefix + b".wh." + name, "file"))
        elif choice == 3:
            directory = draw(st.one_of(below, below, paths(1), st.just(b"")))
            result.append(
                Member((directory + b"/" if directory else b"") + b".wh..wh..opq", "file")
            )
        elif choice <= 5 and files:
            target = draw(st.sampled_from(files))
            spelled = draw(st.sampled_from([b"", b"", b"", b"/", b"./"])) + target
            path = draw(paths())
            result.append(Member(path, "hardlink", link=spelled))
            known[path] = "hardlink"
        else:
            path = draw(st.one_of(paths(), below))
            spelled = draw(st.sampled_from([b"", b"", b"", b"", b"./", b"/", b".//"])) + path
            kind = known[path] = draw(st.sampled_from(KINDS))
            result.append(draw(nodes(spelled, kind)))
    return result


def stacks(max_layers: int = 4, max_entries: int = 12) -> st.SearchStrategy[list[list[Member]]]:
    """Layers of one image, base first."""

    @st.composite
    def build(draw: st.DrawFn) -> list[list[Member]]:
        known: dict[bytes, str] = {}
        count = draw(st.integers(1, max_layers))
        return [draw(layers(known, max_entries=max_entries)) for _ in range(count)]

    return build()


def single_layers(max_entries: int = 12) -> st.SearchStrategy[list[Member]]:
    """A base layer of any kind."""
    return stacks(1, max_entries).map(lambda stack: stack[0])


@st.composite
def plain_trees(draw: st.DrawFn, max_entries: int = 16) -> list[Member]:
    """A layer that any tar extractor unpacks the same way: parents first, no duplicates, no
    whiteouts, links behind their targets."""
    kinds: dict[bytes, str] = {}
    result: list[Member] = []
    for _ in range(draw(st.integers(0, max_entries))):
        directories = [b""] + [path for path, kind in kinds.items() if kind == "dir"]
        parent = draw(st.sampled_from(directories))
        name = draw(names())
        path = parent + b"/" + name if parent else name
        if path in kinds:
            continue
        files = [p for p, kind in kinds.items() if kind not in ("dir", "hardlink")]
        if files and draw(st.integers(0, 5)) == 0:
            member = Member(path, "hardlink", link=draw(st.sampled_from(files)))
        else:
            member = draw(nodes(path, draw(st.sampled_from(KINDS))))
        kinds[path] = member.type
        result.append(member)
    return result


def dialects() -> st.SearchStrategy[Dialect]:
    """How a member's header is written."""
    return st.sampled_from(["pax", "pax-always", "gnu"])


def sparse_styles() -> st.SearchStrategy[Sparse]:
    """How a file with holes is written; mostly not as a sparse file at all."""
    return st.sampled_from(["", "", "", "0.0", "0.1", "1.0", "old"])


def written(layer: list[Member]) -> st.SearchStrategy[list[tuple[Member, Dialect, Sparse]]]:
    """The members of a layer with a dialect for each, for tar_write.archive."""
    pairs = st.tuples(dialects(), sparse_styles())
    return st.lists(pairs, min_size=len(layer), max_size=len(layer)).map(
        lambda styles: [(m, d, s) for m, (d, s) in zip(layer, styles, strict=True)]
    )


@dataclass(frozen=True)
class Edit:
    """One operation of a program that changes its root filesystem."""

    action: str
    path: bytes
    other: bytes = b""
    value: Any = None


def edits(max_edits: int = 14) -> st.SearchStrategy[list[Edit]]:
    """What a process might do to a root; edits that the kernel refuses are simply skipped."""
    two = ["rename", "link", "copy"]
    plain = ["mkdir", "unlink", "rmtree", "touch", "fifo", "socket"]

    @st.composite
    def build(draw: st.DrawFn) -> Edit:
        path = draw(paths())
        action = draw(st.sampled_from([
            "write", "write", "append", "truncate", "symlink", "chmod", "chown", "utime", "xattr",
            "noxattr", "device", "recreate", "mkdir", "mkdir", "unlink", "unlink", "rmtree",
            "touch", "fifo", "socket", *two,
        ]))  # fmt: skip
        if action in two:
            return Edit(action, path, draw(paths()))
        if action in plain:
            return Edit(action, path)
        values: dict[str, st.SearchStrategy[Any]] = {
            "write": contents(), "append": st.binary(min_size=1, max_size=20),
            "truncate": st.sampled_from([0, 5, 70000]), "symlink": link_targets(),
            "chmod": modes(), "chown": st.tuples(ids(), ids()), "utime": times_ns(),
            "xattr": st.binary(min_size=1, max_size=8), "noxattr": st.none(),
            "device": st.sampled_from([(1, 3), (8, 1)]), "recreate": names(),
        }  # fmt: skip
        return Edit(action, path, value=draw(values[action]))

    return st.lists(build(), max_size=max_edits)


@dataclass(frozen=True)
class Spelling:
    """A reference as typed, and the parts it must be taken to mean."""

    text: str
    registry: str
    repository: str
    tag: str | None
    digest: str | None


@st.composite
def references(draw: st.DrawFn) -> Spelling:
    """Image references in every accepted spelling."""
    alphanumeric = string.ascii_lowercase + string.digits
    word = st.text(alphanumeric, min_size=1, max_size=6)
    separator = st.sampled_from([".", "_", "__", "-", "--"])
    component = st.one_of(word, st.builds("{}{}{}".format, word, separator, word))
    domain = st.sampled_from(
        ["localhost", "localhost:5000", "127.0.0.1:5000", "example.com", "r.example.com:443",
         "[::1]:5000", "docker.io", "index.docker.io", "Example.org:80"]
    )  # fmt: skip
    registry = draw(st.one_of(st.none(), domain))
    parts = draw(st.lists(component, min_size=1, max_size=3))
    hub = registry in (None, "docker.io", "index.docker.io")
    if registry is None and len(parts) > 1 and ("." in parts[0] or parts[0] == "localhost"):
        parts[0] = "team"
    repository = "/".join(parts)
    tag_text = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=8)
    tag = draw(st.one_of(st.none(), tag_text, st.just("1.0-rc_1")))
    digest = draw(st.one_of(st.none(), st.just("sha256:" + "0123456789abcdef" * 4)))
    text = (f"{registry}/" if registry else "") + repository
    text += f":{tag}" if tag else ""
    text += f"@{digest}" if digest else ""
    whole = f"library/{repository}" if hub and len(parts) == 1 else repository
    where = "docker.io" if hub else str(registry)
    return Spelling(text, where, whole, tag or (None if digest else "latest"), digest)


def pax_bodies() -> st.SearchStrategy[bytes]:
    """The body of a PAX header, from well-formed to nearly so to noise."""
    keys = st.sampled_from(
        [
            b"path",
            b"size",
            b"mtime",
            b"uid",
            b"linkpath",
            b"GNU.sparse.map",
            b"GNU.sparse.major",
            b"SCHILY.xattr.user.k",
            b"hdrcharset",
            b"x",
        ]
    )
    values = st.one_of(st.binary(max_size=12), st.integers(-5, 2**70).map(lambda n: b"%d" % n))
    length = st.integers(0, 40)
    line = st.builds(lambda k, v, n: b"%d %s=%s\n" % (n, k, v), keys, values, length)
    exact = st.builds(lambda k, v: _record(k, v), keys, values)
    return st.lists(st.one_of(exact, exact, line, st.binary(max_size=10)), max_size=4).map(b"".join)


def _record(key: bytes, value: bytes) -> bytes:
    from tests.tar_write import record

    return record(key, value)


def json_values() -> st.SearchStrategy[Any]:
    """Any JSON value, with the numbers and texts that documents of images are sensitive to."""
    texts = st.one_of(
        st.text(max_size=8),
        st.sampled_from(["", "\0", "/", "../x", "sha256:" + "0" * 64, "a" * 300, "\udcff", "\ud800",
                         "\x1b[2J", "linux", "9" * 400, "2020-13-01T00:00:00Z", "true"]),
    )  # fmt: skip
    leaves = st.one_of(
        st.none(), st.booleans(), texts,
        st.integers(), st.sampled_from([-1, 2**63, 10**400, 0.5, 1e308]),
    )  # fmt: skip
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)
        ),
        max_leaves=6,
    )


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """A document in which one to three places are exchanged, taken away, doubled or added to."""
    result = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        result = _changed_once(draw, result)
    return result


def _changed_once(draw: st.DrawFn, value: Any) -> Any:
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    if not keys or draw(st.integers(0, 9)) == 0:
        return draw(json_values())
    key = draw(st.sampled_from(keys))
    what = draw(st.sampled_from(["enter", "enter", "enter", "drop", "double", "add"]))
    if what == "enter":
        value[key] = _changed_once(draw, value[key])
    elif what == "drop":
        del value[key]
    elif isinstance(value, dict):
        value[draw(st.text(max_size=4))] = value[key] if what == "double" else draw(json_values())
    else:
        value.append(value[key] if what == "double" else draw(json_values()))
    return value
