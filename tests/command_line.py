"""Commands as a person types them: the installed program, in a store of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.engine import FORBID, engine_name

PROGRAM = (sys.executable, "-m", "fastlayers")


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it printed, line by line."""
        return self.out.splitlines()


@dataclass
class CommandLine:
    """`fastlayers` with a store and a backend."""

    root: Path
    backend: str = "erofs"
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What the command sees of the test's world."""
        environment = {
            **os.environ,
            "FASTLAYERS_ROOT": str(self.root),
            "FASTLAYERS_BACKEND": engine_name(self.backend),
            **self.extra,
        }
        if self.backend == "erofs-loop":
            environment[FORBID] = "erofs-file"
        return environment

    def argv(self, *words: str) -> list[str]:
        """The whole command."""
        return [*PROGRAM, *words]

    def call(self, *words: str, stdin: bytes | None = None, seconds: float = 120) -> Done:
        """Runs a command to its end, whatever that is."""
        done = subprocess.run(
            self.argv(*words),
            env=self.environment,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        return Done(
            done.returncode,
            done.stdout.decode(errors="surrogateescape"),
            done.stderr.decode(errors="surrogateescape"),
        )

    def must(self, *words: str, stdin: bytes | None = None, seconds: float = 120) -> Done:
        """Runs a command that has to succeed."""
        done = self.call(*words, stdin=stdin, seconds=seconds)
        assert done.code == 0, f"{' '.join(words)}: exit {done.code}\n{done.err}\n{done.out}"
        return done

    def fails(self, code: int, *words: str, stdin: bytes | None = None) -> Done:
        """Runs a command that has to fail with this code and exactly one clear message."""
        done = self.call(*words, stdin=stdin)
        assert done.code == code, f"{' '.join(words)}: exit {done.code}\n{done.err}\n{done.out}"
        assert done.err.strip(), "it says nothing"
        assert "Traceback" not in done.err
        return done

    def start(self, *words: str, **options: object) -> subprocess.Popen[bytes]:
        """Starts a command and does not wait for it."""
        return subprocess.Popen(self.argv(*words), env=self.environment, **options)  # type: ignore[call-overload, no-any-return]


def store_mounts(root: Path) -> list[str]:
    """Mounts of this namespace that have to do with a store."""
    with open("/proc/self/mountinfo") as table:
        return [line for line in table if str(root) in line]


def processes_below(root: Path) -> list[list[str]]:
    """Command lines of living processes that name a store, or have their root in it."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        mine = f"FASTLAYERS_ROOT={root}".encode() in environment.split(b"\0")
        if int(folder.name) != os.getpid() and (mine or any(str(root) in word for word in words)):
            found.append(words)
    return found
