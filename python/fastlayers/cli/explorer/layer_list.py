"""LayerList: the layers of an image, each with its size and instruction."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message

from fastlayers.cli import human, one_line
from fastlayers.cli.explorer.line_list import LineList

if TYPE_CHECKING:
    from fastlayers.analysis.changes import LayerChanges

_OF_BASE, _COMPARED = Style(bgcolor="magenta"), Style(bgcolor="green")
_NOTHING = Style()


class LayerList(LineList):
    """The cursor is the layer that is looked at; the marks say what is compared with what: green
    is what changed something, magenta what it changed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "aggregate(False)", "Layer changes"),
        Binding("ctrl+a", "aggregate(True)", "Aggregated changes"),
    ]

    class Switched(Message):
        """Other changes are to be shown: of the layer alone or of all above the base."""

    def __init__(self, layers: list[LayerChanges], *, id: str) -> None:
        super().__init__(id=id)
        self._layers = layers
        self.aggregated = False

    @property
    def count(self) -> int:
        return len(self._layers)

    def line(self, number: int) -> list[Segment]:
        layer = self._layers[number]
        made = " ".join(one_line(layer.created_by.replace("\n", " ")).split())
        return [
            Segment("  ", self._mark(number)),
            Segment(f" {human.size(layer.size):>7}  {made or layer.diff_id}"),
        ]

    def _mark(self, number: int) -> Style:
        if number > self.cursor:
            return _NOTHING
        changing = number > 0 if self.aggregated and self.cursor else number == self.cursor
        return _COMPARED if changing else _OF_BASE

    def action_aggregate(self, aggregated: bool) -> None:
        self.aggregated = aggregated
        self.refresh()
        self.post_message(self.Switched())
