"""The analysis of random stacks, against the oracle's trees and plain Python."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter, defaultdict
from fnmatch import fnmatchcase
from functools import partial
from itertools import pairwise, product
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastlayers import Image, Store, _core, analysis
from fastlayers.analysis import contents, grep
from fastlayers.analysis.grep import needed_sequences
from fastlayers.analysis.snapshots import ADDED, DELETED, MODIFIED, UNMODIFIED, Snapshots
from fastlayers.errors import InvalidError, NotFoundError
from tests import engine, stack_image, strategies
from tests.effort import examples
from tests.tar_members import Member
from tests.tree import Facts, Tree

Stacks = list[list[Member]]


def _files_once(tree: Tree, below: bytes = b"") -> dict[bytes, Facts]:
    """The regular files at a path and below, of each inode the first name there in path order."""
    inside = [p for p in tree if not below or p == below or p.startswith(below + b"/")]
    seen: set[bytes] = set()
    found = {}
    for path in sorted(inside, key=lambda path: path.split(b"/")):
        facts = tree[path]
        if facts.type == "file" and path not in seen:
            seen |= facts.names
            found[path] = facts
    return found


def _shown(path: str) -> bytes:
    return os.fsencode(path)[1:]


@given(strategies.stacks())
def test_layers_and_blame(memory_store: str, stack: Stacks) -> None:
    trees = stack_image.trees(stack)
    image = stack_image.loaded(memory_store, stack)
    layers = analysis.layer_changes(image)
    assert [layer.size for layer in layers] == [layer.content_size for layer in image.layers]
    assert [layer.created_by for layer in layers] == [f"step {n}" for n in range(len(layers))]
    shown = sum(facts.size for facts in _files_once(trees[-1]).values())
    assert sum(layer.size - layer.wasted for layer in layers) == shown
    for before, after, layer in zip(trees, trees[1:], layers, strict=False):
        there = [p for p in after if p not in before], [p for p in before if p not in after]
        root = layer.index == 0  # the root directory is added by the base
        assert (layer.added - root, layer.deleted) == tuple(map(len, there))
    whole = {step.index: step for step in analysis.blame(image, "/")}
    for layer in layers:
        step = whole.get(layer.index)
        counts = (step.added, step.modified, step.deleted, step.shown) if step else (0, 0, 0, 0)
        wanted = (layer.added, layer.modified, layer.deleted)
        assert counts == (*wanted, layer.size - layer.wasted if any(wanted) else 0)
    for path in set().union(*trees):
        _check_blame(image, trees, path)
    with pytest.raises(NotFoundError, match="no layer of the image has '/no/such'"):
        analysis.blame(image, "/no/such")


def _check_blame(image: Image, trees: list[Tree], path: bytes) -> None:
    told = {step.index: step.change for step in analysis.blame(image, b"/" + path) if step.change}
    for number, (before, after) in enumerate(pairwise(trees)):
        change = told.pop(number, "")
        if path in before and path in after:
            assert change in ("", "modified")
            rewritten = (before[path].sha256, before[path].link) != (
                after[path].sha256,
                after[path].link,
            )
            assert change or not rewritten
        else:
            assert change == ("added" if path in after else "deleted" if path in before else "")
    assert told == {}


def _dive(layers: list[dict[bytes, int]]) -> tuple[float, dict[bytes, tuple[int, int]]]:
    """dive's measure, of the bytes that each layer has of each leaf."""
    sizes: dict[bytes, list[int]] = defaultdict(list)
    for layer in layers:
        for path, size in layer.items():
            sizes[path].append(size)
    total = sum(map(sum, sizes.values()))
    score = sum(map(min, sizes.values())) / total if total else 1.0
    wasted = {path: (len(found), sum(found)) for path, found in sizes.items()
              if len(found) > 1 and sum(found)}  # fmt: skip
    return score, wasted


_PLAIN = st.dictionaries(
    st.sampled_from([b"a", b"b", b"d/a", b"d/b", b"d/e/a", b"f/g"]),
    st.one_of(st.binary(max_size=9), st.none()),
    max_size=5,
)


@given(st.lists(_PLAIN, min_size=1, max_size=4))
def test_efficiency_is_what_dive_computes(
    memory_store: str, plan: list[dict[bytes, bytes | None]]
) -> None:
    """Layers of files and of whiteouts (None) of what is there, files or directories."""
    stack: Stacks = []
    leaves: list[dict[bytes, int]] = []
    state: dict[bytes, int] = {}
    for wanted in plan:
        layer: list[Member] = []
        leaf: dict[bytes, int] = {}
        after = dict(state)
        for path, content in sorted(wanted.items()):
            if content is not None:
                layer.append(Member(path, "file", content=content))
                leaf[path] = after[path] = len(content)
                continue
            victim = path if path in state else path.split(b"/")[0]
            below = {p: size for p, size in state.items() if p.startswith(victim + b"/")}
            keeps = any(p.split(b"/")[0] == victim.split(b"/")[0] for p in wanted if p != path)
            if (victim in state or below) and not keeps:
                folder, _, name = victim.rpartition(b"/")
                layer.append(Member((folder + b"/" if folder else b"") + b".wh." + name, "file"))
                leaf[victim] = sum(below.values())
                for gone in (victim, *below):
                    after.pop(gone, None)
        stack.append(layer)
        leaves.append(leaf)
        state = after
    found = analysis.efficiency(stack_image.loaded(memory_store, stack))
    score, wasted = _dive(leaves)
    assert found.score == pytest.approx(score, abs=1e-12)
    assert {_shown(file.path): (file.count, file.size) for file in found.files} == wasted
    assert found.wasted_bytes == sum(size for _, size in wasted.values())
    user = sum(len(c) for layer in plan[1:] for c in layer.values() if c)
    assert found.user_wasted_percent == pytest.approx(found.wasted_bytes / user if user else 0)


@given(strategies.stacks(max_layers=3), st.integers(0, 3))
def test_disk_usage(memory_store: str, stack: Stacks, depth: int) -> None:
    tree = stack_image.trees(stack)[-1]
    image = stack_image.loaded(memory_store, stack)
    wanted = {}
    for path in [b"", *(p for p, facts in tree.items() if facts.type == "dir")]:
        inside = [p for p in tree if not path or p.startswith(path + b"/")]
        if path.count(b"/") + bool(path) <= depth:
            # A directory's sum has the inodes whose first name of all is in it.
            sizes = [f.size for p, f in _files_once(tree).items() if p in inside]
            wanted[path] = (sum(sizes), len(inside) + 1)
    found = analysis.disk_usage(image, depth=depth)
    assert {_shown(usage.name): (usage.size, usage.files) for usage in found} == wanted
    assert [usage.size for usage in found] == sorted((u.size for u in found), reverse=True)
    total = sum(facts.size for facts in _files_once(tree).values())
    for by in ("layer", "type"):
        sums = analysis.disk_usage(image, by=by)
        assert sum(usage.size for usage in sums) == total
        assert sum(usage.files for usage in sums) == len(tree) + 1
    for path, facts in tree.items():
        if facts.type == "symlink":
            continue
        (own, *_) = [u for u in analysis.disk_usage(image, b"/" + path, depth=9)
                     if _shown(u.name) == path]  # fmt: skip
        assert own.size == sum(facts.size for facts in _files_once(tree, path).values())
    with pytest.raises(InvalidError, match="not by 'colour'"):
        analysis.disk_usage(image, by="colour")


_KINDS = {"file": "file", "dir": "directory", "symlink": "symlink", "char": "character",
          "block": "block", "fifo": "fifo"}  # fmt: skip
_PATTERNS = ["*", "a", "?", "[ab]", "*\n*", "n*", ".*", "[!a]*", "", "\udcff*", "*\udcfe", "??"]


@given(strategies.stacks(max_layers=2), st.data())
def test_find(memory_store: str, stack: Stacks, data: st.DataObject) -> None:
    tree = stack_image.trees(stack)[-1]
    image = stack_image.loaded(memory_store, stack)
    name = data.draw(st.sampled_from([None, *_PATTERNS]))
    kind = data.draw(st.sampled_from([None, None, *_KINDS]))
    bits = data.draw(st.sampled_from([None, 0o755, 0o4000, 0o222, 0]))
    how = data.draw(st.sampled_from(["exact", "all", "any"]))
    least, most = data.draw(
        st.sampled_from([(None, None), (1, None), (None, 512), (512, 513), (None, -1)])
    )
    uid = data.draw(st.sampled_from([None, None, 0, 1000]))

    def wanted(path: bytes, facts: Facts) -> bool:
        last = path.rpartition(b"/")[2].decode("latin-1")
        pattern = None if name is None else os.fsencode(name).decode("latin-1")
        mode = facts.mode
        return (
            (pattern is None or fnmatchcase(last, pattern))
            and (kind is None or facts.type == kind)
            and (least is None or (facts.type == "file" and facts.size >= least))
            and (most is None or (facts.type == "file" and facts.size <= most))
            and (uid is None or facts.uid == uid)
            and (bits is None
                 or (how == "exact" and mode == bits)
                 or (how == "all" and mode & bits == bits)
                 or (how == "any" and (mode & bits != 0 or bits == 0)))
        )  # fmt: skip

    criteria = analysis.Criteria(
        name=name, kind=kind and _KINDS[kind], min_size=least, max_size=most, mode=bits, uid=uid,
        mode_mask=bits if how == "all" and bits is not None else 0o7777, any_bit=how == "any",
    )  # fmt: skip
    found = [path[1:] for path in analysis.find(image, criteria).paths().tolist() if path != b"/"]
    expected = [path for path, facts in tree.items() if wanted(path, facts)]
    # What the oracle calls 0777, a link's mode, is what its layer says.
    links = {path for path, facts in tree.items() if facts.type == "symlink" and bits is not None}
    assert set(found) - links == set(expected) - links
    assert found == sorted(found, key=lambda path: path.split(b"/"))
    hidden = analysis.find_hidden(image, criteria)
    assert {h.path for h in hidden} <= {
        h.path for h in analysis.find_hidden(image, analysis.Criteria())
    }
    with pytest.raises(InvalidError, match="no such kind: 'x'"):
        analysis.find(image, analysis.Criteria(kind="x"))


@examples(30)
@given(strategies.stacks(max_layers=3), strategies.stacks(max_layers=3))
def test_compare(memory_store: str, one: Stacks, other: Stacks) -> None:
    old, new = stack_image.trees(one)[-1], stack_image.trees(other)[-1]
    before, after = (stack_image.loaded(memory_store, s) for s in (one, other))
    same = analysis.compare(before, before)
    assert not same and same.files == ()
    found = analysis.compare(before, after)
    files = {_shown(file.path): file for file in found.files}
    files.pop(b"", None)
    for path in old.keys() | new.keys():
        file = files.pop(path, None)
        if path not in old or path not in new:
            assert file is not None and file.change == ("added" if path in new else "removed")
            assert (file.old_size, file.new_size) == tuple(
                tree[path].size if path in tree else 0 for tree in (old, new)
            )
            continue
        a, b = old[path], new[path]
        both = a.type == b.type == "file"
        differs = {
            "kind": a.type != b.type, "content": both and a.sha256 != b.sha256,
            "owner": (a.uid, a.gid) != (b.uid, b.gid), "time": a.mtime_ns != b.mtime_ns,
            "device": a.device != b.device, "target": a.link != b.link,
            "xattrs": a.xattrs != b.xattrs,
        }  # fmt: skip
        if "symlink" not in (a.type, b.type):
            differs["mode"] = a.mode != b.mode
        told = set(file.aspects) if file else set()
        assert told - {"mode"} | (told & differs.keys()) == {k for k, v in differs.items() if v}
    assert files == {}
    steps = [len(one), len(other)]
    shared = min(steps)
    assert (len(found.old_history), len(found.new_history)) == (
        steps[0] - shared,
        steps[1] - shared,
    )


@given(st.lists(strategies.stacks(max_layers=2), min_size=1, max_size=3))
def test_duplicates(memory_store: str, stacks: list[Stacks]) -> None:
    trees = [stack_image.trees(stack)[-1] for stack in stacks]
    images = [stack_image.loaded(memory_store, stack) for stack in stacks]
    found = analysis.find_duplicates(images)
    for group in found:
        contents = {trees[i][_shown(path)].sha256 for i, path in group.places}
        assert len(contents) == 1 and len(group.places) > 1
        assert group.reclaimable == group.size * (len(group.places) - 1)
    assert [g.reclaimable for g in found] == sorted((g.reclaimable for g in found), reverse=True)
    (tree, *_), (image, *_) = trees, images
    counts = Counter(facts.sha256 for facts in _files_once(tree).values() if facts.size)
    single = Counter(tree[_shown(g.places[0][1])].sha256 for g in analysis.find_duplicates([image])
                     for _ in g.places)  # fmt: skip
    assert single == {digest: many for digest, many in counts.items() if many > 1}
    # The same image again adds nothing: its layers are the same.
    assert analysis.find_duplicates([*images, *images]) == found


@examples(30)
@given(
    strategies.stacks(max_layers=2),
    st.sampled_from(
        [
            b"x",
            b"^z+$",
            b"\xff",
            b"[a-y]{3}",
            b"$",
            b"zz?",
            b"z{2}",
            b"Z|[xy]Y",
            b"[xy]{2}",
            b"[xyz]+y$",
        ]
    ),
    st.booleans(),
    st.sampled_from([1, 1 << 20]),
)
def test_search_contents(
    memory_store: str, stack: Stacks, pattern: bytes, ignore_case: bool, most: int
) -> None:
    search = re.compile(pattern, re.I if ignore_case else 0).search
    tree = stack_image.trees(stack)[-1]
    image = stack_image.loaded(memory_store, stack)
    wanted = []
    for path in sorted(tree, key=lambda path: path.split(b"/")):
        if tree[path].type != "file" or not tree[path].size:
            continue
        content = image.read(b"/" + path)
        lines = content.removesuffix(b"\n").split(b"\n")
        if b"\0" in content[:8192]:
            lines = [b""] if any(map(search, lines)) else []
            wanted += [(path, 0, line) for line in lines]
        else:
            wanted += [(path, n, x) for n, x in enumerate(lines, 1) if search(x)]
    small = partial(_core.LineSearch, most_lines=most, part_bytes=64, longest_line=most)
    with (
        mock.patch.object(contents._core, "LineSearch", small),
        mock.patch.object(grep, "_MOST_HITS", min(most, 64)),
    ):
        found = list(analysis.search_contents(image, pattern, ignore_case=ignore_case))
    assert [(_shown(match.path), match.number, match.line) for match in found] == wanted


@given(
    st.text("abAB+*?{}01,|()^$.[]\\<=!:", max_size=9).map(str.encode),
    st.lists(st.sampled_from([b"a", b"b", b"0", b"A", b"{"]), max_size=9).map(b"".join),
    st.booleans(),
)
@example(b"b(?<=ab)a", b"aba", False)
@example(b"ab{0}", b"a", False)
@example(b"ab|b", b"b", False)
@example(b"a[]b]*0", b"a]0", False)
@example(b"(a|b)0", b"b0", False)
@example(b"(?:a)?b", b"B", True)
@example(b"\\x61", b"a", False)
@example(b"(?i)a", b"A", False)
@example(b"^.ab", b"0ab", False)
@example(b"ba{70}b", b"b" + b"a" * 70 + b"b", False)
@example(b"ba{70}b+", b"b" + b"a" * 70 + b"b", False)
@example(b"a?ab", b"aab", False)
@example(b"(?x)a b", b"ab", False)
def test_a_line_that_matches_has_what_is_needed(
    pattern: bytes, line: bytes, ignore_case: bool
) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            regex = re.compile(pattern, re.MULTILINE | (re.I if ignore_case else 0))
    except (re.error, OverflowError):
        return
    needed = needed_sequences(regex)
    match = regex.search(line)
    if needed.sequences and match is not None:
        places = [at for at in range(len(line)) if _begins(line[at:], needed.sequences)]
        assert places
        if needed.leads:
            assert match.start() in places
            assert any(regex.match(line, at) for at in places)


def _begins(line: bytes, sequences: list[list[bytes]]) -> bool:
    """Whether one of them is what it begins with."""
    return any(
        len(line) >= len(one) and all(b in members for b, members in zip(line, one, strict=False))
        for one in sequences
    )


@pytest.mark.parametrize(
    ("pattern", "sequences", "leads"),
    [
        ("password *=", ["password"], True),
        ("^root:x|toor$", ["root:x", "toor"], False),
        (r"\bapi[-_]keys?\b", ["api"], True),
        ("(AWS|aws)(?:_SECRET)?_KEY(?=[:=])", ["_KEY"], False),
        (r"a+bc{2,}d\.e", ["ccd.e"], False),
        ("ab{3}c+d", ["abbbc"], True),
        ("^.ab", ["ab"], False),
        ("(?im)Key", ["[Kk][Ee][Yy]"], True),
        (r"[0-9]{3}-\d\d", ["[0-9][0-9][0-9]-[0-9][0-9]"], True),
        (r"\d+\.\d+\.", ["[0-9].[0-9]"], False),
        ("x.[01]{2}", ["x?[01][01]"], True),
        ("[a-c]{200}", ["[abc]" * 64], True),
        (r"\w{3}|x", [], False),
        ("one|.*", [], False),
        ("x" * 100, ["x" * 64], True),
        ("(?s).", [], False),
        ("{}", [], False),
    ],
)  # fmt: skip
def test_what_is_needed_is_seen(pattern: str, sequences: list[str], leads: bool) -> None:
    needed = needed_sequences(re.compile(pattern.encode()))
    assert ["".join(map(_spelled, one)) for one in needed.sequences] == sequences
    assert needed.leads == leads


def _spelled(members: bytes) -> str:
    if len(members) == 255:
        return "?"
    return (
        members.decode()
        if len(members) == 1
        else f"[{members.decode()}]".replace("0123456789", "0-9")
    )


def test_an_image_of_no_layers_and_of_empty_ones(memory_store: str) -> None:
    for stack in ([], [[]], [[], []]):
        image = stack_image.loaded(memory_store, stack, f"empty:{len(stack)}")
        assert [layer.size for layer in analysis.layer_changes(image)] == [0] * len(stack)
        assert analysis.efficiency(image) == analysis.efficiency(image)
        assert analysis.efficiency(image).score == 1.0
        assert len(analysis.find(image, analysis.Criteria())) == 1
        assert analysis.find_hidden(image, analysis.Criteria()) == []
        assert analysis.find_duplicates([image]) == []
        (root,) = analysis.disk_usage(image)
        assert (root.name, root.size, root.files) == ("/", 0, 1)
        assert not analysis.compare(image, image)
        assert list(image.path().iterdir()) == []


def test_what_removing_frees_is_what_goes() -> None:
    """The numbers of `shared`, against the blobs that a removal leaves."""
    with engine.scratch_store() as root:
        base = [Member(b"base", "file", content=b"b" * 200_000)]
        tops = [[Member(b"top", "file", content=bytes([65 + n]) * 90_000)] for n in range(2)]
        for number, top in enumerate(tops):
            stack_image.loaded(root, [base, top], f"app{number}:1")
        store = Store(root)
        sharing = analysis.layer_sharing(store)
        assert [len(layer.images) for layer in sharing.layers] == [2, 1, 1]
        assert sharing.layers[0].size == 200_000
        (first, *_) = sharing.images
        assert (
            first.size == first.shared + first.freed
            and 90_000 < first.freed < 150_000 < first.shared
        )
        before = store.usage().images.size
        store.remove_image(first.image_id, force=True)
        assert before - store.usage().images.size == first.freed
        assert re.fullmatch(r"app[01]:1", first.tags[0])


@given(stack=strategies.stacks())
@example(
    # A layer that links a file of the one below it: there is one file, and its bytes count once.
    stack=[
        [Member(b"a", "file", mtime_ns=1, content=b"x")],
        [Member(b"b", "hardlink", link=b"a")],
        [Member(b"c", "hardlink", link=b"b"), Member(b"d", "file", mtime_ns=1, content=b"x")],
    ]
)
def test_snapshots(memory_store: str, stack: Stacks) -> None:
    trees = stack_image.trees(stack)
    found = Snapshots(stack_image.loaded(memory_store, stack))
    paths = [bytes(path)[1:] for path in found.stack.rows[found.stack.first].paths()]
    for number, path in enumerate(paths):
        assert found.depth[number] == (path.count(b"/") + 1 if path else 0)
        above = paths[found.parent[number]] if path else None
        assert above == (path.rpartition(b"/")[0] if path else None)
    for layer, aggregated in product(range(len(stack)), (False, True)):
        after = trees[layer + 1]
        before = {} if not layer else trees[1] if aggregated else trees[layer]
        shot = found.at(layer, aggregated=aggregated)
        shown = {path: number for number, path in enumerate(paths) if path and shot.shown[number]}
        assert shown.keys() == before.keys() | after.keys()
        for path, number in shown.items():
            change = int(shot.change[number])
            below = [p for p in shown if p.startswith(path + b"/")]
            if path not in before:
                assert change == ADDED
            elif path not in after:
                assert change == DELETED
            elif any(shot.change[shown[p]] for p in below):
                assert change == MODIFIED
            else:
                same = (before[path].sha256, before[path].link) == (
                    after[path].sha256,
                    after[path].link,
                )
                assert change == MODIFIED or (change == UNMODIFIED and same)
            once = _files_once(after)
            wanted = sum(once[p].size for p in (path, *below) if p in once)
            assert path not in after or shot.size[number] == wanted


@given(strategies.stacks(), st.sampled_from([b"^/", b"x", b"/[ab]+$"]))
def test_matching_and_inside(memory_store: str, stack: Stacks, pattern: bytes) -> None:
    stack_image.trees(stack)
    found = Snapshots(stack_image.loaded(memory_store, stack))
    paths = [bytes(path) for path in found.stack.rows[found.stack.first].paths()]
    matching = found.matching(re.compile(pattern))
    assert matching.tolist() == [re.search(pattern, path) is not None for path in paths]
    wanted = [
        any(path != other and (other == b"/" or path.startswith(other + b"/"))
            for other, chosen in zip(paths, matching, strict=True) if chosen)
        for path in paths
    ]  # fmt: skip
    assert found.inside(matching).tolist() == wanted
