"""The tutorial sees wrong answers. (That it plays is shown where containers can be run.)"""

import pytest

from fastlayers.cli import tutorial
from fastlayers.cli.player import Player, WrongAnswerError
from fastlayers.cli.table import align

ROWS = (
    ("IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"),
    ("c497efcf28ae", "Less than a second ago", "/bin/bash", "33B", "Add app"),
    ("<missing>", "About a minute ago", '/bin/sh -c #(nop)  CMD ["/bin/bash"]', "126MB", ""),
    ("<missing>", "N/A", "", "1.2GB", "Imported from -"),
)
GOOD = align("\n".join("\t".join(row) for row in ROWS)) + "\n"


class Canned(Player):
    """A player whose commands always answer the same."""

    def __init__(self, answer: str) -> None:
        super().__init__([])
        self._answer = answer

    def run(self, line: str, *, code: int = 0) -> str:
        return self._answer


def test_a_history_is_read_row_by_row() -> None:
    rows = tutorial._history(Canned(GOOD), "sample-app", "Add app")
    assert [row["size"] for row in rows] == ["33B", "126MB", "1.2GB"]
    assert [row["comment"] for row in rows] == ["Add app", "", "Imported from -"]
    assert rows[1]["by"] == '/bin/sh -c #(nop)  CMD ["/bin/bash"]'


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("CREATED BY", "COMMAND   ", "the columns"),
        ("Add app", "Add", "'Add app' in the first row"),
        ("c497efcf28ae", "<missing>   ", "the image's ID in the first row"),
        ("<missing>   ", "0123456789ab", "<missing> in the rows below"),
        ("126MB", "a lot", "image, age, command and size"),
    ],
)
def test_wrong_histories_are_seen(right: str, wrong: str, expected: str) -> None:
    with pytest.raises(WrongAnswerError) as error:
        tutorial._history(Canned(GOOD.replace(right, wrong, 1)), "sample-app", "Add app")
    assert error.value.expected.startswith(expected)
    assert error.value.command == "fastlayers image history sample-app"


def test_a_commit_must_print_an_id_and_a_removal_the_name() -> None:
    tutorial._commit(Canned("sha256:" + "a" * 64 + "\n"), "box image")
    tutorial._remove(Canned("box\n"), "box")
    for answer in ("", "sha256:abc\n", "warning\nsha256:" + "a" * 64 + "\n"):
        with pytest.raises(WrongAnswerError):
            tutorial._commit(Canned(answer), "box image")
    with pytest.raises(WrongAnswerError):
        tutorial._remove(Canned("Error: No such container: box\n"), "box")


def test_what_went_wrong_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    tutorial._explain(WrongAnswerError("fastlayers ps", "no container", "abc\ndef\n"))
    assert capsys.readouterr().err == (
        "\nThe tutorial went wrong at\n    fastlayers ps\n"
        "Expected\n    no container\nSeen\n    abc\n    def\n"
    )
