"""The judge can say no: each kind of difference from an expectation is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.conformance import oracle_outcome
from tests.conformance.case import Case, Outcome, all_cases
from tests.tree import Facts, Tree

CASES = {case.id: case for case in all_cases()}


def _tree(case: str) -> Tree:
    tree = oracle_outcome.run(CASES[case]).tree
    assert tree is not None
    return tree


@pytest.mark.parametrize(
    ("case", "path", "change"),
    [
        ("hl-basic", None, {"names": frozenset()}),
        ("hl-basic", None, {"nlink": 1}),
        ("pax-nsec-mtime", b"n", {"mtime_ns": 1700000001_123456788}),
        ("pax-capability-v2", None, {"xattrs": {}}),
        ("meta-devices", None, {"device": (9, 9)}),
        ("type-symlink-to-dir", None, {"type": "symlink"}),
        ("meta-setuid-chown", None, {"mode": 0o755}),
        ("gz-plain", b"c/f", {"sha256": "0" * 64}),
        ("pax-big-ids", None, {"uid": 7}),
    ],
)
def test_a_changed_field_is_wrong(case: str, path: bytes | None, change: dict[str, object]) -> None:
    tree = _tree(case)
    for each in [path] if path else list(tree):
        changed = {**tree, each: replace(tree[each], **change)}  # type: ignore[arg-type]
        if CASES[case].judge(Outcome(tree=changed)).result == "wrong":
            return
    pytest.fail("nobody noticed")


def test_a_missing_and_a_surplus_path_are_wrong() -> None:
    case = CASES["wh-file"]
    tree = _tree("wh-file")
    assert case.judge(Outcome(tree=tree)).result == "first"
    assert case.judge(Outcome(tree={**tree, b"ghost": Facts("file")})).result == "wrong"
    assert case.judge(Outcome(tree=dict(list(tree.items())[1:]))).result == "wrong"


def _refused(case: Case) -> bool:
    return bool(case.expectations[0]["kind"] == "error")


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if _refused(case)], ids=lambda case: case.id
)
def test_an_unexpected_kind_of_error_is_wrong(case: Case) -> None:
    assert case.judge(Outcome(error="HostError")).result == "wrong"
    assert case.judge(Outcome(tree={})).result != "first"
