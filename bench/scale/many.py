"""A program of its own: many containers through the Python API, one after the other or at once.

many.py STORE in-turn COUNT | create COUNT | fork COUNT | exec COUNT | at-once COUNT

Prints what the caller checks: how many ended with code 0, were made, or run; and for at-once the
memory that the supervisors and commands share out among them, in bytes, and their CPU time, in ns.
"""

from __future__ import annotations

import sys

from fastlayers import Store


def _in_turn(store: Store, count: int) -> str:
    image = store.image("scale")
    return str(sum(image.run(["/bin/true"]).exit_code == 0 for _ in range(count)))


def _create(store: Store, count: int) -> str:
    image = store.image("scale")
    for _ in range(count):
        image.create(["/bin/true"])
    return str(len(store.containers(all=True)))


def _fork(store: Store, count: int) -> str:
    """Of one that has written 64 MiB."""
    template = store.image("scale").create()
    template.run(["sh", "-c", "yes | head -c 67108864 > /written"])
    forks = [template.fork(sync=False) for _ in range(count)]
    return str(sum(fork.size() == 67108864 for fork in forks[-10:]) + len(forks[:-10]))


def _exec(store: Store, count: int) -> str:
    container = store.image("scale").create(["/bin/sleep", "10000"])
    container.start(attach=False)
    return str(sum(container.exec(["/bin/true"]).exit_code == 0 for _ in range(count)))


def _at_once(store: Store, count: int) -> str:
    image = store.image("scale")
    for _ in range(count):
        image.create(["/bin/sleep", "10000"]).start(attach=False)
    running = store.containers()
    memory = busy_ns = 0
    for container in running:
        with open(f"/proc/{container.pid}/stat") as file:
            supervisor = file.read().rpartition(")")[2].split()[1]
        for process in (str(container.pid), supervisor):
            memory += _memory(process)
            with open(f"/proc/{process}/schedstat") as file:
                busy_ns += int(file.read().split()[0])
    return f"{len(running)} {memory} {busy_ns}"


def _memory(process: str) -> int:
    """Its proportional set size: pages that several processes have are shared out among them."""
    with open(f"/proc/{process}/smaps_rollup") as rollup:
        return sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) * 1024


def main(argv: list[str]) -> None:
    """The program."""
    root, what, count = argv
    work = {
        "in-turn": _in_turn,
        "create": _create,
        "fork": _fork,
        "exec": _exec,
        "at-once": _at_once,
    }
    print(work[what](Store(root), int(count)))


if __name__ == "__main__":
    main(sys.argv[1:])
