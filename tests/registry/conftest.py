"""An empty store for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import CommandLine


@pytest.fixture
def fresh(tmp_path: Path) -> CommandLine:
    """An empty store on the default backend."""
    return CommandLine(tmp_path / "store")
