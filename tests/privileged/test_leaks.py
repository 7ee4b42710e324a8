"""Many boxes of one image: what is there afterwards is what was there before.

FASTLAYERS_TEST_BOXES says how many (200).
"""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastlayers import Image, Store, aio
from tests import busybox_root

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]

BOXES = int(os.environ.get("FASTLAYERS_TEST_BOXES", "200"))
AT_ONCE = 50


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Image]:
    store = Store(str(tmp_path / "store"))
    made = Image.import_(
        io.BytesIO(busybox_root.tar()), "box", store=store, changes=["ENV PATH=/bin"]
    )
    with made.create() as first:  # what only the first one makes is there
        first.run(["touch", "/a"])
        first.fork().remove()
    yield made
    for container in store.containers(all=True):
        container.remove(force=True)


def counted(store: Store) -> dict[str, object]:
    """All that a box could leave behind."""

    def lines(path: str) -> int:
        return Path(path).read_text().count("\n")

    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    files = sorted(str(path.relative_to(store.root)) for path in Path(store.root).rglob("*"))
    places = ("fastlayers", "*/fastlayers")
    groups = [path for place in places for path in Path("/sys/fs/cgroup").glob(f"{place}/*/")]
    return {
        "mounts": lines("/proc/self/mountinfo"),
        "mounts of init": lines("/proc/1/mountinfo"),
        "children": children,
        "groups": sorted(map(str, groups)),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "files": [path for path in files if not path.startswith("locks/")],
    }


def test_boxes_in_turn_leave_nothing(image: Image) -> None:
    before = counted(image.store)
    with image.create() as template:
        template.run(["sh", "-c", "echo 1 > /a"])
        for number in range(BOXES):
            with template.fork(sync=False) if number % 2 else image.create() as box:
                assert box.run(["sh", "-c", "echo 2 >> /a"]).exit_code == 0
    assert counted(image.store) == before


def test_boxes_at_once_leave_nothing(image: Image) -> None:
    before = counted(image.store)

    async def one(gate: asyncio.Semaphore, number: int) -> str:
        async with gate, aio.box(image) as box:
            await box.run(["sh", "-c", f"echo {number} > /a"])
            fork = await box.fork(sync=False)
            async with fork:
                return (await fork.run(["cat", "/a"])).text

    async def all_of_them() -> list[str]:
        gate = asyncio.Semaphore(AT_ONCE)
        return list(await asyncio.gather(*(one(gate, number) for number in range(BOXES))))

    assert asyncio.run(all_of_them()) == [f"{number}\n" for number in range(BOXES)]
    assert counted(image.store) == before


def test_what_is_cancelled_while_it_is_made_is_not_there(image: Image) -> None:
    before = counted(image.store)

    async def make() -> None:
        async with aio.box(image):
            raise AssertionError("it was not cancelled in time")

    async def main() -> None:
        async with aio.box(image) as box:
            for work in (make, box.fork):
                task: asyncio.Task[object] = asyncio.create_task(work())
                await asyncio.sleep(0)  # it has begun
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert [one.id for one in image.store.containers(all=True)] == [box.container.id]

    asyncio.run(main())
    assert counted(image.store) == before


def test_what_is_cancelled_is_killed_and_gone(image: Image) -> None:
    before = counted(image.store)

    async def cancelled_run() -> None:
        async with aio.box(image) as box:
            await box.run(["sleep", "1000"])

    async def cancelled_exec() -> None:
        async with aio.box(image, command=["sleep", "1000"]) as box:
            await box.start()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(box.exec(["sleep", "999"]), 0.3)
            assert (await box.exec(["cat"], stdin=b"still there")).text == "still there"

    async def main() -> None:
        tasks = [asyncio.create_task(cancelled_run()) for _ in range(10)]
        await asyncio.sleep(0.3)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in results)
        await cancelled_exec()

    asyncio.run(main())
    assert counted(image.store) == before
