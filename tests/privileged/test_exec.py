"""`exec`: more commands in a container that runs, from the command line and from Python."""

from __future__ import annotations

import io
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastlayers import ContainerOptions, Image, Store
from fastlayers.container import Container
from fastlayers.errors import (
    CommandNotFoundError,
    ConflictError,
    InvalidError,
    NotExecutableError,
)
from tests import busybox_root
from tests.command_line import CommandLine, processes_below

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """A container that runs, with an environment, a user and a working directory of its own."""
    store = Store(str(tmp_path_factory.mktemp("exec") / "store"))
    image = Image.import_(io.BytesIO(busybox_root.tar()), "box", store=store)
    options = ContainerOptions(
        command=["sh", "-c", "sleep 1000; :"],
        name="box",
        env=["PATH=/bin", "A=of the container"],
        workdir="/home/maria",
        user="maria",
    )
    container = store.create_container(image, options)
    container.start(attach=False)
    yield container
    container.remove(force=True)
    assert processes_below(Path(store.root)) == []


def test_it_is_as_the_container_unless_told_otherwise(box: Container) -> None:
    script = "id -un; pwd; echo $A:$B:$HOME:$HOSTNAME; hostname; cat /proc/1/comm"
    assert box.exec(["sh", "-c", script]).text.splitlines() == [
        "maria", "/home/maria", f"of the container::/home/maria:{box.short_id}", box.short_id, "sh",
    ]  # fmt: skip
    done = box.exec(["sh", "-c", script], env={"B": "2"}, user="root:staff", workdir="/etc")
    assert done.text.splitlines()[:3] == [
        "root", "/etc", f"of the container:2:/root:{box.short_id}",
    ]  # fmt: skip
    assert box.exec(["id", "-gn"], user="root:staff").text == "staff\n"


def test_input_output_and_exit_codes(box: Container) -> None:
    data = os.urandom(3 << 20)
    assert box.exec(["cat"], stdin=data).stdout == data
    done = box.exec(["sh", "-c", "echo out; echo err >&2; exit 42"])
    assert (done.exit_code, done.stdout, done.stderr) == (42, b"out\n", b"err\n")
    assert box.exec(["sh", "-c", "kill -TERM $$"]).exit_code == 143
    assert box.exec(["cat"]).stdout == b"", "standard input is the null device"


def test_it_changes_what_the_container_sees_and_nothing_of_its_state(box: Container) -> None:
    before = box.state()
    box.exec(["sh", "-c", "echo made > /tmp/made"])
    assert box.exec(["cat", "/tmp/made"]).text == "made\n"
    assert ("A", "/tmp/made") in box.diff()
    assert repr(box.state()) == repr(before)


def test_what_cannot_be_executed_is_said(box: Container) -> None:
    with pytest.raises(CommandNotFoundError, match=r'"nothing": executable file not found in \$P'):
        box.exec(["nothing"])
    with pytest.raises(CommandNotFoundError, match="no such file or directory"):
        box.exec(["/bin/nothing"])
    with pytest.raises(NotExecutableError, match="permission denied"):
        box.exec(["/etc/plain"])
    with pytest.raises(NotExecutableError):
        box.exec(["/etc"])
    with pytest.raises(CommandNotFoundError, match=r'chdir to cwd \("/no/where"\) failed'):
        box.exec(["true"], workdir="/no/where")
    with pytest.raises(NotExecutableError, match=r'chdir to cwd \("/etc/plain"\) failed'):
        box.exec(["true"], workdir="/etc/plain")
    with pytest.raises(InvalidError, match="no matching entries in passwd file"):
        box.exec(["true"], user="nobody-there")
    with pytest.raises(InvalidError, match="no command specified"):
        box.exec([])
    box.exec(["sh", "-c", "printf '#!/no/interpreter\\n' > /tmp/script; chmod 755 /tmp/script"])
    with pytest.raises(CommandNotFoundError):
        box.exec(["/tmp/script"])
    box.exec(["sh", "-c", "printf '#!/bin/sh\\necho $0 $1\\n' > /tmp/script"])
    assert box.exec(["/tmp/script", "one"]).text == "/tmp/script one\n"


def test_it_has_the_rights_and_the_descriptors_of_a_container(box: Container) -> None:
    def lines(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith(("Cap", "Seccomp", "NoNew"))]

    own = (Path("/proc") / str(box.pid) / "status").read_text()
    assert "maria" in box.exec(["id"]).text
    assert lines(box.exec(["cat", "/proc/self/status"]).text) == lines(own)
    assert "CapEff:\t00000000a80425fb" in box.exec(["cat", "/proc/self/status"], user="root").text
    listed = box.exec(["sh", "-c", "ls /proc/self/fd"]).text.split()
    assert listed == ["0", "1", "2", "3"], "the last is of ls itself"


def test_nothing_of_the_host_can_be_executed_by_it(box: Container) -> None:
    """CVE-2019-5736: what runs in the container exchanges a program for /proc/self/exe, between
    the look at it and its execution. What is executed then is never the host's interpreter."""
    swap = (
        "cp /bin/busybox /tmp/good; ln -s /proc/self/exe /tmp/bad;"
        "while [ ! -e /tmp/stop ]; do ln -f /tmp/good /tmp/next; mv -f /tmp/next /tmp/true;"
        "cp -P /tmp/bad /tmp/next; mv -f /tmp/next /tmp/true; done"
    )
    thread = threading.Thread(target=lambda: box.exec(["sh", "-c", swap], user="root"))
    thread.start()
    seen = set()
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and len(seen) < 2:
            try:
                done = box.exec(["/tmp/true", "--version"], user="root")
                assert b"Python" not in done.stdout + done.stderr
                seen.add(done.exit_code)
            except (CommandNotFoundError, NotExecutableError) as error:
                seen.add(type(error).__name__)
    finally:
        box.exec(["touch", "/tmp/stop"])
        thread.join()
    assert len(seen) > 1, "both were met"
    with pytest.raises((CommandNotFoundError, NotExecutableError)):
        box.exec(["/proc/self/exe", "--version"])


def test_many_at_once(box: Container) -> None:
    results: list[str] = []

    def run(number: int) -> None:
        for turn in range(5):
            results.append(box.exec(["sh", "-c", f"echo {number} {turn}"]).text)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(f"{n} {t}\n" for n in range(8) for t in range(5))
    # A thread that has executed something may still start threads.
    assert box.exec(["true"]).exit_code == 0
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def test_it_ends_with_the_container(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    image = Image.import_(io.BytesIO(busybox_root.tar()), "box", store=store)
    container = store.create_container(image, ContainerOptions(command=["sleep", "1000"]))
    with pytest.raises(ConflictError, match="is not running"):
        container.exec(["true"])
    container.start(attach=False)
    codes: list[int] = []
    script = ["sh", "-c", "touch /tmp/begun; sleep 99; :"]
    thread = threading.Thread(target=lambda: codes.append(container.exec(script).exit_code))
    thread.start()
    deadline = time.monotonic() + 10
    while container.exec(["test", "-e", "/tmp/begun"]).exit_code and time.monotonic() < deadline:
        time.sleep(0.01)
    container.kill()
    thread.join(20)
    assert codes == [137]
    assert container.wait() == 137
    with pytest.raises(ConflictError, match="is not running"):
        container.exec(["true"])
    container.remove()


def test_the_command(shell: CommandLine) -> None:
    name = shell.must("run", "-d", "box", "sleep", "1000").out.strip()
    assert shell.must("exec", "-i", name, "cat", stdin=b"through\n").out == "through\n"
    done = shell.call("exec", "-w", "/etc", "-u", "maria", "-e", "X=1", name, "sh", "-c",
                      "pwd; id -un; echo $X; exit 3")  # fmt: skip
    assert (done.code, done.lines) == (3, ["/etc", "maria", "1"])
    assert shell.call("container", "exec", name, "nothing").code == 127
    assert shell.call("exec", name, "/etc/plain").code == 126
    assert shell.must("exec", "-d", name, "sh", "-c", "sleep 0.3; echo late > /late").out == ""
    deadline = time.monotonic() + 10
    while shell.call("exec", name, "test", "-s", "/late").code and time.monotonic() < deadline:
        time.sleep(0.05)
    assert shell.must("exec", name, "cat", "/late").out == "late\n"
    assert shell.call("exec", "-d", name, "nothing").code == 127
    tty = ["script", "-qec", " ".join([*shell.argv("exec", "-it", name, "tty")]), "/dev/null"]
    shown = subprocess.run(tty, env=shell.environment, stdin=subprocess.DEVNULL,
                           capture_output=True, check=True)  # fmt: skip
    assert b"/dev/pts/0" in shown.stdout
    assert "stdin is not a terminal" in shell.fails(1, "exec", "-it", name, "true").err
    shell.must("rm", "-f", name)
    assert "No such container" in shell.fails(1, "exec", name, "true").err
    assert "requires at least 2 arguments" in shell.fails(1, "exec", "box").err
