"""`run -ti`: a real terminal inside, of the right size, that is left as it was found."""

from __future__ import annotations

import pytest

from tests.command_line import CommandLine
from tests.privileged.terminal import Terminal

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


def _open(shell: CommandLine, *words: str, rows: int = 31, columns: int = 97) -> Terminal:
    argv = shell.argv("run", "--rm", "-ti", "box", *words)
    return Terminal(argv, shell.environment, rows, columns)


def test_it_is_a_terminal_of_the_right_size(shell: CommandLine) -> None:
    with _open(shell, "sh", "-c", "tty; stty size; echo TERM=$TERM") as terminal:
        terminal.expect(r"/dev/(pts/0|console)\n")
        terminal.expect(r"31 97\n")
        terminal.expect(r"TERM=\w+")
        assert terminal.wait() == 0


def test_resizing_reaches_the_program(shell: CommandLine) -> None:
    script = "trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.1; done"
    with _open(shell, "sh", "-c", script) as terminal:
        terminal.expect("ready")
        terminal.resize(40, 120)
        terminal.expect("40 120")
        assert terminal.wait() == 5


def test_keys_reach_the_program_and_not_the_engine(shell: CommandLine) -> None:
    script = "trap 'echo got-int; exit 8' INT; echo ready; while :; do sleep 0.1; done"
    with _open(shell, "sh", "-c", script) as terminal:
        terminal.expect("ready")
        terminal.type("\x03")
        terminal.expect("got-int")
        assert terminal.wait() == 8


def test_lines_and_the_end_of_input_reach_the_program(shell: CommandLine) -> None:
    script = 'echo ready; while read line; do echo "<$line>"; done; exit 9'
    with _open(shell, "sh", "-c", script) as terminal:
        terminal.expect("ready")
        terminal.type("hello\n")
        terminal.expect("<hello>")
        terminal.type("\x04")
        assert terminal.wait() == 9


def test_a_shell_behaves(shell: CommandLine) -> None:
    with _open(shell, "sh") as terminal:
        terminal.expect(r"# ")
        terminal.type("echo $((6 * 7))\n")
        terminal.expect(r"\n42\n")
        terminal.type("exit 4\n")
        assert terminal.wait() == 4


@pytest.mark.parametrize("end", ["exit 0", "kill -9 -1", "exit 3"])
def test_the_terminal_is_left_as_it_was_found(shell: CommandLine, end: str) -> None:
    argv = shell.argv("run", "--rm", "-ti", "box", "sh")
    with Terminal(argv, shell.environment) as terminal:
        before = terminal.settings()
        terminal.expect("# ")
        terminal.type(f"{end}\n")
        terminal.wait(20) if end != "kill -9 -1" else terminal.type("exit\n")
        terminal.wait(20)
        assert terminal.settings() == before


def test_the_terminal_is_left_as_it_was_found_when_the_start_fails(shell: CommandLine) -> None:
    argv = shell.argv("run", "--rm", "-ti", "box", "no-such-program")
    with Terminal(argv, shell.environment) as terminal:
        before = terminal.settings()
        assert terminal.wait() == 127
        assert terminal.settings() == before


def test_t_without_a_terminal_is_refused(shell: CommandLine) -> None:
    done = shell.call("run", "--rm", "-ti", "box", "true", stdin=b"")
    assert done.code in (1, 125)
    assert "TTY" in done.err
