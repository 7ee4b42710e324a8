"""The flags of run, create and exec that docker's client has, and what becomes of them."""

from __future__ import annotations

import json
from pathlib import Path

from fastlayers.cli import create, exec_, run
from fastlayers.cli.absent import REASONS

DOCKER: dict[str, list[str]] = json.loads(Path(__file__).with_name("flags.json").read_text())
COMMANDS = {"run": run.COMMAND, "create": create.COMMAND, "exec": exec_.COMMAND}


def table() -> list[tuple[str, str, str]]:
    """Verb, flag, and "yes", or the reason for no ("" is wrong)."""
    rows = []
    for verb, command in COMMANDS.items():
        taken = {flag.name for flag in command.flags}
        for name in DOCKER[verb]:
            rows.append((verb, f"--{name}", "yes" if name in taken else REASONS.get(name, "")))
    return rows
