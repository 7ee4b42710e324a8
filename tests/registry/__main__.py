"""`python -m tests.registry`: what comes of each fault between us and a registry."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.registry.faults import FAULTS, Bench
from tests.registry.server import serving


def main() -> int:
    """Runs the matrix and prints it; 1 if an outcome is not what it has to be."""
    bad = 0
    with tempfile.TemporaryDirectory() as name, serving(Path(name) / "registry") as registry:
        bench = Bench(registry, Path(name))
        for fault in FAULTS:
            print(fault.name)
            for operation in fault.outcomes:
                result = bench.run(operation, fault)
                outcome = result.outcome.replace(registry.address, "REGISTRY")
                print(f"  {operation:<8}{outcome} ({result.requests} requests)", flush=True)
                for line in result.wrong:
                    print(f"          WRONG: {line}")
                bad += bool(result.wrong)
    print(f"{sum(len(fault.outcomes) for fault in FAULTS)} cases, {bad} wrong")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
