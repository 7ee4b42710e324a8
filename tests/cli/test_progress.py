"""Progress: docker's lines where nobody looks, bars on a terminal, nothing if quiet."""

import io
import os
import pty
import select

from fastlayers.cli.progress import reporter
from fastlayers.transports.source import Event

OLD = "sha256:" + "a" * 64
NEW = "sha256:" + "b" * 64
EVENTS = (
    Event("exists", OLD, 10, 10),
    Event("start", NEW, 0, 1000),
    Event("transfer", NEW, 500, 1000),
    Event("done", NEW, 1000, 1000),
)


def test_lines() -> None:
    stream = io.StringIO()
    with reporter(stream, "latest: Pulling from library/ubuntu") as progress:
        for event in EVENTS:
            progress(event)
        progress.begin()
    assert stream.getvalue().splitlines() == [
        "latest: Pulling from library/ubuntu",
        "aaaaaaaaaaaa: Already exists",
        "bbbbbbbbbbbb: Pulling fs layer",
        "bbbbbbbbbbbb: Pull complete",
    ]


def test_nothing() -> None:
    stream = io.StringIO()
    for options in ({"kind": "none"}, {"lines": False}):
        with reporter(stream, "heading", **options) as progress:
            progress(EVENTS[0])
            progress.begin()
    assert stream.getvalue() == ""


def test_bars_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as stream:
        with reporter(stream, "latest: Pulling from library/ubuntu") as progress:
            for event in EVENTS:
                progress(event)
        stream.flush()
        raw = b""
        while select.select([ours], [], [], 0.5)[0]:  # a terminal hands it over in pieces
            raw += os.read(ours, 1 << 16)
    text = raw.decode()
    os.close(ours)
    assert text.startswith("latest: Pulling from library/ubuntu\r\n")
    for words in ("aaaaaaaaaaaa: Already exists", "bbbbbbbbbbbb: Pull complete", "━"):
        assert words in text
    assert text.endswith("\x1b[?25h"), "the cursor is visible again"
