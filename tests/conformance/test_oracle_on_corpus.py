"""The oracle itself must meet the first expectation of every case, or it is no oracle."""

from __future__ import annotations

import pytest

from tests.conformance import oracle_outcome
from tests.conformance.case import Case, all_cases

CASES = all_cases()


def test_the_corpus_is_complete() -> None:
    assert len(CASES) == 182


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_oracle_meets_the_first_expectation(case: Case) -> None:
    verdict = case.judge(oracle_outcome.run(case))
    assert verdict.result == "first", "\n".join(verdict.reasons)
