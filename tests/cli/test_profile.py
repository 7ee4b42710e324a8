"""--profile: what happened is in it, and nothing else about the command changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from fastlayers import _core
from fastlayers.cli import main
from fastlayers.errors import InvalidError
from tests import busybox_root
from tests.command_line import CommandLine, Done
from tests.fake_registry import FakeRegistry
from tests.image_parts import Blob, image_of, layer_tar


class Part(NamedTuple):
    """One line of a profile."""

    busy_ns: int
    calls: int
    bytes: int


class Taken(NamedTuple):
    """A profile as printed in JSON."""

    wall_ns: int
    parts: dict[str, Part]


def profile_of(done: Done) -> Taken:
    """The profile, which is the last line on stderr."""
    document = json.loads(done.err.splitlines()[-1])
    assert sorted(document) == ["parts", "wall_ns"]
    parts = {
        row["name"]: Part(row["busy_ns"], row["calls"], row["bytes"]) for row in document["parts"]
    }
    assert len(parts) == len(document["parts"])
    return Taken(document["wall_ns"], parts)


@pytest.fixture
def shell(tmp_path: Path) -> CommandLine:
    """An empty store, and the small image as a file beside it."""
    (tmp_path / "box.tar").write_bytes(busybox_root.tar())
    return CommandLine(tmp_path / "store")


@pytest.fixture
def box(shell: CommandLine) -> str:
    """The archive's path."""
    return str(shell.root.parent / "box.tar")


def test_an_import_says_what_it_did(shell: CommandLine, box: str) -> None:
    taken = profile_of(shell.must("--profile=json", "import", box, "box"))
    size = Path(box).stat().st_size
    for name in ("read", "hash_tar", "record", "write"):
        assert taken.parts[name].bytes >= size, name
    for name in ("interpreter", "hash_files", "document", "table", "sync", "merge", "other"):
        assert taken.parts[name].calls > 0 and taken.parts[name].busy_ns > 0, name
    assert "inflate" not in taken.parts and "network" not in taken.parts
    assert taken.parts["interpreter"].busy_ns < taken.wall_ns


def test_a_pull_says_network_and_inflate(shell: CommandLine) -> None:
    blobs = [Blob.gzip(layer_tar("a", 200_000)), Blob.gzip(layer_tar("b", 100_000))]
    with FakeRegistry().running() as server:
        server.publish(image_of(blobs), "1")
        done = shell.must("pull", "--profile=json", "-q", f"{server.host}/app:1")
    taken = profile_of(done)
    compressed = sum(len(blob.data) for blob in blobs)
    assert taken.parts["network"].bytes >= compressed
    assert taken.parts["hash_blob"].bytes == compressed
    assert taken.parts["inflate"].bytes == sum(len(blob.tar) for blob in blobs)
    assert taken.parts["wait_workers"].calls == 2


def test_nothing_is_printed_without_the_flag(shell: CommandLine, box: str) -> None:
    assert shell.must("import", box, "box").err == ""
    assert shell.must("images", "-q").err == ""


def test_what_a_command_prints_stays_the_same(shell: CommandLine, box: str) -> None:
    shell.must("import", box, "box")
    # The list without its times, which go on.
    listed = ("images", "--format", "{{.ID}} {{.Repository}} {{.Size}}")
    for words in (listed, ("image", "inspect", "box"), ("history", "-q", "box")):
        plain = shell.must(*words)
        assert shell.must("--profile", *words).out == plain.out
        assert shell.must(*words, "--profile=json").out == plain.out


def test_a_failure_keeps_its_code_and_its_message(shell: CommandLine) -> None:
    plain = shell.fails(1, "image", "inspect", "nothing")
    timed = shell.fails(1, "--profile=json", "image", "inspect", "nothing")
    assert timed.err.startswith(plain.err)
    assert profile_of(timed).wall_ns > 0
    assert timed.out == plain.out


def test_the_table_lines_up_and_explains_itself(shell: CommandLine, box: str) -> None:
    lines = shell.must("--profile", "import", box, "box").err.splitlines()
    assert lines[0].split() == ["PART", "BUSY", "CALLS", "BYTES", "RATE"]
    assert "several threads" in lines[-1] and lines[-2].startswith("wall ")
    assert any(line.startswith("hash_tar ") and line.endswith("/s") for line in lines)
    column = lines[0].index("BUSY") + len("BUSY")
    assert {line[column - 2 : column] for line in lines[1:-1]} == {"ms"}


def test_its_forms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--profile=xml", "images"]) == 125
    text = 'invalid argument "xml" for "--profile" flag: must be "text" or "json"'
    assert capsys.readouterr().err.startswith(text)
    # The word after a bare --profile is the verb.
    assert main(["--profile", "no-such-verb"]) == 1
    assert "unknown command: fastlayers no-such-verb" in capsys.readouterr().err


def test_the_first_flag_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--profile=json", "images", "--profile"]) == 0
    assert json.loads(capsys.readouterr().err)["wall_ns"] > 0
    assert main(["images"]) == 0
    assert capsys.readouterr().err == ""


def test_the_core_refuses_what_is_no_part() -> None:
    with pytest.raises(InvalidError, match='no part "nothing"'):
        _core.ProfileTimer("nothing")
    with pytest.raises(InvalidError, match="no profile was started"):
        _core.stop_profile()


@pytest.mark.privileged
def test_a_run_says_mount_start_and_container(shell: CommandLine, box: str) -> None:
    shell.must("import", box, "box")
    script = "echo out; sleep 0.2; exit 3"
    done = shell.fails(3, "run", "--profile=json", "box", "sh", "-c", script)
    assert done.out == "out\n"
    taken = profile_of(done)
    assert taken.parts["mount"].busy_ns > 0 and taken.parts["start"].busy_ns > 0
    assert taken.parts["container"].busy_ns > 190_000_000
    # The command's own flags end at the image: what follows is the container's.
    done = shell.must("run", "--rm", "box", "echo", "--profile=json")
    assert (done.out, done.err) == ("--profile=json\n", "")


@pytest.mark.privileged
def test_a_command_that_cannot_start_keeps_its_code(shell: CommandLine, box: str) -> None:
    shell.must("import", box, "box")
    taken = profile_of(shell.fails(127, "--profile=json", "run", "--rm", "box", "nothing"))
    assert taken.parts["mount"].busy_ns > 0 and "container" not in taken.parts


@pytest.mark.privileged
def test_the_supervisor_of_a_background_container_counts(shell: CommandLine, box: str) -> None:
    shell.must("import", box, "box")
    done = shell.must("run", "-d", "--profile=json", "box", "sleep", "100")
    shell.must("rm", "-f", done.out.strip())
    taken = profile_of(done)
    assert taken.parts["mount"].calls == 1 and taken.parts["wait_workers"].calls == 1
    assert taken.parts["wait_workers"].busy_ns > taken.parts["mount"].busy_ns > 0


@pytest.mark.privileged
def test_a_commit_says_walk(shell: CommandLine, box: str) -> None:
    shell.must("import", box, "box")
    shell.must("run", "--name", "work", "box", "sh", "-c", "echo text > /new")
    taken = profile_of(shell.must("commit", "--profile=json", "work", "made"))
    for name in ("walk", "hash_tar", "write", "sync"):
        assert taken.parts[name].busy_ns > 0, name
