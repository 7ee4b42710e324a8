"""What is in an image, asked of docker by running programs in it and of fastlayers by its verbs.

inside.txt has two lines for each question: how docker is asked, and how fastlayers is. Exit codes
and what is printed have to be the same, without any exception. What docker answered is kept in
inside.json: {"docker": versions, "answers": {line: [exit code, what it printed]}}.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests import busybox_root, tar_write
from tests.image_parts import Member as ArchiveMember
from tests.image_parts import archive_of, config_of, docker_json
from tests.tar_members import Member

if TYPE_CHECKING:
    from tests.docker.player import Player

Told = tuple[int, str]
RECORD = Path(__file__).with_name("inside.json")
_QUESTIONS = Path(__file__).with_name("inside.txt")
_TIME = 1_600_000_000 * 10**9
_TEXT = b"no\nneedle two\nneedle three\n"


def questions() -> list[tuple[str, str]]:
    """The line for docker and the one for fastlayers. ValueError if one has no other."""
    lines = [line for line in _QUESTIONS.read_text().splitlines() if line and line[0] != "#"]
    return list(zip(lines[::2], lines[1::2], strict=True))


def play(player: Player, lines: list[str]) -> dict[str, Told]:
    """Exit code and output of each line, where the images are."""
    player.answer("docker load -i data.tar")
    answers = player.play(lines)
    return {line: (answer.code, answer.out) for line, answer in answers.items()}


def recorded() -> tuple[str, dict[str, Told]]:
    """docker's versions and its answers, as they were kept."""
    document = json.loads(RECORD.read_text())
    return document["docker"], {line: (c, out) for line, (c, out) in document["answers"].items()}


def record(docker: str, answers: dict[str, Told]) -> None:
    """Replaces them."""
    document = {"docker": docker, "answers": answers}
    RECORD.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def archive() -> bytes:
    """data:1 and data:2, which is a layer more, as `docker save` wrote them before version 25: what
    every version loads."""
    layers = [busybox_root.tar(), *map(tar_write.plain, (_first(), _second()))]
    members: dict[str, ArchiveMember] = {}
    rows = []
    for number in (1, 2):
        of_image = layers[: number + 1]
        config = config_of(of_image, config={"Cmd": ["sh"]})
        names = []
        for name, content in [("json", config), *(("layer.tar", layer) for layer in of_image)]:
            names.append(f"{hashlib.sha256(content).hexdigest()}.{name}")
            members[names[-1]] = ArchiveMember(names[-1], content)
        rows.append({"Config": names[0], "RepoTags": [f"data:{number}"], "Layers": names[1:]})
    return archive_of(docker_json(*rows), *members.values())


def _file(path: str, content: bytes, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Member:
    return Member(b"data/" + path.encode(), "file", mode, uid, gid, _TIME, content)


def _folder(path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Member:
    return Member(f"data{path}".encode(), "dir", mode, uid, gid, _TIME)


def _first() -> list[Member]:
    folders = ("/sub/deep", "/sub/deep/er", "/gone", "/opaque", "/replaced", "/odd")
    return [
        _folder(""),
        _folder("/sub", 0o2775, 1000, 50),
        *map(_folder, folders),
        _file("a.txt", b"needle one\nsecond\n"),
        _file("big.bin", bytes(range(256)) * 20, 0o600, 1000, 50),
        Member(b"data/hard", "hardlink", 0o600, 1000, 50, _TIME, link=b"data/big.bin"),
        _file("suid", b"#!/bin/sh\n", 0o4755),
        _file("empty", b""),
        _file("with blanks.txt", b"needle in blanks", 0o444),
        _file("same", _TEXT),
        _file("sub/b.txt", _TEXT, 0o640, 1000, 50),
        _file("sub/deep/er/c.txt", b"c" * 4097, 0o666, 7, 8),
        _file("gone.txt", b"secret"),
        _file("gone/x", b"x"),
        _file("opaque/old", b"old"),
        _file("replaced/inside", b"inside"),
        Member(b"data/odd/\xff", "file", 0o644, mtime_ns=_TIME, content=b"odd"),
        Member(b"data/link", "symlink", 0o777, mtime_ns=_TIME, link=b"sub/b.txt"),
        Member(b"data/dangling", "symlink", 0o777, mtime_ns=_TIME, link=b"/no/where"),
        Member(b"data/etc", "symlink", 0o777, mtime_ns=_TIME, link=b"../etc"),
        Member(b"special/null", "char", 0o666, mtime_ns=_TIME, device=(1, 3)),
        Member(b"special/pipe", "fifo", 0o600, mtime_ns=_TIME),
    ]


def _second() -> list[Member]:
    return [
        _file(".wh.gone.txt", b""),
        _file(".wh.gone", b""),
        _file("opaque/.wh..wh..opq", b""),
        _file("opaque/new", b"new"),
        _file("replaced", b"a file now\n"),
        _file("a.txt", b"needle one\nchanged\n", 0o755),
        _file("sub/deep/added.txt", b"needle four\n"),
    ]
