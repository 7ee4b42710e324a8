"""Every flag of docker's run, create and exec is taken, or refused by name and with a reason."""

from __future__ import annotations

import pytest

from fastlayers.cli import main
from fastlayers.cli.absent import REASONS
from tests.docker.flags import COMMANDS, DOCKER, table

_ROWS = table()
_REFUSED = [(verb, flag, reason) for verb, flag, reason in _ROWS if reason != "yes"]


def test_there_is_no_third_way() -> None:
    assert [row for row in _ROWS if not row[2]] == []
    assert len(DOCKER["run"]) > 100
    taken = {flag.name for command in COMMANDS.values() for flag in command.flags}
    assert taken & set(REASONS) == set()
    assert set(REASONS) <= {name for verb in COMMANDS for name in DOCKER[verb]}


@pytest.mark.parametrize(("verb", "flag", "reason"), _REFUSED)
def test_a_flag_is_refused_by_name(
    verb: str, flag: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([verb], ["container", verb]):
        assert main([*words, flag, "x", "image"]) == 125
        assert capsys.readouterr().err.startswith(f"{flag} is not supported: {reason}\n")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["run", "--attach", "x", "image"], 'invalid argument "x" for "-a, --attach" flag: '),
        (["run", "--gpu", "image"], "unknown flag: --gpu\n"),
        (["run", "-X", "image"], "unknown shorthand flag: 'X' in -X\n"),
        (["exec", "--publish", "80", "box"], "unknown flag: --publish\n"),
        (["exec", "-p", "80", "box"], "unknown shorthand flag: 'p' in -p\n"),
        (["ps", "--gpus", "all"], "unknown flag: --gpus\n"),
    ],
)
def test_what_docker_does_not_know_either_is_unknown(
    words: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 125
    assert capsys.readouterr().err.startswith(error)
