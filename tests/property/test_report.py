"""The data of reports of random stacks, against the oracle's trees."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from fastlayers import analysis
from tests import package_files, stack_image, strategies
from tests.cli.test_report import opened, paths, texts
from tests.tar_members import Member

Stacks = list[list[Member]]


@given(strategies.stacks())
def test_entries_are_those_of_the_image(memory_store: str, stack: Stacks) -> None:
    tree = stack_image.trees(stack)[-1]
    image = stack_image.loaded(memory_store, stack)
    document, columns = opened(analysis.report(image))
    found = paths(columns)
    assert {path[1:] for path in found} == {b""} | set(tree)
    links = iter(texts(columns["links"]))
    seen: set[bytes] = set()
    for path, kind, size, mode in zip(
        found, *(columns[name].tolist() for name in ("kind", "size", "mode")), strict=True
    ):
        if path == b"/":
            continue
        facts = tree[path[1:]]
        assert mode == facts.mode
        if facts.type == "symlink":
            assert (kind, next(links), size) == (2, facts.link, 0)
        if facts.type == "file":
            assert (kind, size) == (16 if path[1:] in seen else 0, facts.size)
            seen |= facts.names
    assert next(links, None) is None
    shown = sum(s for s, k in zip(columns["size"], columns["kind"], strict=True) if k == 0)
    (about,) = document["images"]
    assert about["size"] - about["wasted"] == shown


@given(strategies.stacks(), strategies.stacks())
def test_changes_are_those_that_compare_tells(
    memory_store: str, first: Stacks, second: Stacks
) -> None:
    trees = [stack_image.trees(stack)[-1] for stack in (first, second)]
    old = stack_image.loaded(memory_store, first, "old:1")
    new = stack_image.loaded(memory_store, second, "new:1")
    document, columns = opened(analysis.report(old, new))
    found = paths(columns)
    assert {path[1:] for path in found} == {b""} | set(trees[0]) | set(trees[1])
    # Every directory comes before what is in it, and all of that follows it.
    ancestors: list[int] = []
    for entry, above in enumerate(columns["parent"].tolist()):
        while ancestors and ancestors[-1] != above:
            ancestors.pop()
        assert ancestors or entry == 0
        ancestors.append(entry)
    words = ("same", "changed", "added", "removed")
    told = {path: words[n] for path, n in zip(found, columns["change"].tolist(), strict=True) if n}
    wanted = {d.path.encode(errors="surrogateescape"): d for d in analysis.compare(old, new).files}
    assert told == {path: difference.change for path, difference in wanted.items()}
    for path, bits in zip(found, columns["aspects"].tolist(), strict=True):
        aspects = wanted[path].aspects if path in wanted else ()
        assert tuple(n for bit, n in enumerate(_ASPECTS) if bits >> bit & 1) == aspects
    for image, row in zip((old, new), document["images"], strict=True):
        layers = [document["layers"][number]["diff_id"] for number in row["layers"]]
        assert layers == [layer.diff_id for layer in image.layers]


_ASPECTS = ("kind", "content", "mode", "owner", "time", "device", "target", "xattrs")


_Packages = list[tuple[str, str, str]]  # name, version, architecture
_WORDS = st.sampled_from(["a", "b", "<img src=x>", "</script>", "\udcff", "\u202e\x1b[2J", "\xe9"])
_INSTALLED = st.lists(
    st.tuples(_WORDS, _WORDS, st.sampled_from(["x", "y"])), max_size=5, unique=True
)
_SIDE = st.tuples(_INSTALLED, _INSTALLED, _INSTALLED)


@given(_SIDE, _SIDE)
def test_packages_are_those_of_the_databases(
    memory_store: str,
    old: tuple[_Packages, _Packages, _Packages],
    new: tuple[_Packages, _Packages, _Packages],
) -> None:
    images = []
    for name, (debs, apks, rpms) in (("old:1", old), ("new:1", new)):
        layer = [package_files.dpkg(*debs), package_files.apk(*apks), package_files.rpms(*rpms)]
        images.append(stack_image.loaded(memory_store, [layer], name))
    document, _ = opened(analysis.report(*images))
    told = {(type_, name): rest for _, type_, name, *rest in document["differences"]["packages"]}
    changes = {(row[1], row[2]): row[0] for row in document["differences"]["packages"]}
    for type_, olds, news in zip(("deb", "apk", "rpm"), old, new, strict=True):
        for name in {package[0] for package in (*olds, *news)}:
            sides = [
                Counter((f"{version}-1" if type_ == "rpm" else version, architecture)
                        for of, version, architecture in packages if of == name)
                for packages in (olds, news)
            ]  # fmt: skip
            differ = [sides[0] - sides[1], sides[1] - sides[0]]
            if not differ[0] and not differ[1]:
                continue
            one = len({architecture for _, architecture in (*differ[0], *differ[1])}) == 1
            wanted = [{v if one else f"{v} ({a})" for v, a in side} for side in differ]
            found = told.pop((type_, name))
            assert [set(filter(None, text.split(", "))) for text in found] == wanted
            change = "changed" if all(differ) else "removed" if differ[0] else "added"
            assert changes[type_, name] == change
    assert told == {}
