"""Case: one folder of the corpus, and how an outcome is judged against its expectations.

The format of expect.json: `layers` (bytes on disk, and what the documents must claim about them),
`expect` (a tree or an error), `allow` (further acceptable outcomes). A tree asserts only the
fields that it lists; `optional` paths, and what is below them, may be there or not.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.oci_layout import LayerBlob
from tests.tree import Facts, Tree

CASES = Path(__file__).parent / "cases"


def _read_layer(folder: Path, description: dict[str, Any]) -> LayerBlob:
    """Reads a layer; the `declared_*` fields are lies that a case wants to be told."""
    claims = {key: description.get(f"declared_{key}", description[key])
              for key in ("digest", "size", "diff_id")}  # fmt: skip
    blob = (folder / description["file"]).read_bytes()
    return LayerBlob(blob, media_type=description["media_type"], **claims)


@dataclass(frozen=True)
class Outcome:
    """What an engine did with a case: a tree, or an error of one of the corpus's kinds."""

    tree: Tree | None = None
    error: str = ""
    message: str = ""

    def __str__(self) -> str:
        return f"error {self.error}: {self.message}" if self.tree is None else "tree"


@dataclass(frozen=True)
class Verdict:
    """`result` is "first" (the expectation), "allowed" (an alternative) or "wrong"."""

    result: Literal["first", "allowed", "wrong"]
    reasons: tuple[str, ...] = ()  # against the first expectation


def _bytes(entry: dict[str, Any], key: str) -> bytes:
    if f"{key}_b64" in entry:
        return base64.b64decode(entry[f"{key}_b64"])
    return os.fsencode(entry[key])


def _entry_differences(entry: dict[str, Any], have: Facts) -> list[str]:
    """Each asserted field of one entry that is not as it should be."""
    wrong = []

    def check(name: str, want: object, got: object) -> None:
        if want != got:
            wrong.append(f"{name} is {got!r}, not {want!r}")

    plain = {"type": have.type, "uid": have.uid, "gid": have.gid, "size": have.size,
             "sha256": have.sha256, "nlink": have.nlink, "dev": list(have.device),
             "mtime_nsec": have.mtime_ns % 10**9}  # fmt: skip
    for name, got in plain.items():
        if name in entry:
            check(name, entry[name], got)
    if "mode" in entry:
        check("mode", entry["mode"], f"{have.mode:04o}")
    if "linkname" in entry or "linkname_b64" in entry:
        check("linkname", _bytes(entry, "linkname"), have.link)
    mtime = have.mtime_ns // 10**9
    if "mtime" in entry and mtime not in [entry["mtime"], *entry.get("mtime_any", [])]:
        check("mtime", entry["mtime"], mtime)
    for name, value in entry.get("xattrs", {}).items():
        check(f"xattr {name}", base64.b64decode(value), have.xattrs.get(os.fsencode(name)))
    for name in entry.get("xattrs_absent", []):
        check(f"xattr {name}", None, have.xattrs.get(os.fsencode(name)))
    return wrong


def _tree_differences(expected: dict[str, Any], tree: Tree) -> list[str]:
    entries = {_bytes(entry, "path"): entry for entry in expected["entries"]}
    optional = [os.fsencode(path) for path in expected.get("optional", [])]
    groups: dict[str, set[bytes]] = {}
    wrong = []
    for path, entry in entries.items():
        have = tree.get(path)
        if have is None:
            wrong.append(f"{path!r}: missing")
            continue
        wrong += [f"{path!r}: {line}" for line in _entry_differences(entry, have)]
        if "link_group" in entry:
            groups.setdefault(entry["link_group"], set()).add(path)
    for group, names in groups.items():
        for path in names & tree.keys():
            if not names <= tree[path].names:
                wrong.append(f"{path!r}: does not share its inode with all of group {group}")
    for path in tree.keys() - entries.keys():
        if not any(path == free or path.startswith(free + b"/") for free in optional):
            wrong.append(f"{path!r}: should not be there")
    return wrong


@dataclass(frozen=True)
class Case:
    """One stack of layers and its expectations."""

    id: str
    title: str
    layers: tuple[LayerBlob, ...]
    extra_diff_ids: tuple[str, ...]
    expectations: tuple[dict[str, Any], ...]  # the first one is the goal
    canary: bool
    plain_tar: bool

    @classmethod
    def read(cls, folder: Path) -> Case:
        """Reads one folder of the corpus."""
        document = json.loads((folder / "expect.json").read_text())
        return cls(
            id=document["id"],
            title=document["title"],
            layers=tuple(_read_layer(folder, layer) for layer in document["layers"]),
            extra_diff_ids=tuple(document.get("extra_diff_ids", ())),
            expectations=(document["expect"], *document.get("allow", ())),
            canary=document.get("canary", False),
            plain_tar=document.get("plain_tar", False),
        )

    def judge(self, outcome: Outcome) -> Verdict:
        """Which expectation the outcome meets; the reasons are against the first."""
        reasons = [self._against(expected, outcome) for expected in self.expectations]
        if not reasons[0]:
            return Verdict("first")
        allowed = any(not lines for lines in reasons[1:])
        return Verdict("allowed" if allowed else "wrong", tuple(reasons[0]))

    @staticmethod
    def _against(expected: dict[str, Any], outcome: Outcome) -> list[str]:
        if expected["kind"] == "error":
            # A path that leaves its root is also bytes that break their format.
            good = {"corrupt": ("corrupt", "traversal")}.get(expected["error"], expected["error"])
            if outcome.error and outcome.error in (good if isinstance(good, tuple) else (good,)):
                return []
            return [f"{outcome} instead of the error {expected['error']}"]
        if outcome.tree is None:
            return [f"{outcome} instead of a tree"]
        return _tree_differences(expected, outcome.tree)


def all_cases() -> list[Case]:
    """Every case of the corpus, by id."""
    return [Case.read(folder) for folder in sorted(CASES.iterdir()) if folder.is_dir()]
