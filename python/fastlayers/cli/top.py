"""`top`, `container top`: the processes of a container, as the host's ps shows them."""

from __future__ import annotations

from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.table import align
from fastlayers.errors import ConflictError, InvalidError

COMMAND = Command(
    "CONTAINER [ps OPTIONS]",
    "Display the running processes of a container",
    arguments=(1, None),
    aliases=("container top", "top"),
    interspersed=False,
)


def run(call: Call) -> int:
    import subprocess

    from fastlayers.process import processes_of

    name, *options = call.args
    container = call.store.container(name)
    state = container.state()
    if state.status != "running":
        raise ConflictError(f"container {container.id} is not running")
    try:
        done = subprocess.run(["ps", *(options or ["-ef"])], capture_output=True, check=False)
    except FileNotFoundError:
        raise CommandError("ps is not installed on this host") from None
    lines = done.stdout.decode(errors="replace").splitlines()
    if done.returncode or not lines:
        raise CommandError(done.stderr.decode(errors="replace").strip() or "ps shows nothing")
    headings = lines[0].split()
    if "PID" not in headings:
        raise InvalidError("Couldn't find PID field in ps output")
    column = headings.index("PID")
    inside = {str(pid) for pid in processes_of(state.pid)}
    rows = [line.split(None, len(headings) - 1) for line in lines[1:]]
    shown = [headings] + [row for row in rows if len(row) > column and row[column] in inside]
    print(align("\n".join("\t".join(row) for row in shown), narrowest=20))
    return 0
