"""`python -m tests.conformance [BACKEND ...] [--case ID]`: the corpus's table per backend."""

from __future__ import annotations

import argparse
import sys
import traceback

from tests.conformance import engine_outcome, oracle_outcome, table
from tests.conformance.case import Case, all_cases
from tests.engine import STACKINGS


def _row(backend: str, case: Case) -> table.Row:
    try:
        if backend == "oracle":
            run = engine_outcome.Run(oracle_outcome.run(case))
        else:
            run = engine_outcome.run(case, backend)
    except Exception:
        last = traceback.format_exc().strip().splitlines()
        return table.Row(backend, case.id, "crash", tuple(last[-4:]))
    verdict = case.judge(run.outcome)
    result = "wrong" if run.faults else verdict.result
    return table.Row(backend, case.id, result, (*run.faults, *verdict.reasons))


def main() -> int:
    """Runs and prints; 1 if any case is neither the expectation nor an alternative."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance")
    parser.add_argument("backends", nargs="*", default=["oracle", *STACKINGS], metavar="BACKEND")
    parser.add_argument("--case", action="append", help="only this case")
    options = parser.parse_args()
    cases = [case for case in all_cases() if not options.case or case.id in options.case]
    rows = [_row(backend, case) for backend in options.backends for case in cases]
    if text := table.details(rows):
        print(text + "\n")
    print(table.summary(rows))
    return int(any(row.result in ("wrong", "crash") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
