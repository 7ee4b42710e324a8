"""What is measured. A scenario asks a contestant with an empty store for something, checks the
answer if told to, and returns the costs: a list of them for each row of the table."""

from __future__ import annotations

from collections.abc import Callable

from ..contestants import Contestant
from ..layout import BenchImage
from . import archive, pull

Scenario = Callable[[Contestant, BenchImage, str, bool], pull.Costs]

SCENARIOS: dict[str, Scenario] = {
    "node-app": pull.run,
    "ml-app": pull.run_pull_only,
    "archive": archive.run,
}
