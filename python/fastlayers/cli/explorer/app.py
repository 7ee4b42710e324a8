"""Explorer: the screen of `explore`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Footer, Input, Static

from fastlayers.analysis.changes import layer_changes
from fastlayers.analysis.snapshots import Snapshots
from fastlayers.analysis.waste import efficiency
from fastlayers.cli import human, one_line
from fastlayers.cli.explorer.file_tree import FileTree
from fastlayers.cli.explorer.layer_list import LayerList
from fastlayers.cli.explorer.line_list import LineList

if TYPE_CHECKING:
    from fastlayers.image import Image

_MOST_WASTED = 200


class Explorer(App[None]):
    """The layers of an image on the left, the tree of the chosen one on the right."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #left { width: 2fr; } #tree { width: 3fr; }
    #layers { height: 2fr; } #layer { height: 1fr; min-height: 8; } #image { height: 2fr; }
    #layers, #layer, #image, #tree { border: round $surface-lighten-2; }
    #layers:focus, #tree:focus, #image:focus { border: round $accent; }
    #filter { display: none; border: none; height: 1; } #filter.shown { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "quit", "Quit", key_display="q"),
        Binding("tab", "switch", "Switch view", priority=True),
        Binding("ctrl+f", "filter", "Filter"),
        Binding("escape", "leave_filter", show=False),
    ]

    def __init__(self, image: Image, name: str) -> None:
        super().__init__()
        self._image = image
        self._shown_name = name
        self._layers = layer_changes(image)
        self._snapshots = Snapshots(image)

    def compose(self) -> ComposeResult:
        with Horizontal():
            with Vertical(id="left"):
                yield LayerList(self._layers, id="layers")
                with VerticalScroll(id="layer", can_focus=False):
                    yield Static(id="layer-text")
                with VerticalScroll(id="image"):
                    yield Static(self._image_text(), id="image-text")
            yield FileTree(self._snapshots, id="tree")
        yield Input(placeholder="a regular expression for paths", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        self._list.border_title = "Layers"
        self.query_one("#layer").border_title = "Layer"
        self.query_one("#image").border_title = "Image"
        self._list.focus()
        self._show()

    @property
    def _list(self) -> LayerList:
        return self.query_one("#layers", LayerList)

    @property
    def _tree(self) -> FileTree:
        return self.query_one("#tree", FileTree)

    def on_line_list_moved(self, message: LineList.Moved) -> None:
        if message.lines is self._list:
            self._show()

    def on_layer_list_switched(self) -> None:
        self._show()

    def _show(self) -> None:
        number, aggregated = self._list.cursor, self._list.aggregated
        self._tree.show(self._snapshots.at(number, aggregated=aggregated))
        self._tree.border_title = "Aggregated changes" if aggregated else "Layer changes"
        self.query_one("#layer-text", Static).update(self._layer_text(number))

    def _layer_text(self, number: int) -> Text:
        if not self._layers:
            return Text("The image has no layers")
        layer, blob = self._layers[number], self._image.layers[number]
        return _pairs(
            ("Layer", f"{number + 1} of {len(self._layers)}"),
            ("Command", layer.created_by),
            ("Files", f"{human.size(layer.size)}, of which {human.size(layer.wasted)} wasted"),
            ("Changes", f"{layer.added} added, {layer.modified} modified, {layer.deleted} deleted"),
            ("Diff ID", layer.diff_id),
            ("Blob", f"{blob.digest}, {human.size(blob.size)}"),
        )

    def _image_text(self) -> Text:
        found = efficiency(self._image)
        text = _pairs(
            ("Image", self._shown_name),
            ("Size", human.size(self._image.size)),
            ("Wasted", human.size(found.wasted_bytes)),
            ("Efficiency", f"{found.score:.2%}"),
        )
        if found.files:
            text.append("\n\nCount    Size  Path\n", style="bold")
        for file in found.files[:_MOST_WASTED]:
            text.append(f"{file.count:>5} {human.size(file.size):>7}  {one_line(file.path)}\n")
        left_out = len(found.files) - _MOST_WASTED
        if left_out > 0:
            text.append(f"and {left_out} more: fastlayers efficiency")
        return text

    async def action_switch(self) -> None:
        """From the layers to the tree and back."""
        (self._tree if self._list.has_focus else self._list).focus()

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.add_class("shown")
        field.focus()

    def action_leave_filter(self) -> None:
        """Away with the filter: everything is shown again."""
        field = self.query_one("#filter", Input)
        if field.has_class("shown"):
            field.value = ""
            field.remove_class("shown")
            self._tree.focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        """A pattern that is not finished yet changes nothing."""
        if not message.value:
            self._tree.search(None)
            return
        try:
            pattern = re.compile(message.value.encode("utf-8", "surrogateescape"))
        except (re.error, OverflowError):
            return
        self._tree.search(pattern)

    def on_input_submitted(self) -> None:
        self._tree.focus()


def _pairs(*rows: tuple[str, str]) -> Text:
    text = Text()
    for number, (name, value) in enumerate(rows):
        text.append("\n" if number else "")
        text.append(f"{name:<11}", style="bold")
        text.append(one_line(value.replace("\t", " ").replace("\n", " ")))
    return text
