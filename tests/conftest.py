"""What every suite shares: hypothesis profiles, who may run what, and scratch stores."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.effort import DEFAULT_EXAMPLES, FACTOR

# A shell that starts the suite in the background has it ignore these, and so would every command
# that the tests start and interrupt.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

_CHECKS = list(HealthCheck)
_EXAMPLES = DEFAULT_EXAMPLES * FACTOR
settings.register_profile(
    "default",
    max_examples=_EXAMPLES,
    deadline=None,
    suppress_health_check=_CHECKS,
    print_blob=True,
    derandomize="CI" in os.environ,  # there, no example is new: a red build is a change's fault
)
settings.load_profile("default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves out, with the reason, what this user or machine cannot run."""
    for item in items:
        if item.get_closest_marker("privileged") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root: it mounts"))
        for marker in item.iter_markers("needs"):
            missing = [program for program in marker.args if not shutil.which(program)]
            if missing:
                reason = f"not installed: {', '.join(missing)}"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _own_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No test reads or changes the store, the credentials or the settings of its user."""
    for name in ("FASTLAYERS_BACKEND", "FASTLAYERS_FORBID", "SOURCE_DATE_EPOCH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FASTLAYERS_ROOT", str(tmp_path / "default-store"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker-config"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    yield
