"""Columns that line up, as docker's tables do.

A cell ends with a tab. The lines that follow one another with a cell in the same place share the
width of that column: the longest cell and three blanks, at least ten (of `top` twenty). What
follows the last tab of a line belongs to no column and is not padded.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_MINIMUM = 10
_PADDING = 3


def align(text: str, *, narrowest: int = _MINIMUM) -> str:
    """The text with its tabs replaced by blanks."""
    lines = [line.split("\t") for line in text.split("\n")]
    if len(set(map(len, lines))) == 1:
        return align_columns(list(zip(*lines, strict=True)), narrowest=narrowest)
    for column in range(max(map(len, lines)) - 1):
        _pad(lines, column, narrowest)
    return "\n".join("".join(cells) for cells in lines)


class Facts:
    """Some columns of a long list, told by facts of its lines, of which there are few that differ.
    `columns` are those of the facts; `tell` makes the cells of a line of them."""

    __slots__ = ("_lines", "headings", "tell")

    def __init__(
        self,
        headings: tuple[str, ...],
        tell: Callable[..., tuple[str, ...]],
        *columns: Iterable[int],
    ) -> None:
        self.headings, self.tell = headings, tell
        self._lines = list(zip(*columns, strict=True))

    def padded(self, headings: Sequence[str]) -> list[str]:
        """The heading and each line, padded as `align` does."""
        cells = {line: self.tell(*line) for line in set(self._lines)}
        columns = zip(headings, *cells.values(), strict=True)
        widths = (max(_MINIMUM, max(map(len, column)) + _PADDING) for column in columns)
        form = "".join(f"%-{width}s" for width in widths)
        texts = {line: form % cell for line, cell in cells.items()}
        return [form % tuple(headings), *map(texts.__getitem__, self._lines)]


def align_columns(columns: Sequence[Sequence[str]], *, narrowest: int = _MINIMUM) -> str:
    """The same of whole columns, in a part of the time."""
    *padded, _ = columns
    widths = (max(narrowest, max(map(len, column)) + _PADDING) for column in padded)
    form = "".join(f"%-{width}s" for width in widths) + "%s"
    return "\n".join(map(form.__mod__, zip(*columns, strict=True)))


def _pad(lines: list[list[str]], column: int, narrowest: int) -> None:
    """Pads one column, run by run of the lines that have it."""
    start = 0
    while start < len(lines):
        end = start
        while end < len(lines) and len(lines[end]) > column + 1:
            end += 1
        run = lines[start:end]
        width = max([narrowest, *(len(cells[column]) + _PADDING for cells in run)])
        for cells in run:
            cells[column] = cells[column].ljust(width)
        start = end + 1
