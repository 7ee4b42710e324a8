"""LineList: a list of any length of which only the lines that are seen are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

if TYPE_CHECKING:
    from textual.events import Click

_CURSOR = Style(reverse=True)
_UNFOCUSED_CURSOR = Style(bold=True, underline=True)


class LineList(ScrollView, can_focus=True):
    """Lines with a cursor. What is in them is said by `count` and `line`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "move(-1000000000)", show=False),
        Binding("end", "move(1000000000)", show=False),
    ]

    class Moved(Message):
        """The cursor is on another line."""

        def __init__(self, lines: LineList) -> None:
            super().__init__()
            self.lines = lines

    cursor = 0

    @property
    def count(self) -> int:
        """How many lines there are."""
        raise NotImplementedError

    def line(self, number: int) -> list[Segment]:
        """One of them."""
        raise NotImplementedError

    def lines_changed(self, cursor: int) -> None:
        """To be called when there are other lines; `cursor` is where it should be."""
        self.virtual_size = Size(0, self.count)
        self.move_to(cursor)
        self.refresh()

    def move_to(self, number: int) -> None:
        """Brings the cursor to a line, or as near as there is one, and the line into view."""
        self.cursor = max(0, min(number, self.count - 1))
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif height and self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, immediate=True)
        self.refresh()
        self.post_message(self.Moved(self))

    def render_line(self, y: int) -> Strip:
        number = self.scroll_offset.y + y
        width = self.scrollable_content_region.width
        if number >= self.count:
            return Strip.blank(width, self.rich_style)
        strip = Strip(self.line(number)).adjust_cell_length(width)
        if number != self.cursor:
            return strip.apply_style(self.rich_style)
        return strip.apply_style(
            self.rich_style + (_CURSOR if self.has_focus else _UNFOCUSED_CURSOR)
        )

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_mount(self) -> None:
        self.lines_changed(self.cursor)

    def on_click(self, event: Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None:  # not on the border
            self.move_to(self.scroll_offset.y + offset.y)

    def action_move(self, lines: int) -> None:
        self.move_to(self.cursor + lines)

    def action_page(self, pages: int) -> None:
        self.move_to(self.cursor + pages * max(1, self.scrollable_content_region.height - 1))
