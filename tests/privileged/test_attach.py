"""attach: the streams of a container in the background, for several at once, and left again."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fastlayers import _core
from fastlayers.container import Container
from fastlayers.errors import ConflictError
from fastlayers.store import Store
from tests import busybox_root
from tests.command_line import CommandLine, store_mounts
from tests.privileged.terminal import Terminal

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]

SECONDS = 20.0
PIPE = subprocess.PIPE
LISTENER = "while read word; do echo got $word; done; echo end; exit 7"
ON_TERM = "trap 'echo term; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
LEAVE = "\x10\x11"
MOST = 32


@pytest.fixture(scope="module")
def box() -> Iterator[CommandLine]:
    """A store that holds the image `box`."""
    with tempfile.TemporaryDirectory(prefix="fastlayers-store-") as directory:
        command = CommandLine(Path(directory) / "store")
        command.must("import", "-", "box", stdin=busybox_root.tar())
        yield command
        assert store_mounts(command.root) == []


@pytest.fixture
def name(box: CommandLine) -> Iterator[str]:
    """For a container that is gone at the end."""
    yield "one"
    box.call("rm", "-f", "one")


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.02)


def object_of(box: CommandLine, name: str) -> Container:
    return Store(str(box.root)).container(name)


def supervisor(box: CommandLine, name: str) -> int:
    status = Path(f"/proc/{object_of(box, name).pid}/status").read_text()
    return int(status.partition("\nPPid:\t")[2].split("\n")[0])


def descriptors(process: int) -> int:
    """How many it has open; 0 if it has ended."""
    try:
        return len(os.listdir(f"/proc/{process}/fd"))
    except FileNotFoundError:
        return 0


def sockets(process: int) -> int:
    """That of the container, and one for each who is attached."""
    # One that is closed meanwhile is none.
    return sum(entry.is_socket() for entry in Path(f"/proc/{process}/fd").iterdir())


def catches(process: int, number: signal.Signals) -> bool:
    """Whether it has a handler for a signal (proc_pid_status(5))."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.partition("\nSigCgt:\t")[2].split("\n")[0], 16) >> (number - 1) & 1 == 1


def processor_ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@contextlib.contextmanager
def attached(box: CommandLine, name: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody attached by pipes; he is in when this begins."""
    process = supervisor(box, name)
    before = descriptors(process)
    client = box.start("attach", *words, name, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        until(lambda: descriptors(process) > before)
        yield client
    finally:
        client.kill()
        client.communicate()
    until(lambda: descriptors(process) <= before)


def running(box: CommandLine, name: str) -> bool:
    return box.must("ps", "-q", "--filter", f"name={name}").out != ""


def test_input_and_output_are_the_containers_and_so_is_the_exit_code(
    box: CommandLine, name: str
) -> None:
    script = "read word; echo got $word; echo err >&2; exit 7"
    box.must("run", "-d", "-i", "--name", name, "box", "sh", "-c", script)
    done = box.call("attach", name, stdin=b"word\n")
    assert (done.code, done.out, done.err) == (7, "got word\n", "err\n")
    assert box.must("logs", name).out == "got word\n"


def test_the_input_of_one_in_the_background_stays_open(box: CommandLine, name: str) -> None:
    box.must("run", "-d", "-i", "--name", name, "box", "sh", "-c", LISTENER)
    for word in ("one", "two"):
        with attached(box, name) as client:
            assert client.stdin and client.stdout
            client.stdin.write(f"{word}\n".encode())
            client.stdin.close()
            client.stdin = None
            assert client.stdout.readline() == f"got {word}\n".encode()
    assert running(box, name), "its input has not ended, and who was killed has not ended it"
    assert box.must("logs", name).out == "got one\ngot two\n"


def test_the_input_of_one_in_the_foreground_ends_with_its_first(
    box: CommandLine, name: str
) -> None:
    box.must("create", "-i", "--name", name, "box", "sh", "-c", LISTENER)
    box.must("start", name)
    done = box.call("attach", name, stdin=b"word\n")
    assert (done.code, done.out) == (7, "got word\nend\n")


def test_a_lot_of_input_arrives_as_it_was(box: CommandLine, name: str) -> None:
    box.must("run", "-d", "-i", "--name", name, "box", "sh", "-c", "head -c 3000000 | md5sum")
    data = os.urandom(3_000_000)
    done = box.call("attach", name, stdin=data + b"more than is read" * 100_000)
    digest = subprocess.run(["md5sum"], input=data, capture_output=True, check=True).stdout
    assert (done.code, done.out.split()[0]) == (0, digest.decode().split()[0])


def test_a_lot_of_output_arrives_as_it_was(box: CommandLine, name: str) -> None:
    script = "read go; seq 400000; exit 5"
    box.must("run", "-d", "-i", "--name", name, "box", "sh", "-c", script)
    done = box.call("attach", name, stdin=b"go\n")
    assert (done.code, done.out) == (5, "".join(f"{i}\n" for i in range(1, 400_001)))


def test_several_see_the_same(box: CommandLine, name: str) -> None:
    box.must("run", "-d", "-i", "--name", name, "box", "sh", "-c", "read go; seq 50000; exit 6")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(attached(box, name, "--no-stdin")) for _ in range(4)]
        with ThreadPoolExecutor(len(clients)) as pool:
            waiting = [pool.submit(client.communicate, timeout=SECONDS) for client in clients]
            assert box.call("attach", name, stdin=b"go\n").code == 6
            results = [one.result() for one in waiting]
        assert {client.returncode for client in clients} == {6}
    assert {out for out, _ in results} == {"".join(f"{i}\n" for i in range(1, 50001)).encode()}


def test_one_who_is_stopped_stops_neither_the_container_nor_its_log(
    box: CommandLine, name: str
) -> None:
    script = "read go; seq 300000; echo done; sleep 100"
    box.must("run", "-d", "-i", "--name", name, "box", "sh", "-c", script)
    with attached(box, name, "--no-stdin") as stopped, attached(box, name) as other:
        stopped.send_signal(signal.SIGSTOP)
        assert other.stdin and other.stdout
        other.stdin.write(b"go\n")
        other.stdin.flush()
        lines = [other.stdout.readline() for _ in range(300_001)]
        assert lines[-1] == b"done\n", "whoever reads gets all of it"
        log = Path(object_of(box, name).logs_path)
        assert log.read_bytes().endswith(b"\ndone\n")
        stopped.send_signal(signal.SIGCONT)
        out, err = stopped.communicate(timeout=SECONDS)
        assert stopped.returncode == 1
        assert b"was not taken for 5 seconds" in err
        assert log.read_bytes().startswith(out), "what he got has no gap"
        assert running(box, name)


def test_one_who_is_behind_has_time(box: CommandLine, name: str) -> None:
    script = "read go; seq 130000; echo done; read more; exit 3"
    box.must("run", "-d", "-i", "--name", name, "box", "sh", "-c", script)
    with attached(box, name) as other, attached(box, name, "--no-stdin") as slow:
        slow.send_signal(signal.SIGSTOP)
        assert other.stdin and other.stdout
        began = time.monotonic()
        other.stdin.write(b"go\n")
        other.stdin.flush()
        while other.stdout.readline() != b"done\n":
            pass
        assert time.monotonic() - began < 3, "it is not waited for one who is a little behind"
        time.sleep(5.5)
        slow.send_signal(signal.SIGCONT)
        other.stdin.write(b"more\n")
        other.stdin.flush()
        out, err = slow.communicate(timeout=SECONDS)
        assert (slow.returncode, err) == (3, b"")
        assert out.endswith(b"\n130000\ndone\n")


def test_the_exit_code_comes_although_input_is_under_way(box: CommandLine, name: str) -> None:
    box.must("run", "-d", "-i", "--name", name, "box", "sh", "-c", "head -c 200000 >&2; exit 7")
    done = box.call("attach", name, stdin=b"x" * 5_000_000)
    assert (done.code, done.err) == (7, "x" * 200_000)


@pytest.mark.parametrize(
    "end", [["kill"], ["rm", "-f"], ["stop", "-t", "0"], ["supervisor is killed"]]
)
def test_whoever_ends_the_container_the_code_is_known(
    box: CommandLine, name: str, end: list[str]
) -> None:
    box.must("run", "-d", "--name", name, "box", "sleep", "100")
    process = supervisor(box, name)
    client = box.start("attach", name, stdin=subprocess.DEVNULL)
    until(lambda: sockets(process) == 2)
    if end == ["supervisor is killed"]:
        os.kill(process, signal.SIGKILL)
    else:
        box.must(*end, name)
    assert client.wait(SECONDS) == 137


def test_who_comes_and_goes_leaves_nothing(box: CommandLine, name: str) -> None:
    box.must("run", "-d", "-i", "--name", name, "box", "sh", "-c", LISTENER)
    before = descriptors(supervisor(box, name))
    for _ in range(20):
        with attached(box, name):
            pass
    until(lambda: descriptors(supervisor(box, name)) == before)
    assert running(box, name)


@pytest.mark.parametrize("words", [["attach"], ["start", "-a"]])
def test_signals_go_to_the_container(box: CommandLine, name: str, words: list[str]) -> None:
    box.must("run", "-d", "--name", name, "box", "sh", "-c", ON_TERM)
    client = box.start(*words, name, stdout=PIPE)
    until(lambda: catches(client.pid, signal.SIGTERM))
    client.send_signal(signal.SIGTERM)
    out, _ = client.communicate(timeout=SECONDS)
    assert client.returncode == 9
    assert out.endswith(b"term\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_the_attachment_if_they_are_not_to_be_passed_on(
    box: CommandLine, name: str, number: signal.Signals
) -> None:
    box.must("run", "-d", "--name", name, "box", "sh", "-c", ON_TERM)
    with attached(box, name, "--sig-proxy=false") as client:
        client.send_signal(number)
        client.wait(SECONDS)
        assert client.returncode in (128 + number, -number)  # it had yet to look for them
    assert running(box, name)


def test_run_without_passing_signals_on(box: CommandLine, name: str) -> None:
    words = ("run", "--sig-proxy=false", "--name", name, "box", "sh", "-c", ON_TERM)
    client = box.start(*words, stdout=PIPE)
    assert client.stdout and client.stdout.readline() == b"ready\n"
    client.send_signal(signal.SIGTERM)
    client.communicate(timeout=SECONDS)
    assert client.returncode == 128 + signal.SIGTERM
    assert running(box, name)


def test_run_without_passing_signals_on_has_streams_and_the_exit_code(box: CommandLine) -> None:
    script = "cat; echo err >&2; exit 3"
    done = box.call(
        "run", "--rm", "-i", "--sig-proxy=false", "box", "sh", "-c", script, stdin=b"word\n"
    )
    assert (done.code, done.out, done.err) == (3, "word\n", "err\n")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_command_whose_terminal_was_killed_goes_on(
    box: CommandLine, name: str, number: signal.Signals
) -> None:
    argv = box.argv("run", "-it", "--name", name, "--sig-proxy=false", "box", "sh")
    with Terminal(argv, box.environment) as terminal:
        terminal.expect("# ")
        os.kill(terminal.pid, number)
        terminal.wait(SECONDS)
    assert running(box, name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("attach", "ended"), "cannot attach to a stopped container, start it first\n"),
        (("attach", "paused"), "cannot attach to a paused container, unpause it first\n"),
        (("attach", "nobody"), "Error: No such container: nobody\n"),
        (("start", "-a", "nobody"), "Error: No such container: nobody\n"),
        (("attach", "--detach-keys", "x,yz", "paused"), "Unknown character: 'yz'\n"),
        (("run", "--detach-keys", "ctrl-", "box"), "Unknown character: 'ctrl-'\n"),
        (("exec", "-it", "--detach-keys", "xyz", "paused", "sh"), "Unknown character: 'xyz'\n"),
        (("start", "--detach-keys", "xyz", "ended"), "Unknown character: 'xyz'\n"),
        (("run", "-d", "-a", "stdout", "box"), "cannot specify both --attach and --detach\n"),
    ],
)
def test_what_cannot_be_attached_to(box: CommandLine, words: tuple[str, ...], message: str) -> None:
    box.call("run", "--name", "ended", "box", "true")
    box.call("run", "-d", "--name", "paused", "box", "sleep", "100")
    box.call("pause", "paused")
    done = box.fails(1, *words)
    assert done.err.endswith(message)
    assert done.err.count("\n") == 1
    if words == ("attach", "paused"):
        box.must("rm", "-f", "ended", "paused")


def test_one_of_the_foreground_is_joined(box: CommandLine, name: str) -> None:
    words = ("run", "-i", "--name", name, "box", "sh", "-c", LISTENER)
    first = box.start(*words, stdin=PIPE, stdout=PIPE)
    assert first.stdin and first.stdout
    first.stdin.write(b"one\n")
    first.stdin.flush()
    assert first.stdout.readline() == b"got one\n"
    with attached(box, name) as client:
        assert client.stdin and client.stdout
        client.stdin.write(b"two\n")
        client.stdin.flush()
        assert client.stdout.readline() == first.stdout.readline() == b"got two\n"
        large = b"x" * 30_000 + b"\n"
        first.stdin.write(large)
        first.stdin.flush()
        assert client.stdout.readline() == first.stdout.readline() == b"got " + large
    # Its input was one of a pipe: who leaves ends it, as docker's does.
    first.communicate(timeout=SECONDS)
    assert first.returncode == 7
    assert not Path(object_of(box, name).directory, "attach").exists()


def test_one_of_the_foreground_ends_for_all(box: CommandLine, name: str) -> None:
    first = box.start("run", "--name", name, "box", "sh", "-c", ON_TERM, stdout=PIPE)
    assert first.stdout and first.stdout.readline() == b"ready\n"
    others = [box.start("attach", name, stdin=PIPE, stdout=PIPE) for _ in range(2)]
    until(lambda: sockets(first.pid) == 3)
    first.send_signal(signal.SIGTERM)
    for client in (first, *others):
        out, _ = client.communicate(timeout=SECONDS)
        assert (client.returncode, out) == (9, b"term\n")
    client = box.start("start", "-a", name, stdout=PIPE)
    assert client.stdout and client.stdout.readline() == b"ready\n"
    with attached(box, name, "--no-stdin") as other:
        until(lambda: sockets(client.pid) == 2)
        client.kill()
        other.wait(SECONDS)
        assert other.returncode == 137, "it ends with the command that ran it"


def test_a_terminal_of_the_foreground_is_joined(box: CommandLine, name: str) -> None:
    run = box.argv("run", "--rm", "-t", "--name", name, "box", "sh", "-c", ON_TERM)
    with Terminal(run, box.environment) as first:
        first.expect("ready")
        with Terminal(box.argv("attach", name), box.environment) as second:
            until(lambda: sockets(first.pid) == 2)
            box.must("kill", "-s", "TERM", name)
            for terminal in (first, second):
                terminal.expect("term")
                assert terminal.wait(SECONDS) == 9


def test_who_joins_between_two_pipes_gets_all_that_follows(box: CommandLine, name: str) -> None:
    last = 400_000  # lines: some times what all pipes hold
    script = f"read begin; seq 1 100000; read word; seq 100001 {last}"
    first = box.start(
        "run", "--rm", "-i", "--name", name, "box", "sh", "-c", script, stdin=PIPE, stdout=PIPE
    )
    assert first.stdin and first.stdout
    first.stdin.write(b"begin\n")
    first.stdin.flush()
    taken = first.stdout.read(1000)  # it has begun, and is held up by us
    with attached(box, name) as client, ThreadPoolExecutor() as pool:
        assert client.stdin and client.stdout
        rest = pool.submit(first.stdout.read)
        client.stdin.write(b"word\n")
        client.stdin.flush()
        seen = client.stdout.read()
        lines = b"".join(b"%d\n" % number for number in range(1, last + 1))
        assert taken + rest.result(SECONDS) == lines
        assert len(seen) > len(lines) // 2
        assert lines.endswith(seen)
    assert first.wait(SECONDS) == 0


@pytest.mark.parametrize("output", ["nowhere", "a socket"])
def test_one_is_joined_wherever_its_output_goes(box: CommandLine, name: str, output: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stdout = theirs if output == "a socket" else subprocess.DEVNULL
        words = ("run", "--rm", "--name", name, "box", "sh", "-c", ON_TERM)
        first = box.start(*words, stdout=stdout)
        theirs.close()
        until(lambda: running(box, name))
        until(lambda: catches(object_of(box, name).pid, signal.SIGTERM))
        with attached(box, name, "--no-stdin") as client:
            box.must("kill", "-s", "TERM", name)
            assert client.stdout and client.stdout.read().endswith(b"term\n")
            assert first.wait(SECONDS) == client.wait(SECONDS) == 9
        if output == "a socket":
            assert ours.recv(100, socket.MSG_WAITALL) == b"ready\nterm\n"


def test_a_terminal_inside_needs_one_here(box: CommandLine, name: str) -> None:
    box.must("run", "-dit", "--name", name, "box", "sh")
    for words in (["attach", name], ["start", "-ai", name]):
        done = box.fails(1, *words)
        assert done.err.startswith("cannot attach stdin to a TTY-enabled container")
    with attached(box, name, "--no-stdin") as client:
        client.send_signal(signal.SIGTERM)  # which does not go to what has a terminal
        client.wait(SECONDS)
    assert running(box, name)


def test_run_is_left_by_keys_and_joined_again(box: CommandLine, name: str) -> None:
    argv = box.argv("run", "-it", "--name", name, "box", "sh")
    with Terminal(argv, box.environment) as terminal:
        before = terminal.settings()
        terminal.expect("# ")
        terminal.type("mark=mine\n")
        terminal.expect("# ")
        terminal.type(LEAVE)
        assert terminal.wait() == 0
        assert terminal.settings() == before
    assert running(box, name)
    with Terminal(box.argv("attach", name), box.environment) as terminal:
        terminal.expect("# ")  # drawn anew, since the size of the window was told
        terminal.type("echo $mark-$((6 * 7))\n")
        terminal.expect("mine-42")
        terminal.type(LEAVE)
        assert terminal.wait() == 1
        assert terminal.settings() == before
        assert "read escape sequence" in terminal.text
    with Terminal(box.argv("start", "-ai", name), box.environment) as terminal:
        terminal.expect("# ")
        terminal.type("exit 4\n")
        assert terminal.wait() == 4
        assert terminal.settings() == before


def test_own_keys_and_what_only_begins_like_them(box: CommandLine, name: str) -> None:
    script = "stty raw -echo; echo ready; od -An -c -N 5; sleep 100"
    argv = box.argv("run", "-it", "--name", name, "--detach-keys", "ctrl-p,x", "box", "sh")
    with Terminal([*argv, "-c", script], box.environment) as terminal:
        terminal.expect("ready")
        terminal.type("\x10")
        time.sleep(0.1)
        terminal.type("\x11\x10a\x10")  # the last one is held back
        time.sleep(0.3)
        assert "020" not in terminal.text
        terminal.type("b")
        terminal.expect(r"020 +021 +020 +a +020")
        terminal.type("\x10x")
        assert terminal.wait() == 0
    assert running(box, name)


def test_a_command_in_a_container_is_left_by_keys(box: CommandLine, name: str) -> None:
    box.must("run", "-d", "--name", name, "box", "sleep", "100")
    argv = box.argv("exec", "-it", name, "sh", "-c", "sleep 0.9; echo > /stayed; sleep 100")
    with Terminal(argv, box.environment) as terminal:
        until(lambda: b"sleep 0.9" in box.must("top", name).out.encode())
        terminal.type(LEAVE)
        assert terminal.wait() == 1
        assert "read escape sequence" in terminal.text
    until(lambda: box.call("exec", name, "test", "-e", "/stayed").code == 0)


def test_the_size_of_the_window_is_that_of_who_is_attached(box: CommandLine, name: str) -> None:
    script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done"
    box.must("run", "-dit", "--name", name, "box", "sh", "-c", script)
    with Terminal(box.argv("attach", name), box.environment, 31, 97) as terminal:
        terminal.expect("31 97")
        terminal.resize(40, 120)
        terminal.expect("40 120")
        terminal.type(LEAVE)
        terminal.wait()


def test_start_joins_what_it_starts_and_what_runs(box: CommandLine, name: str) -> None:
    box.must("create", "-i", "--name", name, "box", "sh", "-c", LISTENER)
    done = box.call("start", "-a", "-i", name, stdin=b"word\n")
    assert (done.code, done.out) == (7, "got word\nend\n")
    done = box.call("start", "-a", name)
    assert (done.code, done.out) == (7, "end\n"), "without -i there is no input"
    box.must("start", name)
    done = box.call("start", "-a", "-i", name, stdin=b"other\n")
    assert (done.code, done.out) == (7, "got other\nend\n")


@pytest.mark.parametrize(
    ("words", "out", "err"),
    [
        (["-a", "stdout"], "word\nout\n", ""),
        (["-a", "STDERR"], "", "err\n"),
        (["-a", "stdin"], "", ""),
        (["-a", "stdin", "-a", "stdout", "-a", "stderr"], "word\nout\n", "err\n"),
        ([], "word\nout\n", "err\n"),
    ],
)
@pytest.mark.parametrize("way", [[], ["--rm"], ["--sig-proxy=false"]])
def test_some_of_the_streams(
    box: CommandLine, name: str, way: list[str], words: list[str], out: str, err: str
) -> None:
    script = "cat; echo out; echo err >&2; exit 4"
    line = ["run", "-i", *way, *words, "--name", name, "box", "sh", "-c", script]
    done = box.call(*line, stdin=b"word\n")
    assert (done.code, done.out, done.err) == (4, out, err)
    if "--rm" not in way:
        logged = box.must("logs", name)
        assert (logged.out, logged.err) == ("word\nout\n", "err\n"), "the log has all of them"


def test_only_the_owner_of_the_store_gets_in(box: CommandLine, name: str) -> None:
    box.must("run", "-d", "-i", "--name", name, "box", "sh", "-c", LISTENER)
    path = Path(object_of(box, name).directory) / "attach"
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_uid == os.getuid()
    # Also where the directories could be entered.
    opened = [path.parent, path.parent.parent, box.root, box.root.parent]
    modes = [(folder, stat.S_IMODE(folder.stat().st_mode)) for folder in opened]
    script = (
        f"import os,socket; os.setgid(65534); os.setuid(65534); os.chdir({str(path.parent)!r})\n"
        "socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect('attach')"
    )
    try:
        for folder in opened:
            folder.chmod(0o755)
        done = subprocess.run(["/usr/bin/python3", "-c", script], capture_output=True, text=True)
    finally:
        for folder, mode in modes:
            folder.chmod(mode)
    assert "PermissionError" in done.stderr and "line 2" in done.stderr
    box.must("rm", "-f", name)
    assert not path.exists()


def test_there_may_be_so_many_and_no_more(box: CommandLine, name: str) -> None:
    box.must("run", "-d", "-i", "--name", name, "box", "sh", "-c", LISTENER)
    container = object_of(box, name)
    before = descriptors(supervisor(box, name))
    crowd = [_core.connect_to_audience(container.directory) for _ in range(MOST)]
    until(lambda: descriptors(supervisor(box, name)) == before + MOST)
    done = box.fails(1, "attach", name)
    assert done.err == "too many are attached to it already: 32\n"
    os.close(crowd.pop())
    until(lambda: descriptors(supervisor(box, name)) < before + MOST)
    with attached(box, name) as client:
        assert client.stdin and client.stdout
        client.stdin.write(b"word\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"got word\n"
    for end in crowd:
        os.close(end)


def test_where_no_descriptor_is_left_one_waits_for_another_to_go(
    box: CommandLine, name: str
) -> None:
    box.must("run", "-d", "-i", "--name", name, "box", "sh", "-c", LISTENER)
    container, process = object_of(box, name), supervisor(box, name)
    few = 20
    resource.prlimit(process, resource.RLIMIT_NOFILE, (few, few))
    crowd = [_core.connect_to_audience(container.directory) for _ in range(few)]
    until(lambda: {str(n) for n in range(few)} <= set(os.listdir(f"/proc/{process}/fd")))
    before = processor_ticks(process)
    time.sleep(1)
    assert processor_ticks(process) - before < os.sysconf("SC_CLK_TCK") / 4, "it does not turn"
    for end in crowd:
        os.close(end)
    until(lambda: sockets(process) == 1)
    with attached(box, name) as client:
        assert client.stdin and client.stdout
        client.stdin.write(b"word\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"got word\n"


def test_one_who_speaks_nonsense_does_no_harm(box: CommandLine, name: str) -> None:
    box.must("run", "-d", "-i", "--name", name, "box", "sh", "-c", LISTENER)
    container = object_of(box, name)
    before = descriptors(supervisor(box, name))
    messages = [b"", b"z", b"r", b"r1", b"r" + b"\xff" * 5, b"o" * 70000, b"i" + b"\n" * 90000]
    messages += [b"x\0\0\0\0", b"q" * 9, b"\0" * 100]
    for message in messages:
        with socket.socket(fileno=_core.connect_to_audience(container.directory)) as end:
            end.settimeout(SECONDS)
            end.send(message)
            with contextlib.suppress(BrokenPipeError):  # an empty one is the end
                end.send(b"i\n")
    until(lambda: descriptors(supervisor(box, name)) == before)
    with attached(box, name) as client:
        assert client.stdin and client.stdout
        client.stdin.write(b"word\n")
        client.stdin.flush()
        assert b"got word\n" in iter(client.stdout.readline, b"")


def test_from_python(box: CommandLine, name: str) -> None:
    script = "read word; echo got $word; echo err >&2; exit 7"
    box.must("run", "-d", "-i", "--name", name, "box", "sh", "-c", script)
    container = object_of(box, name)
    before = os.listdir("/proc/self/fd")
    (reader, writer), (ours, theirs) = os.pipe(), os.pipe()
    os.write(writer, b"word\n")
    assert container.attach(stdin_fd=reader, stdout_fd=theirs, stderr_fd=-1) == 7
    for end in (reader, writer, theirs):
        os.close(end)
    with open(ours, "rb") as pipe:
        assert pipe.read() == b"got word\n"
    assert os.listdir("/proc/self/fd") == before
    assert (container.status, container.exit_code) == ("exited", 7), "whoever looks now sees it"
    with pytest.raises(ConflictError, match="stopped container"):
        container.attach()
