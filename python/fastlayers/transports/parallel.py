"""A few jobs at once, all of them given up together when one fails or the user interrupts."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from fastlayers import _core

Result = TypeVar("Result")

# An interrupted job is given this long to notice; it can only be stuck in a connection attempt,
# before it has touched the store.
_PATIENCE_SECONDS = 20.0


def run_all(
    jobs: Sequence[Callable[[], Result]],
    *,
    workers: int,
    cancelled: threading.Event,
    abort: Callable[[], object],
) -> list[Result]:
    """Runs all jobs, at most `workers` at once, and returns their results in the jobs' order.

    On the first failure, or when this thread is interrupted, `cancelled` is set, `abort` called and
    the jobs under way are awaited; then that failure is raised. A job that sees `cancelled` raises
    something: it is not looked at.
    """
    if len(jobs) <= 1:
        # This thread can be interrupted even where it waits for standard input.
        return [job() for job in jobs]
    results: list[Result | None] = [None] * len(jobs)
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    finished: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    for position in range(len(jobs)):
        waiting.put(position)

    def work() -> None:
        while not cancelled.is_set():
            try:
                position = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                results[position] = jobs[position]()
                finished.put(None)
            except BaseException as error:
                finished.put(error)
                return

    threads = [
        threading.Thread(target=work, name=f"fastlayers-layer-{number}", daemon=True)
        for number in range(min(workers, len(jobs)))
    ]
    started: list[threading.Thread] = []
    try:
        for thread in threads:
            thread.start()
            started.append(thread)
        for _ in jobs:
            with _core.ProfileTimer("wait_workers"):
                failure = finished.get()
            if failure is not None:
                raise failure
    except BaseException:
        cancelled.set()
        abort()
        for thread in started:
            thread.join(_PATIENCE_SECONDS)
        raise
    for thread in started:
        thread.join()
    return results  # type: ignore[return-value]  # every job has put its own
