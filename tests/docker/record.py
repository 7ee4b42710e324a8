"""answers.json: what docker answered to the script, and fastlayers where that is something else.

{"docker": versions,
 "answers": {command line: {"code": 0, "out": "", "err": "",
                            "fastlayers": what is not the same in its answer}}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.docker.answer import Answer

PATH = Path(__file__).with_name("answers.json")


@dataclass(frozen=True)
class Record:
    """`docker` are its versions; `expected` is what fastlayers is to answer."""

    docker: str
    answers: Mapping[str, Answer]
    expected: Mapping[str, Answer]

    @property
    def different(self) -> set[str]:
        """The command lines that are to be answered otherwise than docker answers them."""
        return {line for line in self.answers if self.answers[line] != self.expected[line]}


def read() -> Record:
    """The record in the repository."""
    document = json.loads(PATH.read_text())
    answers, expected = {}, {}
    for line, about in document["answers"].items():
        ours = about.pop("fastlayers", {})
        answers[line] = Answer(**about)
        expected[line] = Answer(**{**about, **ours})
    return Record(document["docker"], answers, expected)


def write(record: Record) -> None:
    """Replaces it."""
    answers = {}
    for line, answer in record.answers.items():
        about, ours = asdict(answer), asdict(record.expected[line])
        other = {key: value for key, value in ours.items() if value != about[key]}
        answers[line] = {**about, "fastlayers": other} if other else about
    document = {"docker": record.docker, "answers": answers}
    PATH.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
