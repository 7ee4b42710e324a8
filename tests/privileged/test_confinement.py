"""What a container's processes are kept from, seen from inside: as Docker's defaults have it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from fastlayers import _core
from fastlayers.cgroup import Hierarchies
from fastlayers.errors import HostError
from tests.command_line import PROGRAM, CommandLine

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]

DEFAULT = "00000000a80425fb"  # CapBnd of a container of Docker's
NOTHING = "0000000000000000"
EPERM, ENOSYS = 1, 38

# Says how the kernel answers a system call: "0", or the errno.
ASK = r"""
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char** words) {
  for (int i = 1; i < count; ++i) {
    char* rest = words[i];
    long a[7] = {0};
    for (int k = 0; k < 7 && *rest; ++k) a[k] = strtoul(rest, &rest, 0), rest += *rest == ',';
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      long result = syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
      _exit(result >= 0 ? 0 : errno);
    }
    int status;
    waitpid(child, &status, 0);
    printf("%d\n", WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
  }
}
"""
SOCKET, CLONE, PTRACE, PERSONALITY, MOUNT = 41, 56, 101, 135, 165
REBOOT, KEXEC_LOAD, ADD_KEY, KEYCTL, UNSHARE = 169, 246, 248, 250, 272
BPF, CLONE3, OPEN_TREE, MSEAL, NEWEST, SETTIMEOFDAY = 321, 435, 428, 462, 600, 164
NEW_USER, NEW_NET = 0x10000000, 0x40000000


# Looks at each process that comes, from its birth, until a file is there. Says how many it has seen
# before they executed a file, the capabilities that any of those was permitted, how many had no
# filter, and how often the word was in what they began with.
WATCH = r"""
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
std::string read_all(int process, const char* name) {
  std::string path = "/proc/" + std::to_string(process) + name, text(65536, 0);
  int file = open(path.c_str(), O_RDONLY);
  ssize_t size = file < 0 ? -1 : read(file, text.data(), text.size());
  if (file >= 0) close(file);
  text.resize(size > 0 ? size : 0);
  return text;
}
int main(int, char** words) {
  unsigned long long capabilities = 0;
  int next = getpid() + 1, seen = 0, unfiltered = 0, found = 0;
  struct stat status;
  while (stat(words[1], &status) != 0) {
    for (int process = next; process < next + 4; ++process) {
      bool is_new = false;
      for (std::string text; !(text = read_all(process, "/status")).empty();) {
        std::string start = read_all(process, "/environ");
        if (text.find("Name:\tbusybox") == 0 || text.find("Name:\ttrue") == 0) break;
        is_new = true;
        auto at = text.find("CapPrm:");
        if (at != text.npos) capabilities |= strtoull(text.c_str() + at + 7, nullptr, 16);
        unfiltered += text.find("Seccomp:\t0") != text.npos;
        found += start.find(words[2]) != start.npos;
      }
      seen += is_new;
      if (is_new) next = process + 1;
    }
  }
  printf("%d %llx %d %d\n", seen, capabilities, unfiltered, found);
}
"""


def _build(directory: Path, source: str) -> Path:
    (directory / "program.cpp").write_text(source)
    command = ["g++", "-static", "-O1", "-o", "program", "program.cpp"]
    subprocess.run(command, cwd=directory, check=True)
    return directory


@pytest.fixture(scope="module")
def ask_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(tmp_path_factory.mktemp("ask"), ASK)


def _answers(shell: CommandLine, program: Path, options: list[str], *calls: str) -> list[int]:
    flags = ["--rm", "-v", f"{program}:/asking:ro", *options]
    said = shell.must("run", *flags, "box", "/asking/program", *calls).out
    return [int(line) for line in said.split()]


def _status(shell: CommandLine, *options: str) -> dict[str, str]:
    text = shell.must("run", "--rm", *options, "box", "cat", "/proc/self/status").out
    return {k: v.strip() for k, _, v in (line.partition(":") for line in text.splitlines())}


def _own_bounding_set() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("CapBnd"))


def test_what_the_profile_refuses_and_lets_pass(shell: CommandLine, ask_program: Path) -> None:
    expected = {
        f"{KEYCTL},0,-3": EPERM,
        f"{ADD_KEY}": EPERM,
        f"{BPF}": EPERM,
        f"{KEXEC_LOAD}": EPERM,
        f"{REBOOT}": EPERM,
        f"{MOUNT}": EPERM,
        f"{OPEN_TREE}": EPERM,
        f"{SETTIMEOFDAY}": EPERM,
        f"{UNSHARE},{NEW_USER}": EPERM,
        f"{CLONE},{NEW_USER | 17}": EPERM,
        f"{CLONE},{NEW_NET | 17}": EPERM,
        f"{CLONE3}": ENOSYS,
        f"{NEWEST}": ENOSYS,  # newer than the profile: programs are to do without
        f"{SOCKET},40,1": EPERM,  # AF_VSOCK
        f"{SOCKET},38,5": EPERM,  # AF_ALG
        f"{SOCKET},0x100000028,1": EPERM,  # AF_VSOCK, for the kernel takes an int
        f"{SOCKET},1,1": 0,
        f"{SOCKET},2,1": 0,
        f"{PERSONALITY},0xffffffff": 0,
        f"{PERSONALITY},0x40000": EPERM,  # ADDR_NO_RANDOMIZE
        f"{PTRACE},0": 0,  # PTRACE_TRACEME
    }
    answers = _answers(shell, ask_program, [], *expected)
    assert dict(zip(expected, answers, strict=True)) == expected


@pytest.mark.parametrize(
    ("capability", "call"),
    [
        ("SYS_ADMIN", f"{UNSHARE},{NEW_NET}"),
        ("sys_time", f"{SETTIMEOFDAY}"),
        ("CAP_SYS_ADMIN", f"{CLONE},{NEW_NET | 17}"),
    ],
)
def test_a_capability_opens_its_calls(
    shell: CommandLine, ask_program: Path, capability: str, call: str
) -> None:
    assert _answers(shell, ask_program, [], call) == [EPERM]
    assert _answers(shell, ask_program, ["--cap-add", capability], call) == [0]


def test_clone3_is_there_with_sys_admin(shell: CommandLine, ask_program: Path) -> None:
    answers = _answers(shell, ask_program, ["--cap-add", "SYS_ADMIN"], f"{CLONE3}")
    assert answers == [22]  # EINVAL: the kernel has looked at it


def test_capabilities_and_filter_as_docker_documents_them(shell: CommandLine) -> None:
    root = _status(shell)
    sets = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Seccomp", "NoNewPrivs")
    assert [root[s] for s in sets] == [NOTHING, DEFAULT, DEFAULT, DEFAULT, NOTHING, "2", "0"]
    user = _status(shell, "-u", "1000")
    assert [user[s] for s in sets] == [NOTHING, NOTHING, NOTHING, DEFAULT, NOTHING, "2", "0"]


@pytest.mark.parametrize(
    ("options", "bounding"),
    [
        (["--cap-drop", "ALL"], 0),
        (["--cap-drop", "all", "--cap-add", "net_raw"], 1 << 13),
        (["--cap-drop", "ALL", "--cap-drop", "KILL", "--cap-add", "KILL"], 1 << 5),
        (["--cap-drop", "CAP_CHOWN"], 0xA80425FB & ~1),
        (["--cap-add", "SYS_TIME", "--cap-drop", "sys_time"], 0xA80425FB | 1 << 25),
    ],
)
def test_capabilities_are_added_and_dropped(
    shell: CommandLine, options: list[str], bounding: int
) -> None:
    status = _status(shell, *options)
    assert [int(status[s], 16) for s in ("CapBnd", "CapPrm", "CapEff")] == [bounding] * 3


def test_all_but_one(shell: CommandLine) -> None:
    everything = int(_status(shell, "--cap-add", "ALL")["CapBnd"], 16)
    assert everything == _own_bounding_set()
    fewer = int(_status(shell, "--cap-add", "ALL", "--cap-drop", "SYS_ADMIN")["CapEff"], 16)
    assert fewer == everything & ~(1 << 21)


@pytest.mark.needs("setpriv")
def test_a_capability_that_cannot_be_had_here_is_named(shell: CommandLine) -> None:
    def without(*options: str) -> subprocess.CompletedProcess[str]:
        less = ["setpriv", "--bounding-set=-sys_time", *PROGRAM, "run", "--rm", *options, "box"]
        script = [*less, "grep", "CapBnd", "/proc/self/status"]
        return subprocess.run(script, env=shell.environment, capture_output=True, text=True)

    refused = without("--cap-add", "sys_time")
    assert refused.returncode == 125
    expected = "invalid CapAdd: capability not supported by your kernel or not available in the cur"
    assert expected in refused.stderr and '"CAP_SYS_TIME"' in refused.stderr
    for options in (("--cap-add", "ALL"), ("--privileged",)):
        everything = int(without(*options).stdout.split()[1], 16)
        assert everything == _own_bounding_set() & ~(1 << 25)


def test_unknown_capability_and_option_are_named(shell: CommandLine) -> None:
    for flag, value, text in [
        ("--cap-add", "nonsense", 'invalid CapAdd: unknown capability: "CAP_NONSENSE"'),
        ("--cap-drop", "CAP_X", 'invalid CapDrop: unknown capability: "CAP_X"'),
        ("--security-opt", "nonsense", 'invalid --security-opt: "nonsense"'),
        ("--security-opt", "apparmor=mine", "apparmor=mine is not supported"),
        ("--security-opt", "label=type:x", "label=type:x is not supported"),
        ("--security-opt", "seccomp=/absent", "opening seccomp profile (/absent) failed"),
    ]:
        done = shell.call("run", "--rm", flag, value, "box", "true")
        assert done.code == 125
        assert text in done.err


def test_no_new_privileges(shell: CommandLine) -> None:
    for option in ("no-new-privileges", "no-new-privileges=true"):
        assert _status(shell, "--security-opt", option)["NoNewPrivs"] == "1"
    assert _status(shell, "--security-opt", "no-new-privileges=false")["NoNewPrivs"] == "0"
    assert _status(shell, "--security-opt", "no-new-privileges", "-u", "7")["Seccomp"] == "2"


def test_a_profile_of_ones_own(shell: CommandLine, ask_program: Path, tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    rules = [
        {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
        {
            "names": ["personality"],
            "action": "SCMP_ACT_ERRNO",
            "args": [{"index": 0, "value": 0xFF, "valueTwo": 8, "op": "SCMP_CMP_MASKED_EQ"}],
        },
        {"names": ["keyctl"], "action": "SCMP_ACT_KILL_PROCESS"},
    ]
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}))
    options = ["--security-opt", f"seccomp={profile}"]
    calls = ["83,0", f"{PERSONALITY},8", f"{PERSONALITY},0", f"{KEYCTL},0,-3"]
    assert _answers(shell, ask_program, options, *calls) == [28, EPERM, 0, -31]
    profile.write_text('{"defaultAction": "SCMP_ACT_PERHAPS"}')
    done = shell.call("run", "--rm", *options, "box", "true")
    assert done.code == 125
    assert "unknown defaultAction 'SCMP_ACT_PERHAPS'" in done.err


def test_no_filter_at_all(shell: CommandLine, ask_program: Path) -> None:
    assert _status(shell, "--security-opt", "seccomp=unconfined")["Seccomp"] == "0"
    unconfined = ["--security-opt", "seccomp=unconfined"]
    assert _answers(shell, ask_program, unconfined, f"{UNSHARE},{NEW_USER}") == [0]


def test_devices_cannot_be_made_to_be_opened(shell: CommandLine) -> None:
    script = "mknod /n c 1 3 && mknod /dev/shm/n c 1 3; for f in /n /dev/shm/n; do cat $f; done"
    done = shell.call("run", "--rm", "box", "sh", "-c", script)
    assert done.err.count("Permission denied") == 2


def test_privileged(shell: CommandLine) -> None:
    status = _status(shell, "--privileged")
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16)
    assert int(status["CapEff"], 16) >> 40 == 1
    assert status["Seccomp"] == "0"
    script = (
        "mknod /n c 1 3 && cat /n && test -c /dev/kmsg && "
        "mount -t tmpfs x /tmp && echo $(cat /proc/sys/kernel/domainname) >/dev/null && "
        "grep -c ' /proc/[a-z]' /proc/mounts; grep ' /sys sysfs rw' /proc/mounts"
    )
    done = shell.call("run", "--rm", "--privileged", "box", "sh", "-c", "mkdir -p /tmp; " + script)
    assert (done.code, done.out.splitlines()[0], done.err) == (0, "0", "")


def test_exec_is_confined_as_its_container_is(shell: CommandLine) -> None:
    shell.must("run", "-d", "--name", "calm", "--cap-drop", "CHOWN", "box", "sleep", "100")
    try:
        sets = ("grep", "-E", "CapEff|Seccomp:", "/proc/self/status")
        assert shell.must("exec", "calm", *sets).out.split() == [
            "CapEff:", "00000000a80425fa", "Seccomp:", "2"]  # fmt: skip
        privileged = shell.must("exec", "--privileged", "calm", *sets).out.split()
        assert int(privileged[1], 16) >> 40 == 1
        assert privileged[3] == "2"  # as Docker's: the container's filter
    finally:
        shell.must("rm", "-f", "calm")


def test_inspect_tells(shell: CommandLine) -> None:
    options = ["--cap-add", "sys_time", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
    shell.must("create", "--name", "told", *options, "box", "true")
    host = json.loads(shell.must("inspect", "told").out)[0]["HostConfig"]
    assert (host["CapAdd"], host["CapDrop"]) == (["CAP_SYS_TIME"], ["ALL"])
    assert (host["SecurityOpt"], host["Privileged"]) == (["no-new-privileges"], False)
    assert "/proc/kcore" in host["MaskedPaths"]
    assert "/proc/sys" in host["ReadonlyPaths"]
    shell.must("create", "--name", "mighty", "--privileged", "box", "true")
    host = json.loads(shell.must("inspect", "mighty").out)[0]["HostConfig"]
    assert (host["Privileged"], host["MaskedPaths"], host["ReadonlyPaths"]) == (True, None, None)


# Makes the device that it is given by number, and one that anybody has, where it may; opens them.
MAKE_DEVICE = """
mkdir -p /m && mount -t tmpfs none /m || exit 1
mknod /m/made c $0 && mknod /m/null c 1 3 || exit 1
(exec 3< /m/null) && echo null; (exec 3< /m/made) && echo made; (exec 3< /made) && echo given
"""
CONTROL = "/dev/loop-control"


@pytest.fixture
def number() -> str:
    device = os.stat(CONTROL).st_rdev
    return f"{os.major(device)} {os.minor(device)}"


def test_who_may_mount_gets_at_no_devices_of_the_host(shell: CommandLine, number: str) -> None:
    run = ("run", "--rm", "--cap-add")
    make = ("box", "sh", "-c", MAKE_DEVICE, number)
    for capability in ("SYS_ADMIN", "ALL"):
        done = shell.call(*run, capability, *make)
        assert done.out == "null\n", done.err
        assert "Operation not permitted" in done.err
    given = shell.call(*run, "SYS_ADMIN", "--device", f"{CONTROL}:/made", *make)
    assert given.lines == ["null", "made", "given"]
    assert shell.call("run", "--rm", "--privileged", *make).lines == ["null", "made"]


def test_nor_who_is_executed_as_privileged(shell: CommandLine, number: str) -> None:
    unfiltered = ("--security-opt", "seccomp=unconfined")
    shell.must("run", "-d", "--name", "plain", *unfiltered, "box", "sleep", "1000")
    words = ("exec", "--privileged", "plain", "sh", "-c", MAKE_DEVICE, number)
    assert shell.call(*words).out == "null\n"
    # Nor others that are in it already, by what has been made now.
    assert "not permitted" in shell.call("exec", "plain", "sh", "-c", "exec 3< /m/made").err
    pid = shell.must("inspect", "-f", "{{.State.Pid}}", "plain").out.strip()
    assert "/fastlayers/" in Path(f"/proc/{pid}/cgroup").read_text()
    (document,) = json.loads(shell.must("inspect", "plain").out)
    shell.must("rm", "-f", "plain")
    found = subprocess.run(["find", "/sys/fs/cgroup", "-name", document["Id"]], capture_output=True)
    assert found.stdout == b""


def test_the_filter_of_version_2(number: str) -> None:
    root = Hierarchies().unified
    if not root:
        pytest.skip("control groups of version 2 are not mounted here")
    group = Path(root, f"fastlayers-test-{os.getpid()}")
    group.mkdir()
    script = f"echo $$ > {group}/cgroup.procs; : < /dev/null || exit 9; : < {CONTROL}"

    def refused() -> bool:
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
        assert done.returncode in (0, 2)
        assert (done.returncode == 2) == ("Operation not permitted" in done.stderr)
        return done.returncode == 2

    try:
        assert not refused()
        block = (True, *map(int, number.split()), "rwm")
        _core.restrict_devices(str(group), [(False, 1, 3, "rw"), block])
        assert refused()
        _core.restrict_devices(str(group), [(False, int(number.split()[0]), -1, "rwm")])
        assert refused()  # a second time nothing is changed
    finally:
        group.rmdir()
    for access in ("rwm", "r", "rm", "w", "m"):
        group.mkdir()
        try:
            rules = [(False, 1, 3, "r"), (False, int(number.split()[0]), -1, access)]
            _core.restrict_devices(str(group), rules)
            assert refused() == ("r" not in access)
        finally:
            group.rmdir()
    with pytest.raises(HostError, match="No such file"):
        _core.restrict_devices(str(group), [])


PROFILE_WITHOUT_SESSIONS = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["setsid"], "action": "SCMP_ACT_ERRNO"}],
}


def test_whoever_may_trace_sees_nothing_of_ours_in_who_joins(
    shell: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = _build(tmp_path, WATCH)
    options = ["--cap-add", "SYS_PTRACE", "-v", f"{program}:/watching:ro"]
    word = "a-secret-of-the-caller"
    monkeypatch.setenv("SECRET", word)
    shell.must("run", "-d", "--name", "eye", *options, "box", "/watching/program", "/end", word)
    permitted = int(_status(shell, "--cap-add", "SYS_PTRACE")["CapPrm"], 16)
    for _ in range(100):
        shell.must("exec", "eye", "true")
    shell.must("exec", "eye", "touch", "/end")
    shell.must("wait", "eye")
    seen, capabilities, unfiltered, found = shell.must("logs", "eye").out.split()
    shell.must("rm", "eye")
    assert int(seen) > 10
    assert int(capabilities, 16) & ~permitted == 0
    assert (unfiltered, found) == ("0", "0")


def test_a_profile_that_forbids_what_joining_takes(shell: CommandLine, tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps(PROFILE_WITHOUT_SESSIONS))
    options = ["-d", "--security-opt", f"seccomp={profile}"]
    shell.must("run", *options, "--name", "plain", "box", "sleep", "1000")
    script = "echo $$; cut -d ' ' -f 6 /proc/self/stat; grep Seccomp: /proc/self/status"
    process, session, filtered = shell.must("exec", "plain", "sh", "-c", script).lines
    assert (session, filtered) == (process, "Seccomp:\t2")
    shell.must("run", *options, "--cap-add", "SYS_PTRACE", "--name", "eye", "box", "sleep", "1000")
    refused = shell.fails(1, "exec", "eye", "true")
    assert "forbids what joining it takes" in refused.err
    shell.must("rm", "-f", "plain", "eye")
