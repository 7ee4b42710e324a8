"""Running a command: exit codes, users, environment, streams, volumes, as docker does it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.command_line import CommandLine

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, ["box", "true"]),
        (1, ["box", "false"]),
        (42, ["box", "sh", "-c", "exit 42"]),
        (143, ["box", "sh", "-c", "sleep 60 & kill -TERM $!; wait $!"]),
        (127, ["box", "no-such-program"]),
        (126, ["box", "/etc"]),
        (126, ["box", "/etc/plain"]),
        (125, ["--no-such-flag", "box", "true"]),
        (125, ["-u", "nobody-of-that-name", "box", "true"]),
        (125, ["127.0.0.1:1/no/such:image", "true"]),
        (125, ["box"]),
        (125, ["-w", "relative", "box", "true"]),
        (125, ["-v", "/no/such:relative", "box", "true"]),
    ],
    ids=lambda value: value if isinstance(value, int) else "-".join(value[:2]).replace("/", "_"),
)
def test_exit_code(shell: CommandLine, code: int, words: list[str]) -> None:
    done = shell.call("run", "--rm", *words)
    assert done.code == code, done.err
    if code in (125, 126, 127):
        assert done.err.strip() and "Traceback" not in done.err
    assert shell.must("ps", "-aq").lines == []


def test_death_by_signal_is_128_and_the_signal(shell: CommandLine) -> None:
    shell.must("run", "-d", "--name=victim", "box", "sleep", "60")
    shell.must("kill", "-s", "KILL", "victim")
    assert shell.must("wait", "victim").out.strip() == "137"
    shell.must("rm", "victim")


def test_pid_1_cannot_kill_itself(shell: CommandLine) -> None:
    done = shell.must("run", "--rm", "box", "sh", "-c", "kill -9 $$; kill -TERM $$; echo alive $$")
    assert done.out == "alive 1\n"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", "0:0"), ("maria", "1000:1000"), ("4242", "4242:0"), ("4242:777", "4242:777"),
        ("maria:staff", "1000:50"), ("1000", "1000:1000"), ("0:0", "0:0"),
    ],
)  # fmt: skip
def test_user(shell: CommandLine, user: str, expected: str) -> None:
    flags = ["-u", user] if user else []
    done = shell.must("run", "--rm", *flags, "box", "sh", "-c", "echo $(id -u):$(id -g)")
    assert done.out.strip() == expected


def test_supplementary_groups_only_for_names(shell: CommandLine) -> None:
    by_name = shell.must("run", "--rm", "-u", "maria", "box", "id", "-G").out.split()
    assert sorted(by_name) == ["1000", "50"]
    assert shell.must("run", "--rm", "-u", "4242", "box", "id", "-G").out.split() == ["0"]


@pytest.mark.parametrize("user", ["4294967296", "99999999999999999999", "-1", "0:99999999999"])
def test_numeric_user_out_of_range_is_refused(shell: CommandLine, user: str) -> None:
    shell.fails(125, "run", "--rm", "-u", user, "box", "id")


def test_defaults_of_the_environment(shell: CommandLine) -> None:
    done = shell.must("run", "--rm", "-u", "maria", "-h", "named", "box", "env")
    values = dict(line.split("=", 1) for line in done.lines)
    assert values["PATH"] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert values["HOME"] == "/home/maria"
    assert values["HOSTNAME"] == "named"
    nobody = shell.must("run", "--rm", "-u", "4242", "box", "sh", "-c", "echo $HOME").out
    assert nobody == "/\n"


def test_environment_and_env_file(shell: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# a comment\nFROM_FILE=two words\nBOTH=file\n")
    done = shell.must(
        "run", "--rm", "--env-file", str(file), "-e", "BOTH=flag", "-e", "EMPTY=", "-e",
        "EQUALS=a=b", "box", "env",
    )  # fmt: skip
    for line in ("FROM_FILE=two words", "BOTH=flag", "EMPTY=", "EQUALS=a=b"):
        assert line in done.lines


def test_workdir_is_made(shell: CommandLine) -> None:
    done = shell.must("run", "--rm", "-w", "/new/place", "box", "sh", "-c", "pwd; stat -c %u:%a .")
    assert done.lines == ["/new/place", "0:755"]


def test_entrypoint_clears_the_command_of_the_image(shell: CommandLine) -> None:
    assert shell.must("run", "--rm", "--entrypoint", "echo", "box", "a", "b").out == "a b\n"


def test_hostname(shell: CommandLine) -> None:
    done = shell.must("run", "--rm", "--hostname", "here", "box", "sh", "-c",
                      "hostname; cat /etc/hostname")  # fmt: skip
    assert done.lines == ["here", "here"]


def test_read_only_root(shell: CommandLine) -> None:
    script = "touch /x 2>/dev/null || echo refused; touch /dev/shm/y && echo shm"
    done = shell.must("run", "--rm", "--read-only", "box", "sh", "-c", script)
    assert done.lines == ["refused", "shm"]


def test_volumes(shell: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from outside\n")
    script = "cat /v/in; echo inside > /v/out; touch /w/x 2>/dev/null || echo refused"
    done = shell.must(
        "run", "--rm", "-v", f"{tmp_path}:/v", "-v", f"{tmp_path}:/w:ro", "box", "sh", "-c", script
    )
    assert done.lines == ["from outside", "refused"]
    assert (tmp_path / "out").read_text() == "inside\n"


def test_volume_target_does_not_follow_a_link_out(shell: CommandLine, tmp_path: Path) -> None:
    shell.must("run", "--name=linker", "box", "ln", "-s", f"{tmp_path}/outside", "/target")
    shell.must("commit", "linker", "linked")
    shell.must("rm", "linker")
    (tmp_path / "source").mkdir()
    shell.call("run", "--rm", "-v", f"{tmp_path}/source:/target", "linked", "touch", "/target/x")
    assert not (tmp_path / "outside").exists()
    shell.must("rmi", "linked")


def test_network_none_has_loopback_only(shell: CommandLine) -> None:
    done = shell.must("run", "--rm", "--network", "none", "box", "ls", "/sys/class/net")
    assert done.out.split() == ["lo"]
    host = shell.must("run", "--rm", "--network", "host", "box", "ls", "/sys/class/net")
    assert sorted(host.out.split()) == sorted(os.listdir("/sys/class/net"))


def test_streams_stay_apart_and_are_drained(shell: CommandLine) -> None:
    script = "dd if=/dev/zero bs=64k count=64 2>/dev/null | tr '\\0' x; echo error >&2"
    done = shell.must("run", "--rm", "box", "sh", "-c", script)
    assert len(done.out) == 64 * 65536 and set(done.out) == {"x"}
    assert done.err == "error\n"


def test_standard_input_needs_the_flag(shell: CommandLine) -> None:
    text = b"line\n" * 20000
    assert shell.must("run", "--rm", "-i", "box", "wc", "-l", stdin=text).out.strip() == "20000"
    assert shell.must("run", "--rm", "box", "wc", "-l", stdin=text).out.strip() == "0"


def test_image_and_host_are_not_changed(shell: CommandLine) -> None:
    shell.must("run", "--rm", "box", "sh", "-c", "rm -rf /etc/passwd /home; echo x > /new")
    done = shell.must("run", "--rm", "box", "sh", "-c", "ls -d /etc/passwd /home; ls /new || true")
    assert done.lines == ["/etc/passwd", "/home"]


def test_a_name_in_use_is_refused(shell: CommandLine) -> None:
    shell.must("create", "--name=taken", "box", "true")
    done = shell.fails(125, "run", "--name=taken", "box", "true")
    assert 'The container name "/taken" is already in use' in done.err
    shell.must("rm", "taken")


def test_what_is_private_to_the_container(shell: CommandLine) -> None:
    script = "echo $$; ls /proc | grep -c '^[0-9]'; ls /dev | tr '\\n' ' '; grep ' / ' /proc/mounts"
    done = shell.must("run", "--rm", "box", "sh", "-c", script)
    assert done.lines[0] == "1"
    assert int(done.lines[1]) < 8
    assert {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "fd", "stdin"} <= set(
        done.lines[2].split()
    )
    assert str(shell.root) not in "".join(
        os.fspath(word) for line in done.lines[3:] for word in line.split()[1:2]
    )


def test_capabilities_are_reduced(shell: CommandLine) -> None:
    script = "mount -t tmpfs x /tmp 2>/dev/null || echo refused; mknod /t c 1 3 && echo mknod"
    done = shell.must("run", "--rm", "box", "sh", "-c", script)
    assert done.lines == ["refused", "mknod"]


def test_no_descriptor_of_the_engine_leaks(shell: CommandLine) -> None:
    done = shell.must("run", "--rm", "box", "sh", "-c", "ls -l /proc/1/fd")
    names = [line.split()[8] for line in done.lines if "->" in line]
    assert set(names) <= {"0", "1", "2"}


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_not_taken_by_files_of_the_store(
    shell: CommandLine, closed: str
) -> None:
    words = " ".join(f'"{word}"' for word in shell.argv("run", "--rm", "box", "echo", "printed"))
    done = subprocess.run(
        ["sh", "-c", f"{words} {closed}"], env=shell.environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    for folder in ("locks", "containers"):
        for path in (shell.root / folder).rglob("*"):
            assert not path.is_file() or b"printed" not in path.read_bytes()


def test_names_of_hosts_and_servers(shell: CommandLine) -> None:
    flags = ["--add-host", "db:10.1.2.3", "--add-host=six=::7", "--dns", "9.9.9.9",
             "--dns-search", "x.y", "--dns-option", "ndots:3"]  # fmt: skip
    script = "tail -n2 /etc/hosts; cat /etc/resolv.conf"
    done = shell.must("run", "--name=named", *flags, "box", "sh", "-c", script)
    assert done.lines == [
        "10.1.2.3\tdb", "::7\tsix", "nameserver 9.9.9.9", "search x.y", "options ndots:3",
    ]  # fmt: skip
    template = "{{json .HostConfig.ExtraHosts}} {{.HostConfig.Dns}} {{.HostConfig.DnsSearch}}"
    shown = shell.must("inspect", "-f", template, "named").out
    assert shown == '["db:10.1.2.3","six=::7"] [9.9.9.9] [x.y]\n'
    assert shell.must("start", "-a", "named").lines == done.lines
    shell.must("rm", "named")
    for flag, text, message in (
        ("--add-host", "foo", 'bad format for add-host: "foo"'),
        ("--add-host", "foo:bar", 'invalid IP address in add-host: "bar"'),
        ("--dns", "x", "IP address is not correctly formatted: x"),
        ("--dns-search", "-x", "-x is not a valid domain"),
    ):
        refused = shell.fails(125, "run", flag, text, "box", "true")
        assert f'invalid argument "{text}" for "{flag}" flag: {message}' in refused.err
