"""Which ids a user has, and whether a store's are among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastlayers import rootless
from fastlayers.errors import InvalidError, UnsupportedError

RANGE = "uid 0 1000 1\nuid 1 100000 65536\ngid 0 1000 1\ngid 1 100000 65536\n"
SINGLE = "uid 0 1000 1\ngid 0 1000 1\n"


def test_lines_of_subuid_that_are_for_others_or_damaged_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "subuid"
    file.write_text(
        "maria:100000:65536\nother:1:1\n1000:300000:10\nmaria:x:5\nmaria:5\nmaria:7:0\n\n#\n"
        "maria:-1:5\n maria:400000:1\n"
    )
    found = rootless._given_to({"maria", "1000"}, str(file))
    assert found == [(100000, 65536), (300000, 10), (400000, 1)]
    assert rootless._numbered(found) == [
        (1, 100000, 65536), (65537, 300000, 10), (65547, 400000, 1)
    ]  # fmt: skip
    assert rootless._given_to({"maria"}, str(tmp_path / "absent")) == []


@pytest.mark.parametrize(
    ("now", "before", "fine"),
    [
        (RANGE, RANGE, True),
        (SINGLE, SINGLE, True),
        (RANGE, RANGE.replace("65536", "10"), True),
        (RANGE.replace("65536", "10"), RANGE, False),
        (RANGE, RANGE.replace("100000", "100001"), False),
        (RANGE, RANGE.replace("1 100000 65536", "2 100001 65535"), True),
        (RANGE, SINGLE, False),
        (SINGLE, RANGE, False),
        (SINGLE, SINGLE.replace("1000", "1001"), False),
    ],
)
def test_ids_may_grow_but_not_move(now: str, before: str, fine: bool) -> None:
    assert rootless._has_all(now, before) is fine


def test_a_store_settles_its_ids_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for name in ("chains", "containers"):
        (tmp_path / name).mkdir()
    ids: list[str | None] = [RANGE]
    monkeypatch.setattr(rootless, "_own_ids", lambda: ids[0])
    rootless.check_ids(str(tmp_path))
    assert (tmp_path / "ids").read_text() == RANGE
    rootless.check_ids(str(tmp_path))
    for other in (SINGLE, None):
        ids[0] = other
        with pytest.raises(InvalidError, match="100000-165535"):
            rootless.check_ids(str(tmp_path))
    (tmp_path / "ids").unlink()
    (tmp_path / "chains" / "one").mkdir()
    rootless.check_ids(str(tmp_path))  # the host's, as all stores without a note
    ids[0] = RANGE
    with pytest.raises(InvalidError, match="root's"):
        rootless.check_ids(str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UnsupportedError, match=r"rootless\.enter"):
        rootless.check_ids(str(tmp_path))
