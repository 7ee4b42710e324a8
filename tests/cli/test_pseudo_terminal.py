"""The tutorial's typist, at a shell of the host."""

import pytest

from fastlayers.cli.player import Player, WrongAnswerError
from fastlayers.cli.pseudo_terminal import PseudoTerminal, TerminalTimeoutError, plain

SHELL = ["env", "-i", "PS1=typist:/# ", "PATH=/usr/bin:/bin", "sh", "-i"]


def test_commands_are_typed_and_their_output_is_read() -> None:
    seen: list[str] = []
    terminal = PseudoTerminal(SHELL, seen.append, size=(30, 100))
    try:
        terminal.prompt(20)
        terminal.type("stty size; tty | cut -c1-8")
        assert terminal.prompt(20).splitlines()[1:3] == ["30 100", "/dev/pts"]
        terminal.type("exit 7")
        assert terminal.end(20) == 7
    finally:
        terminal.close()
    assert "".join(seen).count("typist:/# ") == 2


def test_what_did_not_come_is_told_with_what_came() -> None:
    terminal = PseudoTerminal(["sh", "-c", "echo strange; exec sleep 60"], print, size=(24, 80))
    try:
        with pytest.raises(TerminalTimeoutError) as error:
            terminal.prompt(1)
        assert error.value.seen.splitlines() == ["strange"]
    finally:
        terminal.close()


def test_a_command_that_ends_early_is_not_waited_for() -> None:
    terminal = PseudoTerminal(["sh", "-c", "echo gone; exit 3"], print, size=(24, 80))
    try:
        with pytest.raises(TerminalTimeoutError):
            terminal.prompt(60)
        assert terminal.end(20) == 3
    finally:
        terminal.close()


def test_a_command_that_was_killed_counts_as_128_and_its_signal() -> None:
    terminal = PseudoTerminal(["sh", "-c", "kill -9 $$"], print, size=(24, 80))
    try:
        assert terminal.end(20) == 137
    finally:
        terminal.close()


def test_escapes_are_taken_away() -> None:
    text = "\x1b[?2004hroot@box:/# \x1b[1mapt\x1b[0m \x1b7\x1b[0;23r\x1b8\x1b]0;title\x07x\x1b(B"
    assert plain(text) == "root@box:/# apt x"
    progress = "Setting up\r\n\x1b7\x1b[24;0f\x1b[42mProgress: [ 40%]\x1b[49m [##..] \x1b8done"
    assert plain(progress) == "Setting up\r\ndone"


def test_the_player_runs_commands_and_checks_what_they_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    player = Player([])
    output = player.run("help tag")
    assert output.startswith("Usage:  fastlayers tag ")
    assert capsys.readouterr().out == f"$ fastlayers help tag\n{output}"
    with pytest.raises(WrongAnswerError) as error:
        player.run("nonsense")
    assert error.value.command == "fastlayers nonsense"
    assert error.value.expected == "exit code 0"
    assert "unknown command: fastlayers nonsense" in error.value.seen
    player.run("nonsense", code=1)
    with pytest.raises(WrongAnswerError):
        player.check_line("fastlayers x", "Hello", "say Hello")
    assert player.commands == 3
