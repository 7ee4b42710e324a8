"""The front door: which verb a word means, help, and errors as docker gives them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fastlayers.cli import GROUPS, VERBS, main, verb_module


def call(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(list(argv))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_no_words_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys)
    assert (code, out) == (0, "")
    assert err.startswith("Usage:  fastlayers [OPTIONS] COMMAND\n")
    for argv in (("--help",), ("-h",), ("help",)):
        assert call(capsys, *argv) == (0, err, "")
    for word in VERBS:
        assert f"\n  {word:<12}" in err


def test_unknown_words_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    text = "fastlayers: unknown command: fastlayers"
    see = "Run 'fastlayers --help' for more information\n"
    assert call(capsys, "x") == (1, "", f"{text} x\n\n{see}")
    see = "Usage:  fastlayers image\n\nRun 'fastlayers image --help' for more information\n"
    assert call(capsys, "image", "x") == (1, "", f"{text} image x\n\n{see}")
    assert call(capsys, "help", "x") == (1, "", "unknown help topic: x\n")


@pytest.mark.parametrize(
    ("argv", "usage", "path"),
    [
        (("run", "--foo", "ubuntu"), "run [OPTIONS] IMAGE [COMMAND] [ARG...]", "run"),
        (("images", "--foo"), "images [OPTIONS] [REPOSITORY[:TAG]]", "images"),
        (
            ("container", "commit", "--foo"),
            "container commit [OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
            "container commit",
        ),
    ],
)
def test_unknown_flags(
    argv: tuple[str, ...], usage: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, *argv)
    assert (code, out) == (125, "")
    assert err == (
        f"unknown flag: --foo\n\nUsage:  fastlayers {usage}\n\n"
        f"Run 'fastlayers {path} --help' for more information\n"
    )


def test_unknown_global_flags(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "--foo", "images")
    assert code == 125
    assert err == (
        "unknown flag: --foo\n\nUsage:  fastlayers [OPTIONS] COMMAND [ARG...]\n\n"
        "Run 'fastlayers --help' for more information\n"
    )


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (("run",), "'fastlayers run' requires at least 1 argument"),
        (("ps", "x"), "'fastlayers ps' accepts no arguments"),
        (("tag", "a"), "'fastlayers tag' requires 2 arguments"),
        (("history",), "'fastlayers history' requires 1 argument"),
        (("images", "a", "b"), "'fastlayers images' requires at most 1 argument"),
        (("commit",), "'fastlayers commit' requires at least 1 and at most 2 arguments"),
        (("image", "rm"), "'fastlayers image rm' requires at least 1 argument"),
    ],
)
def test_numbers_of_arguments(
    argv: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, *argv)
    assert (code, out) == (1, "")
    assert err.startswith(f"fastlayers: {complaint}\n\nUsage:  fastlayers {argv[0]} ")


def test_help_of_a_verb_is_laid_out_as_docker_does(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "container", "commit", "--help")
    assert code == 0
    assert out.split("\n")[:11] == [
        "Usage:  fastlayers container commit [OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
        "",
        "Create a new image from a container's changes",
        "",
        "Aliases:",
        "  fastlayers container commit, fastlayers commit",
        "",
        "Options:",
        '  -a, --author string    Author (e.g., "Jane Doe <jane@example.org>")',
        "  -c, --change list      Apply Dockerfile instruction to the created image",
        "  -m, --message string   Commit message",
    ]


@pytest.mark.parametrize(
    "path", [*VERBS, *GROUPS, *(f"{g} {v}" for g in GROUPS for v in GROUPS[g])]
)
def test_everything_has_help(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, *path.split(), "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage:  fastlayers {path}")
    assert call(capsys, "help", *path.split()) == (0, out, "")
    assert all(len(line) <= 80 for line in out.splitlines() if line.startswith("  -"))


def test_every_alias_exists() -> None:
    for word, module in VERBS.items():
        for alias in verb_module(module).COMMAND.aliases:
            group, _, name = alias.rpartition(" ")
            assert (GROUPS[group] if group else VERBS)[name] == VERBS[word], alias


def run(*argv: str, **options: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "fastlayers", *argv]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload, no-any-return]


def test_a_reader_that_goes_away_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = run("--help", stdout=writer)
    os.close(writer)
    assert process.communicate()[1] == b""
    assert process.returncode == 141


@pytest.mark.skipif(os.geteuid() != 0, reason="the device that is full is for root")
def test_a_full_disk_is_one_line() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with open("/dev/full", "wb") as full:
        process = run("--help", stdout=full)
        assert process.communicate()[1] == b"Error: No space left on device\n"
    assert process.returncode == 1


def test_an_interrupt_is_130_and_no_traceback(tmp_path: Path) -> None:
    fifo = tmp_path / "archive"
    os.mkfifo(fifo)
    process = run("--root", str(tmp_path / "root"), "load", "-i", str(fifo))
    time.sleep(1)  # it waits for someone to write into the pipe
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == b""
    assert process.returncode == 130


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_lead_nowhere(closed: str, tmp_path: Path) -> None:
    program = f'"{sys.executable}" -m fastlayers --root "{tmp_path}/store"'
    for verb, code in (("version", 0), ("images", 0), ("inspect nothing", 1)):
        done = subprocess.run(["sh", "-c", f"{program} {verb} {closed}"], capture_output=True)
        assert (done.returncode, b"Traceback" in done.stderr) == (code, False), done.stderr
