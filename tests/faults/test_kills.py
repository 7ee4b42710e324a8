"""Killed at any system call: what was reported stays, the rest is invisible, the next command
works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.effort import FACTOR
from tests.fake_registry import FakeRegistry
from tests.faults.instants import REFUSALS, instants, run_killed, run_refused, spread
from tests.faults.operations import Operation, Scene, check, names

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox", "strace")]

_KILLS = 10 * FACTOR
_REFUSALS = 4 * FACTOR
_NAMES = ("pull", "load", "import", "commit", "tag", "rmi", "prune", "create", "run", "rm")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with FakeRegistry().running() as registry:
        yield Scene(tmp_path_factory.mktemp("faults"), registry)


@pytest.fixture(params=_NAMES)
def operation(request: pytest.FixtureRequest, scene: Scene) -> Operation:
    return next(one for one in scene.operations() if one.name == request.param)


def test_every_operation_is_tried(scene: Scene) -> None:
    assert tuple(operation.name for operation in scene.operations()) == _NAMES


def test_killed(scene: Scene, operation: Operation, tmp_path: Path) -> None:
    with scene.attempt() as command:
        found = instants(command, operation.words, tmp_path / "log")
        assert operation.done(command)
    assert len(found) > 5
    killed = 0
    for instant in spread(found, _KILLS):
        with scene.attempt() as command:
            before = names(command)
            killed += run_killed(command, operation.words, instant).code != 0
            try:
                check(command, operation, before)
            except AssertionError as error:
                raise AssertionError(f"{operation.name}, killed at {instant}: {error}") from error
    assert killed > 0
    print(f"{operation.name}: killed at {killed} of {len(found)} system calls")


@pytest.mark.parametrize("refusal", REFUSALS)
def test_refused(scene: Scene, operation: Operation, refusal: str, tmp_path: Path) -> None:
    with scene.attempt() as command:
        found = instants(command, operation.words, tmp_path / "log")
    found = [instant for instant in found if instant.call in REFUSALS[refusal]]
    assert found
    tried = spread(found, _REFUSALS)
    print(f"{operation.name}: {len(tried)} of {len(found)} system calls refused with {refusal}")
    for instant in tried:
        with scene.attempt() as command:
            before = names(command)
            done = run_refused(command, operation.words, instant, refusal)
            what = (
                f"{operation.name}, {instant} refused with {refusal}: exit {done.code}: {done.err}"
            )
            assert "Traceback" not in done.err, what
            if done.code == 0:
                assert operation.done(command), what
            else:
                # Counts are of each thread: the first write of one may be the message.
                assert done.err.strip() or (instant.call, instant.number) == ("write", 1), what
            try:
                check(command, operation, before)
            except AssertionError as error:
                raise AssertionError(f"{what}: {error}") from error
