"""Each fault of the matrix under each operation; `python -m tests.registry` prints the outcomes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.registry.faults import CASES, Bench, Fault
from tests.registry.server import serving

pytestmark = [pytest.mark.privileged, pytest.mark.needs("docker-registry", "skopeo")]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("faults")
    with serving(folder / "registry") as registry:
        yield Bench(registry, folder)


@pytest.mark.parametrize(
    ("fault", "operation"), CASES, ids=[f"{op}-{fault.name}" for fault, op in CASES]
)
def test_the_matrix(bench: Bench, fault: Fault, operation: str) -> None:
    result = bench.run(operation, fault)
    assert result.wrong == [], result.outcome
