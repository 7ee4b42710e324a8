"""FileTree: the tree of an image as a layer left it, with what that changed in colours."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType

from fastlayers.analysis.files import KINDS, SYMLINK
from fastlayers.analysis.snapshots import ADDED, DELETED, MODIFIED, UNMODIFIED
from fastlayers.cli import human, one_line
from fastlayers.cli.entries import mode_text
from fastlayers.cli.explorer.line_list import LineList

if TYPE_CHECKING:
    from fastlayers.analysis.files import Array
    from fastlayers.analysis.snapshots import Snapshot, Snapshots

_STYLES = {
    UNMODIFIED: Style(),
    ADDED: Style(color="green"),
    MODIFIED: Style(color="yellow"),
    DELETED: Style(color="red"),
}
_WORDS = {UNMODIFIED: "unmodified", ADDED: "added", MODIFIED: "modified", DELETED: "removed"}
_DIM = Style(dim=True)


class FileTree(LineList):
    """The paths that are to be seen, as numbers of the snapshots in path order. Directories begin
    collapsed: of a hundred thousand files nobody wants to see all at once."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "collapse", "Collapse"),
        Binding("ctrl+at,ctrl+space,ctrl+@", "collapse_all", "All", key_display="^space"),
        Binding("ctrl+a", f"hide({ADDED})", "Added"),
        Binding("ctrl+r", f"hide({DELETED})", "Removed"),
        Binding("enter,ctrl+m", f"hide({MODIFIED})", "Modified", key_display="^m"),
        Binding("ctrl+u", f"hide({UNMODIFIED})", "Unmodified"),
        Binding("ctrl+b", "attributes", "Attributes"),
        Binding("left", "out", show=False),
        Binding("right", "into", show=False),
    ]

    def __init__(self, snapshots: Snapshots, *, id: str) -> None:
        super().__init__(id=id)
        self._snapshots = snapshots
        self._snapshot: Snapshot = snapshots.at(-1)
        self._collapsed = snapshots.depth > 0
        self._matching = np.ones(len(snapshots), dtype=bool)
        self._attributes = True
        self._paths: Array = np.empty(0, dtype=np.int64)
        self.hidden: set[int] = set()

    @property
    def count(self) -> int:
        return len(self._paths)

    def show(self, snapshot: Snapshot) -> None:
        """Shows another tree; the cursor stays on its path, or near it."""
        self._snapshot = snapshot
        self._select()

    def search(self, pattern: re.Pattern[bytes] | None) -> None:
        """Shows only what matches, and the directories it is in; None: everything."""
        self._matching = np.ones(len(self._snapshots), dtype=bool)
        if pattern is not None:
            self._matching = self._snapshots.matching(pattern)
            self._collapsed[:] = False
        self._select()

    @property
    def path(self) -> int:
        """The number of the path that the cursor is on; -1 if nothing is shown."""
        return int(self._paths[self.cursor]) if self.count else -1

    def _select(self, path: int | None = None) -> None:
        """Finds out what is to be seen; `path` is where the cursor should be."""
        path = self.path if path is None else path
        tree = self._snapshot
        wanted = tree.shown & self._matching & ~np.isin(tree.change, list(self.hidden))
        wanted = tree.shown & (self._snapshots.below(wanted) > 0)
        wanted &= ~self._snapshots.inside(self._collapsed & tree.is_directory)
        wanted[:1] = False  # everything is in the root
        self._paths = np.flatnonzero(wanted)
        left_out = [word for change, word in _WORDS.items() if change in self.hidden]
        self.border_subtitle = f"without {', '.join(left_out)}" if left_out else ""
        self.lines_changed(int(np.searchsorted(self._paths, path)))

    def line(self, number: int) -> list[Segment]:
        path = int(self._paths[number])
        tree, rows = self._snapshot, self._snapshots.stack.rows
        row = rows[tree.row[path] : tree.row[path] + 1]
        kind = KINDS[row["kind"][0]]
        style = _STYLES[int(tree.change[path])]
        segments = []
        if self._attributes:
            mode = mode_text(kind, int(row["mode"][0]))
            owner = f"{row['uid'][0]}:{row['gid'][0]}"
            segments.append(
                Segment(f"{mode} {owner:>9} {human.size(int(tree.size[path])):>7} ", _DIM)
            )
        is_open = "  "
        if tree.is_directory[path]:
            is_open = "▸ " if self._collapsed[path] else "▾ "
        indent = "  " * (int(self._snapshots.depth[path]) - 1)
        name = one_line(os.fsdecode(row.names()[0]))
        segments += [Segment(indent + is_open, _DIM), Segment(name, style)]
        if row["kind"][0] == SYMLINK:
            segments.append(Segment(f" → {one_line(os.fsdecode(row.links()[0]))}", _DIM))
        return segments

    def action_collapse(self) -> None:
        if self.count and self._snapshot.is_directory[self.path]:
            self._collapsed[self.path] ^= True
            self._select()

    def action_collapse_all(self) -> None:
        """Collapses all, or opens all if nothing is open."""
        directories = self._snapshot.is_directory & (self._snapshots.depth > 0)
        nothing_is_open = bool(self._collapsed[directories].all())
        path = self.path
        while not nothing_is_open and path >= 0 and self._snapshots.depth[path] > 1:
            path = int(self._snapshots.parent[path])
        self._collapsed[:] = not nothing_is_open
        self._collapsed[:1] = False
        self._select(path)

    def action_hide(self, change: int) -> None:
        self.hidden ^= {change}
        self._select()

    def action_attributes(self) -> None:
        self._attributes = not self._attributes
        self.refresh()

    def action_out(self) -> None:
        """Closes the directory that the cursor is on, or goes to the one that it is in."""
        path = self.path
        if path < 0:
            return
        if self._snapshot.is_directory[path] and not self._collapsed[path]:
            self._collapsed[path] = True
            self._select()
        elif self._snapshots.depth[path] > 1:
            self._select(int(self._snapshots.parent[path]))

    def action_into(self) -> None:
        """Opens the directory that the cursor is on."""
        if self.count and self._snapshot.is_directory[self.path]:
            self._collapsed[self.path] = False
            self._select()
