"""python -m tests.docker [--recorded] [--user NAME] [--record]: plays the script with both.

Prints every difference, with its reason if it has one, and the count; ends with 1 if one has none.
The dockerd on PATH is started for it, or its recorded answers are taken with --recorded. --user is
whom fastlayers runs as. --record keeps both's answers for the tests, which needs a reason for each
difference; with --recorded it keeps docker's and replaces those of fastlayers. --inside asks
what is in an image instead, programs in containers and the verbs of fastlayers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path
from typing import TypeVar

from tests.docker import daemon, flags, inside, player, record, script
from tests.docker.answer import Answer
from tests.docker.differences import REASONS

_Answers = TypeVar("_Answers")


def main() -> int:
    """Plays, compares, prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.docker")
    parser.add_argument("--recorded", action="store_true", help="do not start docker")
    parser.add_argument("--user", metavar="NAME", help="whom fastlayers runs as")
    parser.add_argument("--record", action="store_true", help="keep the answers for the tests")
    parser.add_argument("--flags", action="store_true", help="only the table of docker's flags")
    parser.add_argument("--inside", action="store_true", help="ask what is in an image instead")
    options = parser.parse_args()
    if options.flags:
        print("\n".join(f"{verb:8}{flag:26}{answer}" for verb, flag, answer in flags.table()))
        return 0
    if options.inside:
        return _inside(options)
    lines = script.commands()
    if options.recorded:
        known = record.read()
        docker, theirs = known.docker, known.answers
        missing = [line for line in lines if line not in theirs]
        if missing:
            raise SystemExit("docker has not been asked yet:\n  " + "\n  ".join(missing))
    else:
        docker, theirs = _ask_docker(lambda player: player.play(lines))
    with tempfile.TemporaryDirectory(prefix="fastlayers-docker-") as place:
        Path(place).chmod(0o755)
        ours = player.fastlayers(Path(place), options.user).play(lines)
    different = [line for line in lines if theirs[line] != ours[line]]
    # A reason is one for the answer that was kept, not for any other.
    kept = {} if options.record else record.read().expected
    without_reason = [
        line
        for line in different
        if line not in REASONS or kept.get(line, ours[line]) != ours[line]
    ]
    equal_again = [line for line in REASONS if line not in different]
    for line in different:
        reason = "NO REASON" if line in without_reason else REASONS[line]
        _show(line, reason, theirs[line], ours[line])
    for line in equal_again:
        print(f"$ {line}\n  is listed among the differences, and is none\n")
    print(f"{docker}: {len(lines)} command lines, {len(lines) - len(different)} answered alike, "
          f"{len(different) - len(without_reason)} otherwise for a reason, "
          f"{len(without_reason)} otherwise without one")  # fmt: skip
    if without_reason or equal_again:
        return 1
    if options.record:
        record.write(record.Record(docker, {line: theirs[line] for line in lines}, ours))
    return 0


def _ask_docker(play: Callable[[player.Player], _Answers]) -> tuple[str, _Answers]:
    with (
        tempfile.TemporaryDirectory(prefix="fastlayers-docker-") as place,
        daemon.docker(Path(place)) as host,
    ):
        print("asking docker", file=sys.stderr)
        return daemon.versions(host), play(player.docker(Path(place), host))


def _inside(options: argparse.Namespace) -> int:
    questions = inside.questions()
    if options.recorded:
        docker, theirs = inside.recorded()
    else:
        lines = [line for line, _ in questions]
        docker, theirs = _ask_docker(lambda player: inside.play(player, lines))
    with tempfile.TemporaryDirectory(prefix="fastlayers-docker-") as place:
        Path(place).chmod(0o755)
        played = player.fastlayers(Path(place), options.user)
        ours = inside.play(played, [line for _, line in questions])
    different = [pair for pair in questions if theirs[pair[0]] != ours[pair[1]]]
    for one, other in different:
        print(f"$ {one}\n  {theirs[one]}\n$ {other}\n  {ours[other]}\n")
    print(f"{docker}: {len(questions)} questions, {len(questions) - len(different)} answered alike")
    if different:
        return 1
    if options.record:
        inside.record(docker, theirs)
    return 0


def _show(line: str, reason: str, theirs: Answer, ours: Answer) -> None:
    print(f"$ {line}\n  {reason}")
    if theirs.code != ours.code:
        print(f"  exit code: {theirs.code} docker, {ours.code} fastlayers")
    for name in ("out", "err"):
        one, other = (getattr(answer, name).splitlines() for answer in (theirs, ours))
        for change in list(unified_diff(one, other, lineterm="", n=0))[2:]:
            if not change.startswith("@@"):
                who = "docker" if change[0] == "-" else "fastlayers"
                print(f"  {name} {who + ':':<12}{change[1:]}")
    print()


if __name__ == "__main__":
    sys.exit(main())
