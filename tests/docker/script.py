"""The script: command lines as people type them, in order; later ones build on earlier ones.

Each is given to sh in one folder, where `docker` is whoever is being asked. They are the lines of
script.txt, where # begins the title of a part. Containers and images have names there, so that
answers can be compared; what differs in any case (IDs, moments) answer.py takes out.
"""

from __future__ import annotations

from pathlib import Path

FILES = {
    "hello.txt": "hello from the host\n",
    "list.env": "# a comment\nCOLOUR=blue\nFROM_HOST\n",
    "tree/a.txt": "a\n",
    "tree/b/c.txt": "c\n",
}
_SCRIPT = Path(__file__).with_name("script.txt")


def commands() -> list[str]:
    """The command lines. ValueError if one is there twice: it is what its answer is found by."""
    lines = [line for line in _SCRIPT.read_text().splitlines() if line and line[0] != "#"]
    twice = {line for line in lines if lines.count(line) > 1}
    if twice:
        raise ValueError(f"{_SCRIPT.name}: twice: {sorted(twice)}")
    return lines
