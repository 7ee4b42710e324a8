"""`explore`: the keys of dive on textual's screen, and once on a terminal."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from fastlayers import Store
from fastlayers.cli import explore, main
from fastlayers.cli.explorer.app import Explorer
from fastlayers.cli.explorer.file_tree import FileTree
from fastlayers.cli.explorer.layer_list import LayerList
from tests import engine, stack_image
from tests.privileged.terminal import Terminal
from tests.tar_members import Member

_BASE = [
    Member(b"bin", "symlink", link=b"usr/bin"),
    Member(b"etc/passwd", "file", content=b"p" * 1000),
    Member(b"usr/bin/tool", "file", 0o4755, 7, 8, content=b"t" * 2000),
    Member(b"usr/lib/old/a", "file", content=b"a" * 300),
    Member(b"usr/lib/old/b", "file", content=b"b"),
]
_SECOND = [
    Member(b"etc/passwd", "file", content=b"p" * 1500),
    Member(b"srv/odd\xff\x1b[2J", "file", content=b"odd"),
]
_THIRD = [
    Member(b"usr/lib/.wh.old", "file"),
    Member(b"srv/new", "file", content=b"n" * 10),
]
_GREEN, _YELLOW, _RED = "green", "yellow", "red"


@pytest.fixture(scope="module")
def root() -> Iterator[str]:
    with engine.scratch_store() as root:
        stack_image.loaded(root, [_BASE, _SECOND, _THIRD], "app:1")
        stack_image.loaded(root, [], "empty:1")
        many = [Member(b"d%03d/f%03d" % (n // 100, n % 100), "file") for n in range(20_000)]
        stack_image.loaded(root, [many], "many:1")
        yield root


class Screen:
    """What is on it."""

    def __init__(self, app: Explorer, pilot: Pilot[Any]) -> None:
        self.app, self.pilot = app, pilot
        self.tree = app.query_one(FileTree)
        self.layers = app.query_one(LayerList)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    def paths(self) -> list[str]:
        """The lines of the tree, without attributes."""
        if self.tree._attributes:
            return [line[29:] for line in self.lines()]
        return self.lines()

    def lines(self) -> list[str]:
        return [
            "".join(segment.text for segment in self.tree.line(number)).rstrip()
            for number in range(self.tree.count)
        ]

    def colours(self) -> dict[str, str]:
        """The colour of each name that has one."""
        found = {}
        for number in range(self.tree.count):
            for segment in self.tree.line(number):
                if segment.style is not None and segment.style.color is not None:
                    found[segment.text] = str(segment.style.color.name)
        return found

    def text(self, widget: str) -> str:
        return str(self.app.query_one(f"#{widget}", Static).render())

    def drawn(self) -> list[str]:
        """What the tree shows, line by line, as it is drawn."""
        height = self.tree.scrollable_content_region.height
        return [self.tree.render_line(y).text.rstrip() for y in range(height)]


def play(
    root: str,
    name: str,
    script: Callable[[Screen], Awaitable[None]],
    size: tuple[int, int] = (120, 30),
) -> Explorer:
    """Runs a script on the screen of an image."""
    app = Explorer(Store(root).image(name), name)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await script(Screen(app, pilot))

    asyncio.run(run())
    return app


def test_the_first_screen(root: str) -> None:
    async def script(screen: Screen) -> None:
        assert screen.layers.has_focus and screen.layers.count == 3
        assert screen.paths() == ["  bin → usr/bin", "▸ etc", "▸ usr"]
        assert screen.lines()[2].split() == ["drwxr-xr-x", "0:0", "2.3kB", "▸", "usr"]
        assert screen.drawn()[:3] == screen.lines()
        assert set(screen.colours().values()) == {_GREEN}
        assert "1 of 3" in screen.text("layer-text") and "step 0" in screen.text("layer-text")
        text = screen.text("image-text")
        assert "app:1" in text and "Efficiency" in text and "/etc/passwd" in text

    play(root, "app:1", script)


def test_the_changes_of_a_layer_and_of_all(root: str) -> None:
    async def script(screen: Screen) -> None:
        await screen.press("down", "down")
        assert screen.layers.cursor == 2 and "0 modified, 3 deleted" in screen.text("layer-text")
        await screen.press("tab", "ctrl+@")
        assert screen.paths() == [
            "  bin → usr/bin", "▾ etc", "    passwd", "▾ srv", "    new", r"    odd\xff\x1b[2J",
            "▾ usr", "  ▾ bin", "      tool", "  ▾ lib", "    ▾ old", "        a", "        b",
        ]  # fmt: skip
        of_layer = {
            "srv": _YELLOW, "new": _GREEN, "usr": _YELLOW, "lib": _YELLOW, "old": _RED, "a": _RED,
            "b": _RED,
        }  # fmt: skip
        assert screen.colours() == of_layer
        await screen.press("tab", "ctrl+a")
        aggregated = {"etc": _YELLOW, "passwd": _YELLOW, "srv": _GREEN, r"odd\xff\x1b[2J": _GREEN}
        assert screen.colours() == of_layer | aggregated
        assert screen.tree.border_title == "Aggregated changes"
        await screen.press("ctrl+l")
        assert screen.colours() == of_layer
        await screen.press("up", "up")
        assert set(screen.colours().values()) == {_GREEN}
        assert len(screen.paths()) == 10

    play(root, "app:1", script)


def test_what_is_hidden(root: str) -> None:
    async def script(screen: Screen) -> None:
        await screen.press("end", "tab", "ctrl+@", "ctrl+u")
        assert [path.split()[-1] for path in screen.paths()] == [
            "srv", "new", "usr", "lib", "old", "a", "b",
        ]  # fmt: skip
        assert screen.tree.border_subtitle == "without unmodified"
        await screen.press("ctrl+r")
        assert [path.split()[-1] for path in screen.paths()] == ["srv", "new", "usr", "lib"]
        await screen.press("ctrl+a")
        assert [path.split()[-1] for path in screen.paths()] == ["srv", "usr", "lib"]
        await screen.press("enter")  # what Ctrl+M is to a terminal
        assert screen.paths() == [] and screen.tree.path == -1
        await screen.press("space", "left", "right", "down", "pagedown")
        await screen.press("ctrl+u", "ctrl+r", "ctrl+a", "enter")
        assert len(screen.paths()) == 13 and screen.tree.border_subtitle == ""
        await screen.press("ctrl+b")
        assert screen.lines()[0] == "  bin → usr/bin"

    play(root, "app:1", script)


def test_opening_and_closing(root: str) -> None:
    async def script(screen: Screen) -> None:
        await screen.press("tab", "down", "down", "space")
        assert screen.paths()[2:] == ["▾ usr", "  ▸ bin", "  ▸ lib"]
        await screen.press("down", "right", "down")
        assert screen.paths()[3:5] == ["  ▾ bin", "      tool"] and screen.tree.cursor == 4
        await screen.press("left")
        assert screen.tree.cursor == 3
        await screen.press("left", "left", "left")
        assert screen.paths()[2:] == ["▸ usr"] and screen.tree.cursor == 2
        await screen.press("ctrl+@")
        assert len(screen.paths()) == 10
        await screen.press("end", "ctrl+@")
        assert screen.paths()[screen.tree.cursor] == "▸ usr"
        await screen.press("space", "tab", "down", "tab")
        assert screen.paths()[-1] == "  ▸ lib" and screen.tree.cursor == 3  # behind srv now

    play(root, "app:1", script)


def test_the_filter(root: str) -> None:
    async def script(screen: Screen) -> None:
        await screen.press("end", "tab", "ctrl+f", "p", "a", "s")
        assert screen.paths() == ["▾ etc", "    passwd"]
        await screen.press("enter")
        assert screen.tree.has_focus
        await screen.press("ctrl+f")
        screen.app.query_one(Input).value = "("
        await screen.press("left")
        assert screen.paths() == ["▾ etc", "    passwd"]
        screen.app.query_one(Input).value = r"^/srv/.*\xff"
        await screen.press("left")
        assert screen.paths() == ["▾ srv", r"    odd\xff\x1b[2J"]
        await screen.press("escape")
        assert len(screen.paths()) == 13 and screen.tree.has_focus

    play(root, "app:1", script)


def test_many_files(root: str) -> None:
    async def script(screen: Screen) -> None:
        await screen.press("tab", "ctrl+@")
        assert screen.tree.count == 20_200
        height = screen.tree.scrollable_content_region.height
        await screen.press("pagedown")
        assert screen.tree.cursor == height - 1
        await screen.press("pagedown", "down")
        assert screen.tree.cursor == 2 * height - 1
        assert screen.drawn()[-1].endswith(f"f{2 * height - 2:03d}")
        await screen.press("end")
        assert screen.drawn()[-1].endswith("    f099") and screen.tree.cursor == 20_199
        await screen.press("pageup", "home")
        assert screen.drawn()[0].endswith("▾ d000")
        await screen.pilot.click(FileTree, offset=(5, 4))
        assert screen.tree.cursor == 3

    play(root, "many:1", script)


@pytest.mark.parametrize("size", [(120, 30), (20, 8), (1, 1)])
def test_an_image_without_layers_and_small_screens(root: str, size: tuple[int, int]) -> None:
    async def script(screen: Screen) -> None:
        await screen.press("down", "ctrl+a", "tab", "down", "space", "ctrl+@", "left", "pageup")
        await screen.press("ctrl+f", "x", "escape")

    for name in ("empty:1", "app:1"):
        play(root, name, script, size)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_it_ends(root: str, key: str) -> None:
    async def script(screen: Screen) -> None:
        await screen.press("tab", key)
        assert screen.app._exit

    assert play(root, "app:1", script).return_code == 0


def test_on_a_terminal(root: str) -> None:
    command = [sys.executable, "-m", "fastlayers", "--root", root, "explore", "app:1"]
    environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    with Terminal(command, environment, rows=30, columns=120) as terminal:
        before = terminal.settings()
        terminal.expect("Aggregated changes")
        terminal.type("\t\0")
        terminal.expect("tool")
        assert b"odd\xff" not in terminal.output
        terminal.type("q")
        assert terminal.wait() == 0
        assert terminal.settings() == before


def test_without_a_terminal_or_textual(
    root: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--root", root, "explore", "app:1"]) == 1
    assert capfd.readouterr().err.startswith("explore needs a terminal: ")
    monkeypatch.setattr(explore.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(explore.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setitem(sys.modules, "textual", None)
    assert main(["--root", root, "explore", "app:1"]) == 1
    assert capfd.readouterr().err == (
        "explore needs textual, which is not installed: pip install 'fastlayers[explore]'\n"
    )
    assert main(["--root", root, "explore", "none"]) == 1
    assert "No such image: none" in capfd.readouterr().err
