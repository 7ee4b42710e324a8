"""A store in memory for the properties that mount nothing; it fills up, but never for long."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests import engine


@pytest.fixture(scope="module")
def memory_store() -> Iterator[str]:
    """The root of a store on tmpfs: a sync costs nothing there."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with engine.scratch_store(base) as root:
        yield root


@pytest.fixture(scope="module")
def disk_store() -> Iterator[str]:
    """The root of a store on the file system of the temporary folder, for mounting."""
    with engine.scratch_store() as root:
        yield root
