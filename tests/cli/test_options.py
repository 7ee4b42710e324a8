"""What the flags of `run` and `create` make of a container (wordings as docker 28)."""

import os
from pathlib import Path

import pytest

from fastlayers.cli import flags, verb_module
from fastlayers.cli.command import Call, VerbError
from fastlayers.cli.options import CidFile, check_pull_policy, container_options
from fastlayers.container_options import ContainerOptions


def call(*argv: str) -> Call:
    command = verb_module("run").COMMAND
    values = flags.parse(command.flags, list(argv), interspersed=False)
    return Call("run", values, None, None)


def options(*argv: str) -> ContainerOptions:
    return container_options(call(*argv))


def test_nothing_given_means_the_image_decides() -> None:
    made = options("ubuntu")
    assert made.name is None and made.command is None and made.entrypoint is None
    assert made.user is None and made.workdir is None and made.hostname is None
    assert made.env == made.volumes == () and made.labels == {}
    assert made.network == "host"
    assert not (made.tty or made.interactive or made.read_only or made.auto_remove)


def test_every_flag_arrives() -> None:
    line = "--rm -ti --read-only --name box -u 1:2 -w /srv -h host.name --network none -e A=b=c -e"
    more = ["B=", "-l", "k=v=w", "-l", "flag", "-v", "/a:/b:ro", "-v", "/c", "--entrypoint", "/e"]
    made = options(*line.split(), *more, "ubuntu", "ls", "-l", "--name")
    assert made.name == "box" and made.user == "1:2" and made.workdir == "/srv"
    assert made.hostname == "host.name" and made.network == "none"
    assert made.command == ("ls", "-l", "--name") and made.entrypoint == ("/e",)
    assert made.env == ("A=b=c", "B=") and made.labels == {"k": "v=w", "flag": ""}
    assert made.volumes == ("/a:/b:ro", "/c")
    assert made.tty and made.interactive and made.read_only and made.auto_remove


def test_an_empty_entrypoint_clears_the_image_s() -> None:
    assert options("--entrypoint", "", "ubuntu", "sh").entrypoint == ()


def test_env_files_come_before_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_HOST", "here")
    monkeypatch.delenv("NOT_THERE", raising=False)
    file = tmp_path / "env"
    file.write_bytes(b"\xef\xbb\xbfA=b  \r\n  B='c'\n\n# no=thing\nFROM_HOST\nNOT_THERE\nC=")
    made = options("-e", "A=2", "--env-file", str(file), "ubuntu")
    assert made.env == ("A=b  ", "B='c'", "FROM_HOST=here", "C=", "A=2")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"a b=c\n", "variable 'a b' contains whitespaces"),
        (b"x = 1\n", "variable 'x ' contains whitespaces"),
        (b"=c\n", "no variable name on line '=c'"),
        (b"x=\xff\n", "invalid utf8 bytes at line 1: [120 61 255]"),
    ],
)
def test_env_files_that_make_no_sense(content: bytes, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_bytes(content)
    with pytest.raises(VerbError) as error:
        options("--env-file", str(file), "ubuntu")
    assert str(error.value) == f"--env-file: invalid env file ({file}): {complaint}"
    assert error.value.exit_code == 125


def test_an_env_file_that_is_not_there() -> None:
    with pytest.raises(VerbError) as error:
        options("--env-file", "/nope", "ubuntu")
    assert str(error.value) == "--env-file: open /nope: no such file or directory"


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (
            ("-e", "=x"),
            'invalid argument "=x" for "-e, --env" flag: invalid environment variable: =x',
        ),
        (("-l", ""), 'invalid argument "" for "-l, --label" flag: invalid label \'\': empty name'),
        (("--gpus", "1g"), "unknown flag: --gpus"),
        (("-X", "80:80"), "unknown shorthand flag: 'X' in -X"),
    ],
)
def test_flags_that_make_no_sense(argv: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(flags.FlagError) as error:
        call(*argv, "ubuntu")
    assert str(error.value) == complaint


def test_pull_policies() -> None:
    for policy in ("always", "missing", "never"):
        check_pull_policy(call("--pull", policy, "ubuntu"))
    complaint = 'invalid pull option: \'bogus\': must be one of "always", "missing" or "never"'
    with pytest.raises(VerbError) as error:
        check_pull_policy(call("--pull=bogus", "ubuntu"))
    assert str(error.value) == complaint


def test_the_cid_file_is_there_only_with_a_container(tmp_path: Path) -> None:
    path = tmp_path / "cid"
    with pytest.raises(RuntimeError), CidFile(str(path)):
        assert path.exists()
        raise RuntimeError
    assert not path.exists()
    with CidFile(str(path)) as file:
        file.write("abc")
    assert path.read_text() == "abc"
    with pytest.raises(VerbError, match="container ID file found"):
        CidFile(str(path))
    assert path.read_text() == "abc"
    with CidFile("") as file:
        file.write("abc")
    with pytest.raises(VerbError) as error:
        CidFile("/nope/cid")
    end = "open /nope/cid: no such file or directory"
    assert str(error.value) == f"failed to create the container ID file: {end}"
    assert os.listdir(tmp_path) == ["cid"]
