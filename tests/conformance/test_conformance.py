"""Every case of the corpus on every backend, mounted and compared field by field."""

from __future__ import annotations

import pytest

from tests.conformance import engine_outcome
from tests.conformance.case import Case, all_cases
from tests.conformance.table import Row
from tests.engine import STACKINGS

# Where a backend cannot give the first expectation: the accepted alternative it gives, and why.
ALTERNATIVES = {
    ("overlay", "wh-char-0-0"): "in a lower directory of overlayfs such a device means 'deleted'",
}

pytestmark = pytest.mark.privileged


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.id)
@pytest.mark.parametrize("backend", STACKINGS)
def test_case(case: Case, backend: str, conformance_rows: list[Row]) -> None:
    run = engine_outcome.run(case, backend)
    verdict = case.judge(run.outcome)
    conformance_rows.append(Row(backend, case.id, verdict.result, verdict.reasons))
    assert not run.faults, "\n".join(run.faults)
    assert verdict.result != "wrong", "\n".join(verdict.reasons)
    if verdict.result == "allowed":
        reason = ALTERNATIVES.get((backend, case.id))
        assert reason, "only an alternative, and none is known here:\n" + "\n".join(verdict.reasons)
