"""A Debian base made with mmdebstrap, kept between runs: the tutorial's base without a registry."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

RELEASE = "bookworm"


def cache_directory() -> Path:
    """Where the base is kept; FASTLAYERS_TEST_CACHE moves it."""
    configured = os.environ.get("FASTLAYERS_TEST_CACHE")
    base = Path(configured) if configured else Path("/var/tmp/fastlayers-test-cache")
    base.mkdir(parents=True, exist_ok=True)
    return base


def base_tar() -> Path:
    """The root filesystem as a tar, built if it is not there yet (a minute or two)."""
    target = cache_directory() / f"debian-{RELEASE}-minbase.tar"
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            partial = target.with_suffix(".partial.tar")
            command = ["mmdebstrap", "--variant=minbase", RELEASE, str(partial)]
            subprocess.run(command, check=True, timeout=900, capture_output=True)
            partial.rename(target)
    return target
