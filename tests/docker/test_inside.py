"""The verbs that look inside images say what programs in docker's containers said."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker import inside, player

QUESTIONS = inside.questions()
_, DOCKER = inside.recorded()


def test_the_record_is_of_these_questions() -> None:
    assert list(DOCKER) == [line for line, _ in QUESTIONS], (
        "python -m tests.docker --inside --record"
    )
    assert sum(code == 0 and out != "" for code, out in DOCKER.values()) >= 30


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, inside.Told]]:
    with tempfile.TemporaryDirectory(prefix="fastlayers-docker-") as place:
        played = player.fastlayers(Path(place))
        yield inside.play(played, [line for pair in QUESTIONS for line in pair])


@pytest.mark.privileged
@pytest.mark.needs("busybox")
@pytest.mark.parametrize(("theirs", "ours"), QUESTIONS)
def test_it_says_what_a_container_says(
    theirs: str, ours: str, answers: dict[str, inside.Told]
) -> None:
    assert answers[ours] == DOCKER[theirs], "the verb"
    assert answers[theirs] == DOCKER[theirs], "the same program, run by fastlayers"
