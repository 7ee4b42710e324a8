"""fastlayers answers to everyday command lines as docker did when it was asked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker import player, record, script
from tests.docker.answer import Answer
from tests.docker.differences import REASONS

RECORD = record.read()
LINES = script.commands()


def test_the_record_is_of_this_script() -> None:
    assert list(RECORD.answers) == LINES, "ask docker: python -m tests.docker --record"
    assert RECORD.different == set(REASONS)
    assert len(LINES) >= 60 and len(RECORD.different) < len(LINES) / 5


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("fastlayers: no\n", "docker: no\n"),
        ("docker: Error response from daemon: No such image: x\n", "docker: No such image: x\n"),
        ("Error response from daemon: No\n", "Error: No\n"),
        ("a" * 64 + " 0123456789ab sha256:" + "0" * 64, "<id> <id> <id>"),
        ("0123456789abc 'fedcba98765'", "0123456789abc 'fedcba98765'"),
        ("2026-11-28T21:00:00.123Z x 2026-11-28 21:00:00 +0000 UTC", "<moment> x <moment>"),
        ("Up 3 seconds, 2 minutes ago, About a minute ago", "Up <span>, <span> ago, <span> ago"),
        ("Exited (3) 5 seconds ago", "Exited (3) <span> ago"),
        ("a    b  c", "a   b  c"),
        ("/somewhere/work/x", "<work>/x"),
    ],
)  # fmt: skip
def test_only_what_has_to_differ_is_taken_out(text: str, normal: str) -> None:
    assert Answer(1, text, text).normal({"/somewhere/work": "<work>"}) == Answer(1, normal, normal)


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, Answer]]:
    with tempfile.TemporaryDirectory(prefix="fastlayers-docker-") as place:
        yield player.fastlayers(Path(place)).play(LINES)


@pytest.mark.privileged
@pytest.mark.needs("busybox", "script", "ps")
@pytest.mark.parametrize("line", LINES)
def test_it_answers_as_docker(line: str, answers: dict[str, Answer]) -> None:
    assert answers[line] == RECORD.expected[line], REASONS.get(line, "as docker answered it")
