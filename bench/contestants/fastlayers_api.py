"""fastlayers as a library: one call in a process that has made such a call before."""

from __future__ import annotations

import sys

from ..measure import Cost, run
from .fastlayers import Fastlayers

_RUN = """
image = store.image(sys.argv[3])
image.run(["true"])
start = time.perf_counter()
code = image.run(sys.argv[4:]).exit_code
seconds = time.perf_counter() - start
sys.exit(code) if code else print(seconds)
"""
_COMMIT = """
container = store.container(sys.argv[3])
other = store.image(container.image_name).create()
other.run(["sh", "-c", "echo other > /other"])
image = other.commit()
other.remove()
image.remove()
start = time.perf_counter()
container.commit(sys.argv[4])
print(time.perf_counter() - start)
"""
_OPEN = """
import sys, time
from fastlayers import Store
store = Store(sys.argv[1], backend=sys.argv[2])
"""


class FastlayersApi(Fastlayers):
    """Everything but the two calls goes through the command."""

    is_engine = False
    rows = ("run --rm true", "commit of one file")

    def __init__(self) -> None:
        super().__init__("erofs")
        self.name = "fastlayers API"

    def run(self, reference: str, command: list[str], name: str = "") -> Cost:
        if name:
            return super().run(reference, command, name)
        return self._call(_RUN, reference, *command)

    def commit(self, container: str, reference: str) -> Cost:
        return self._call(_COMMIT, container, reference)

    def read(self, reference: str, path: str) -> bytes:
        return super().run(reference, ["cat", f"/{path}"]).output

    def _call(self, script: str, *words: str) -> Cost:
        """Runs a script that prints how long the call took."""
        store = str(self.place / "store")
        cost = run([sys.executable, "-c", _OPEN + script, store, self.backend, *words])
        return Cost(float(cost.output), cost.cpu_seconds, cost.peak_bytes, b"")
