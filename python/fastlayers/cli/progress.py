"""Layers on their way into the store: bars on a terminal, plain lines anywhere else."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from fastlayers.transports.source import Event

_WORDS = {
    "exists": "Already exists",
    "start": "Pulling fs layer",
    "transfer": "Downloading",
    "done": "Pull complete",
}


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


def reporter(
    stream: TextIO, heading: str = "", *, quiet: bool = False, lines: bool = True
) -> Reporter:
    """The reporter for a stream. `heading` is printed before the first event.

    `lines` false: nothing at all unless the stream is a terminal.
    """
    if quiet:
        return _Silent()
    if stream.isatty():
        return _Bars(stream, heading)
    return _Lines(stream, heading) if lines else _Silent()


def _short(layer: str) -> str:
    return layer.removeprefix("sha256:")[:12]


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


class _Lines(_Silent):
    """One line when a layer starts and one when it is done."""

    def __init__(self, stream: TextIO, heading: str) -> None:
        self._stream = stream
        self._heading = heading

    def begin(self) -> None:
        if self._heading:
            print(self._heading, file=self._stream, flush=True)
            self._heading = ""

    def __call__(self, event: Event) -> None:
        self.begin()
        if event.kind != "transfer":
            print(f"{_short(event.layer)}: {_WORDS[event.kind]}", file=self._stream, flush=True)


class _Bars(_Silent):
    """A bar for each layer."""

    def __init__(self, stream: TextIO, heading: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

        self._console = Console(file=stream, highlight=False, markup=False)
        self._heading = heading
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

    def __call__(self, event: Event) -> None:
        self.begin()
        self._progress.start()
        task = self._tasks.get(event.layer)
        total = event.total if event.total >= 0 else None
        if task is None:
            task = self._progress.add_task("", total=total, layer=_short(event.layer))
            self._tasks[event.layer] = task
        self._progress.update(
            task, description=_WORDS[event.kind], completed=event.current, total=total
        )
