"""The whole tutorial of the image layers, typed on a terminal, with a Debian base."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import CommandLine, processes_below, store_mounts
from tests.privileged import debian
from tests.privileged.terminal import Terminal

pytestmark = [pytest.mark.privileged, pytest.mark.needs("mmdebstrap")]

PROMPT = r"root@[0-9a-f]{12}:/# "
HEADING = ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]


@pytest.fixture(scope="module", params=["erofs", "overlay"])
def ubuntu(request: pytest.FixtureRequest) -> Iterator[CommandLine]:
    """A store whose `ubuntu` is a Debian made on this machine."""
    with tempfile.TemporaryDirectory(prefix="fastlayers-tutorial-") as directory:
        command = CommandLine(Path(directory) / "store", request.param)
        command.must("import", "-c", 'CMD ["bash"]', str(debian.base_tar()), "ubuntu", seconds=300)
        yield command
        assert store_mounts(command.root) == []
        assert processes_below(command.root) == []


def _open(command: CommandLine, *words: str) -> Terminal:
    return Terminal(command.argv("run", *words), {**command.environment, "TERM": "dumb"})


def _history(command: CommandLine, image: str) -> list[list[str]]:
    rows = command.must("image", "history", image).lines
    columns = [rows[0].index(name) for name in HEADING]
    spans = list(zip(columns, [*columns[1:], None], strict=True))
    return [[row[start:end].strip() for start, end in spans] for row in rows]


def test_tutorial(ubuntu: CommandLine) -> None:
    _install_node(ubuntu)
    _make_app(ubuntu)
    assert ubuntu.must("run", "--rm", "sample-app").out == "Hello from an app\n"
    # The images share what they have in common, and nothing has changed the base.
    assert ubuntu.call("run", "--rm", "ubuntu", "node").code == 127
    tables = [_history(ubuntu, image) for image in ("ubuntu", "node-base", "sample-app")]
    assert [len(table) for table in tables] == [2, 3, 4]


def _install_node(command: CommandLine) -> None:
    with _open(command, "--name=base-container", "-ti", "ubuntu") as terminal:
        terminal.expect(PROMPT)
        terminal.type("apt update && apt install -y nodejs && echo instal''led\n")
        terminal.expect("installed\n", 900)
        terminal.expect(PROMPT)
        terminal.type("node -e 'console.log(\"Hello world!\")'\n")
        terminal.expect(r"\nHello world!\n")
        terminal.type("exit\n")
        assert terminal.wait() == 0
    done = command.must("container", "commit", "-m", "Add node", "base-container", "node-base",
                        seconds=300)  # fmt: skip
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", done.out)
    heading, node, base = _history(command, "node-base")
    assert heading == HEADING
    assert re.fullmatch(r"[0-9a-f]{12}", node[0]) and base[0] == "<missing>"
    assert "second" in node[1] or "minute" in node[1]
    assert node[2] == "bash" and node[4] == "Add node"
    assert re.fullmatch(r"[0-9.]+MB", node[3])
    done = command.must("run", "node-base", "node", "-e", "console.log('Hello again')")
    assert done.out == "Hello again\n"
    assert command.must("rm", "-f", "base-container").out == "base-container\n"


def _make_app(command: CommandLine) -> None:
    with _open(command, "--name=app-container", "-ti", "node-base") as terminal:
        terminal.expect(PROMPT)
        terminal.type("echo 'console.log(\"Hello from an app\")' > app.js ; node app.js\n")
        terminal.expect(r"\nHello from an app\n")
        # While it still runs:
        command.must("container", "commit", "-c", "CMD node app.js", "-m", "Add app",
                     "app-container", "sample-app")  # fmt: skip
        terminal.expect(PROMPT)
        terminal.type("exit\n")
        terminal.wait()
    _, app, node, base = _history(command, "sample-app")
    # The file, and what bash wrote besides; not the whole of Node.js again.
    assert re.fullmatch(r"\d{2,3}B", app[3]), app
    assert (app[4], node[4]) == ("Add app", "Add node")
    assert node[0] == base[0] == "<missing>"
    assert command.must("run", "sample-app").out == "Hello from an app\n"
    command.must("rm", "-f", "app-container")
    command.must("rm", *command.must("ps", "-aq").lines)


def test_the_tutorial_command_plays_it(tmp_path: Path) -> None:
    """Through loop devices, so that this way is played from end to end as well."""
    command = CommandLine(tmp_path / "store", "erofs-loop")
    done = subprocess.run(command.argv("--root", str(tmp_path), "tutorial", "--offline"),
                          env=command.environment, capture_output=True, text=True, timeout=1500,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "The tutorial works" in done.stdout
    assert "loop" in done.stdout
    assert store_mounts(tmp_path) == []
