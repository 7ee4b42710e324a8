"""How hard the property tests try: FASTLAYERS_TEST_EFFORT multiplies their number of examples."""

from __future__ import annotations

import os

from hypothesis import settings

FACTOR = int(os.environ.get("FASTLAYERS_TEST_EFFORT", "1"))
DEFAULT_EXAMPLES = 60


def examples(count: int) -> settings:
    """Settings for a test that is slower than most."""
    return settings(max_examples=count * FACTOR)
