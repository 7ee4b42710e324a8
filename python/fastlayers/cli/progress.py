"""Layers on their way: bars on a terminal, plain lines anywhere else, JSON for programs."""

from __future__ import annotations

import json
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TextIO

from fastlayers.cli.flags import Flag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.progress import Progress, TaskID

    from fastlayers.transports.source import Event

PULL_WORDS = {
    "exists": "Already exists",
    "start": "Pulling fs layer",
    "transfer": "Downloading",
    "done": "Pull complete",
}
PUSH_WORDS = {
    "exists": "Layer already exists",
    "mounted": "Mounted from {source}",
    "start": "Preparing",
    "transfer": "Pushing",
    "done": "Pushed",
}
COPY_WORDS = {**PUSH_WORDS, "transfer": "Copying", "done": "Copied"}
LOAD_WORDS = {
    "exists": "Already exists",
    "start": "Loading layer",
    "transfer": "Loading layer",
    "done": "Loaded",
}
SAVE_WORDS = {"start": "Saving layer", "transfer": "Saving layer", "done": "Saved"}
CONVERT_WORDS = {
    "exists": "Already converted",
    "start": "Preparing",
    "transfer": "Compressing",
    "done": "Converted",
}
_KINDS = ("auto", "plain", "json", "none")


def _check(text: str) -> str:
    return "" if text in _KINDS else f"must be one of {', '.join(_KINDS)}"


FLAG = Flag(
    "progress",
    "",
    "string",
    'How progress is shown ("auto", "plain", "json", "none")',
    default="auto",
    check=_check,
)


class Reporter(Protocol):
    """Called with each event, from any thread but never from two at once."""

    def __call__(self, event: Event) -> None: ...
    def __enter__(self) -> Reporter: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def begin(self) -> None:
        """Prints the heading, if nothing has happened yet that did."""
        ...

    def say(self, text: str) -> None:
        """Prints a line about the whole."""
        ...


def reporter(
    stream: TextIO,
    heading: str = "",
    *,
    words: Mapping[str, str] = PULL_WORDS,
    kind: str = "auto",
    lines: bool = True,
) -> Reporter:
    """The reporter for a stream. `heading` is printed before the first event, `words` say what each
    kind of event is called; `kind` is the flag's value.

    `lines` false: with "auto", nothing at all unless the stream is a terminal.
    """
    if kind == "none":
        return _Silent()
    if kind == "json":
        return _Json(stream, heading, words)
    if kind == "auto" and stream.isatty():
        return _Bars(stream, heading, words)
    return _Lines(stream, heading, words) if lines or kind == "plain" else _Silent()


def _short(layer: str) -> str:
    return layer.removeprefix("sha256:")[:12]


def _status(words: Mapping[str, str], event: Event) -> str:
    return words[event.kind].format(source=event.source)


class _Silent:
    def __call__(self, event: Event) -> None:
        pass

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def begin(self) -> None:
        pass

    def say(self, text: str) -> None:
        pass


class _Lines(_Silent):
    """One line when a layer starts and one when it is done."""

    def __init__(self, stream: TextIO, heading: str, words: Mapping[str, str]) -> None:
        self._stream = stream
        self._heading = heading
        self._words = words

    def begin(self) -> None:
        if self._heading:
            self.say(self._heading)
            self._heading = ""

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def __call__(self, event: Event) -> None:
        self.begin()
        if event.kind != "transfer":
            self.say(f"{_short(event.layer)}: {_status(self._words, event)}")


class _Json(_Lines):
    """A JSON object a line, with the fields of Docker's API: status, id, progressDetail."""

    def say(self, text: str) -> None:
        self._print({"status": text})

    def __call__(self, event: Event) -> None:
        self.begin()
        total = {"total": event.total} if event.total >= 0 else {}
        self._print(
            {
                "id": _short(event.layer),
                "progressDetail": {"current": event.current, **total},
                "status": _status(self._words, event),
            }
        )

    def _print(self, document: object) -> None:
        print(json.dumps(document, ensure_ascii=False), file=self._stream, flush=True)


class _Bars(_Silent):
    """A bar for each layer."""

    def __init__(self, stream: TextIO, heading: str, words: Mapping[str, str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

        self._console = Console(file=stream, highlight=False, markup=False)
        self._stream = stream
        self._heading = heading
        self._words = words
        self._progress: Progress = Progress(
            TextColumn("{task.fields[layer]}: {task.description:<16}", markup=False),
            BarColumn(bar_width=40),
            DownloadColumn(),
            console=self._console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def begin(self) -> None:
        if self._heading:
            self._console.print(self._heading)
            self._heading = ""

    def say(self, text: str) -> None:
        self._progress.stop()
        print(text, file=self._stream, flush=True)

    def __call__(self, event: Event) -> None:
        self.begin()
        self._progress.start()
        task = self._tasks.get(event.layer)
        total = event.total if event.total >= 0 else None
        if task is None:
            task = self._progress.add_task("", total=total, layer=_short(event.layer))
            self._tasks[event.layer] = task
        self._progress.update(
            task, description=_status(self._words, event), completed=event.current, total=total
        )
