"""Plays command lines as a person would type them, shows what they answer, and checks it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from fastlayers.cli.pseudo_terminal import PseudoTerminal, TerminalTimeoutError, plain
from fastlayers.errors import FastlayersError

Answer = TypeVar("Answer")

_PROMPT_SECONDS = 60.0
_END_SECONDS = 60.0


class WrongAnswerError(FastlayersError):
    """A command did not do what it should have done."""

    def __init__(self, command: str, expected: str, seen: str) -> None:
        super().__init__(f"{command}: expected {expected}")
        self.command = command
        self.expected = expected
        self.seen = seen


class Player:
    """Runs `fastlayers` commands, given as they are typed, with some words put before the verb."""

    def __init__(self, words: Sequence[str]) -> None:
        # -P: the folder we are in is not to be taken for a place of modules.
        self._words = [sys.executable, "-P", "-m", "fastlayers", *words]
        self.commands = 0
        self.checks = 0

    def say(self, text: str) -> None:
        print(f"\n# {text}", flush=True)

    def run(self, line: str, *, code: int = 0) -> str:
        """Runs one command line to its end; returns what it wrote."""
        command = f"fastlayers {line}"
        self._announce(command)
        process = subprocess.Popen(
            [*self._words, *shlex.split(line)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return self._watch(command, process, code)

    def pipe(self, producer: str, line: str) -> str:
        """Runs `producer | fastlayers line`."""
        command = f"{producer} | fastlayers {line}"
        self._announce(command)
        with subprocess.Popen(shlex.split(producer), stdout=subprocess.PIPE) as source:
            process = subprocess.Popen(
                [*self._words, *shlex.split(line)],
                stdin=source.stdout,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            assert source.stdout is not None
            source.stdout.close()
            output = self._watch(command, process, 0)
        self._check_code(producer, source.returncode, 0, output)
        return output

    @contextmanager
    def terminal(self, line: str) -> Iterator[Typist]:
        """Runs one command line on a terminal, for someone to type into."""
        command = f"fastlayers {line}"
        self._announce(command)
        screen = _Screen()
        terminal = PseudoTerminal(
            [*self._words, *shlex.split(line)], screen.show, size=_terminal_size()
        )
        try:
            yield Typist(self, command, terminal, screen)
        finally:
            screen.flush()
            terminal.close()

    def check(self, command: str, expected: str, right: bool, seen: str) -> None:
        """Raises WrongAnswerError unless `right`."""
        self.checks += 1
        if not right:
            raise WrongAnswerError(command, expected, seen)

    def check_line(self, command: str, line: str, output: str) -> None:
        """One of the lines of the output must be this one."""
        self.check(command, f"a line that is {line!r}", line in output.splitlines(), output)

    def _announce(self, command: str) -> None:
        self.commands += 1
        print(f"$ {command}", flush=True)

    def _watch(self, command: str, process: subprocess.Popen[bytes], code: int) -> str:
        """Shows what a process writes while it runs."""
        lines = []
        with process:
            assert process.stdout is not None
            for raw in process.stdout:
                text = raw.decode("utf-8", "replace")
                lines.append(text)
                print(text, end="", flush=True)
        output = "".join(lines)
        self._check_code(command, process.returncode, code, output)
        return output

    def _check_code(self, command: str, seen: int, expected: int, output: str) -> None:
        said = f"exit code {seen}"
        text = f"{said}, having written:\n{output}" if output else said
        self.check(command, f"exit code {expected}", seen == expected, text)


class Typist:
    """Someone at the terminal of a container."""

    def __init__(
        self, player: Player, command: str, terminal: PseudoTerminal, screen: _Screen
    ) -> None:
        self._player = player
        self._command = command
        self._terminal = terminal
        self._screen = screen

    def ready(self) -> None:
        """Waits for the first prompt."""
        self._wait(self._command, lambda: self._terminal.prompt(_PROMPT_SECONDS))

    def enter(self, line: str, *, seconds: float = _PROMPT_SECONDS) -> str:
        """Types a command and waits until it is done; returns what it wrote."""
        self._player.commands += 1

        def enter() -> str:
            self._terminal.type(line)
            return self._terminal.prompt(seconds)

        return self._wait(line, enter)

    def leave(self, line: str) -> int:
        """Types the last command; returns the exit code of the container."""
        self._player.commands += 1
        self._terminal.type(line)
        return self.end()

    def end(self) -> int:
        """Waits until the container has ended; returns its exit code."""
        code = self._wait(self._command, lambda: self._terminal.end(_END_SECONDS))
        self._screen.flush()
        return code

    def _wait(self, command: str, act: Callable[[], Answer]) -> Answer:
        try:
            return act()
        except TerminalTimeoutError as error:
            self._screen.flush()
            self._player.check(command, str(error), False, error.seen)
            raise


class _Screen:
    """Passes on what appears on the terminal: as it is to a terminal, else as plain lines."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._rest = ""

    def show(self, text: str) -> None:
        if self._is_terminal:
            print(text, end="", flush=True)
            return
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            print(_as_seen(line), flush=True)

    def flush(self) -> None:
        """Ends a line that was begun."""
        if self._rest:
            print(_as_seen(self._rest), flush=True)
        elif self._is_terminal:
            print(flush=True)
        self._rest = ""


def _as_seen(line: str) -> str:
    """A line as it stands at last: progress overwrites itself from the line's start."""
    return plain(line).rstrip("\r").rpartition("\r")[2]


def _terminal_size() -> tuple[int, int]:
    try:
        size = os.get_terminal_size(1)
        return size.lines, size.columns
    except OSError:
        return 24, 200  # so that long lines stay whole in a log
