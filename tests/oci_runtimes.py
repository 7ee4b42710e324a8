"""The OCI runtimes that a test is run with: each that the engine knows by name. One that is not
installed is left out by name, which the report tells."""

from __future__ import annotations

import pytest

from fastlayers.container_options import RUNTIMES

EACH = [pytest.param(name, marks=pytest.mark.needs(name)) for name in RUNTIMES]
