"""config.json of an OCI runtime bundle: whatever was asked for, it is by the rules and says it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlayers import _core, capabilities, oci_bundle, oci_runtime, runtime_keeper
from fastlayers.cgroup import Hierarchies
from fastlayers.confinement import MASKED_PATHS, READ_ONLY_PATHS, confine
from fastlayers.container_options import ContainerOptions
from fastlayers.container_record import ContainerRecord
from fastlayers.errors import (
    CommandNotFoundError,
    InvalidError,
    LaunchError,
    NotExecutableError,
    UnsupportedError,
)
from fastlayers.limits import Limits
from fastlayers.mount_plan import plan_mounts
from fastlayers.oci import seccomp
from fastlayers.oci.seccomp import SeccompProfile
from fastlayers.store import Store
from tests.runtime_spec import violations

ID = "ab" * 32


def config_of(
    folder: Path,
    tty: bool = False,
    uid: int = 7,
    network_fd: int = -1,
    groups: Sequence[str] = (),
    **asked: Any,
) -> dict[str, Any]:
    """The config of a container with these options, as a program reads it."""
    options = ContainerOptions(tty=tty, **asked)
    directory = folder / ID
    directory.mkdir(exist_ok=True)
    record = {"id": ID, "options": options.to_json(), "config": {"Volumes": {"/data": {}}}}
    container = ContainerRecord(Store(str(folder / "store")), str(directory), record)
    spec = _core.LaunchSpec()
    spec.directory = str(directory)
    spec.argv = list(options.command or ["true"])
    spec.cwd = "/"
    spec.hostname = container.hostname
    spec.network = "none" if options.network == "none" else "host"
    spec.network_fd, spec.cgroups = network_fd, list(groups)
    spec.tty = tty
    spec.shm_bytes = options.shm_size or spec.shm_bytes
    confine(spec, options)
    plan_mounts(spec, container, container.mounts)
    account = oci_bundle.Account(uid, 8, [8, 9], ["A=b"], [])
    config = oci_bundle.bundle_config(container, spec, account, root="rootfs", folder="/bundle")
    raw = json.loads(oci_bundle.config_text(config))
    assert isinstance(raw, dict)
    return raw


def test_the_checker_finds_what_is_wrong() -> None:
    assert violations({}) != []
    good = {
        "ociVersion": "1.1.0",
        "root": {"path": "r"},
        "process": {"cwd": "/", "args": ["a"], "user": {"uid": 0, "gid": 0}},
    }
    assert violations(good) == []
    assert violations({**good, "x": 1}) == ["config.x is not known"]
    assert violations({**good, "root": {"path": 1}}) == ["config.root.path is 1"]
    assert violations({**good, "mounts": [{}]}) == ["config.mounts[0].destination is missing"]


def test_a_plain_container(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    assert violations(config) == []
    assert config["process"]["user"] == {
        "uid": 7,
        "gid": 8,
        "umask": 0o022,
        "additionalGids": [8, 9],
    }
    assert config["process"]["args"] == ["true"]
    assert config["process"]["env"] == ["A=b"]
    assert "noNewPrivileges" not in config["process"]
    assert config["root"] == {"path": "rootfs", "readonly": False}
    assert config["hostname"] == ID[:12]
    linux = config["linux"]
    assert [one["type"] for one in linux["namespaces"]] == ["pid", "ipc", "uts", "mount"]
    assert linux["maskedPaths"] == list(MASKED_PATHS)
    groups = linux["readonlyPaths"][len(READ_ONLY_PATHS) :]
    assert linux["readonlyPaths"] == [*READ_ONLY_PATHS, *groups]
    assert groups == list(dict.fromkeys(Hierarchies().version_1.values()))
    assert linux["resources"]["devices"][0] == {"allow": False, "access": "rwm"}
    assert "memory" not in linux["resources"]
    targets = [mount["destination"] for mount in config["mounts"]]
    assert targets[:2] == ["/proc", "/dev"]
    assert {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/data"} <= set(targets)


def mount_at(config: dict[str, Any], target: str) -> dict[str, Any]:
    found = [mount for mount in config["mounts"] if mount["destination"] == target]
    assert len(found) == 1
    return dict(found[0])


def test_mounts_and_what_lies_in_them(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = config_of(
        tmp_path,
        volumes=[
            f"{tmp_path}:/a/b:ro",
            f"{tmp_path}:/a",
            "/dev/null:/a/c",
            f"{tmp_path}/file:/a/d:ro",
            f"{tmp_path}:/etc/hosts",
        ],
        tmpfs=["/t:size=1m,mode=700,exec", "/u:ro"],
        shm_size=12345678,
        read_only=True,
    )
    assert violations(config) == []
    assert config["root"]["readonly"] is True
    targets = [mount["destination"] for mount in config["mounts"]]
    assert targets.index("/a") < targets.index("/a/b")
    assert {"ro", "rro", "nodev", "rbind"} <= set(mount_at(config, "/a/b")["options"])
    assert not {"ro", "rro"} & set(mount_at(config, "/a")["options"])
    assert mount_at(config, "/a/d")["options"] == ["rbind", "rprivate", "nodev", "ro"]
    assert "nodev" not in mount_at(config, "/a/c")["options"]
    assert mount_at(config, "/etc/hosts")["source"] == str(tmp_path)
    tmpfs = mount_at(config, "/t")
    assert tmpfs["type"] == "tmpfs"
    assert "noexec" not in tmpfs["options"]
    assert {"size=1m", "nosuid", "nodev"} <= set(tmpfs["options"]) or "size=1048576" in tmpfs[
        "options"
    ]
    assert {"ro", "noexec"} <= set(mount_at(config, "/u")["options"])
    assert "size=12345678" in mount_at(config, "/dev/shm")["options"]


def test_limits(tmp_path: Path) -> None:
    limits = Limits(
        memory=64 << 20,
        memory_swap=100 << 20,
        nano_cpus=500_000_000,
        cpu_shares=77,
        cpuset_cpus="0",
        pids=9,
    )
    resources = config_of(tmp_path, limits=limits)["linux"]["resources"]
    assert resources["memory"] == {"limit": 64 << 20, "swap": 100 << 20}
    assert resources["cpu"] == {"quota": 50_000, "period": 100_000, "shares": 77, "cpus": "0"}
    assert resources["pids"] == {"limit": 9}


def test_the_rarer_limits(tmp_path: Path) -> None:
    limits = Limits(
        memory_reservation=8 << 20,
        oom_kill_disable=True,
        cpu_period=20_000,
        cpu_quota=5_000,
        cpuset_mems="0",
        blkio_weight=300,
    )
    config = config_of(tmp_path, limits=limits)
    assert violations(config) == []
    resources = config["linux"]["resources"]
    assert resources["memory"] == {"reservation": 8 << 20, "disableOOMKiller": True}
    assert resources["cpu"] == {"quota": 5_000, "period": 20_000, "mems": "0"}
    assert resources["blockIO"] == {"weight": 300}


def test_settings_of_the_kernel(tmp_path: Path) -> None:
    config = config_of(
        tmp_path,
        ulimits=["nofile=10:20", "core=-1", "nofile=30"],
        oom_score_adj=7,
        sysctls=["net.ipv4.ip_forward=1"],
        network="none",
        domainname="here.example",
        annotations={"a": "b"},
    )
    assert violations(config) == []
    assert config["process"]["rlimits"] == [
        {"type": "RLIMIT_NOFILE", "soft": 30, "hard": 30},
        {"type": "RLIMIT_CORE", "soft": (1 << 64) - 1, "hard": (1 << 64) - 1},
    ]
    assert config["process"]["oomScoreAdj"] == 7
    assert config["linux"]["sysctl"] == {"net.ipv4.ip_forward": "1"}
    assert (config["domainname"], config["annotations"]) == ("here.example", {"a": "b"})
    plain = config_of(tmp_path)
    assert not {"domainname", "annotations"} & set(plain)
    assert not {"rlimits", "oomScoreAdj"} & set(plain["process"])


def test_privileged(tmp_path: Path) -> None:
    config = config_of(tmp_path, uid=0, privileged=True)
    assert violations(config) == []
    linux = config["linux"]
    assert "seccomp" not in linux
    assert linux["maskedPaths"] == [] and linux["readonlyPaths"] == []
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]
    assert "/dev/null" in [device["path"] for device in linux["devices"]]
    assert "rw" in mount_at(config, "/sys")["options"]
    given_names = config["process"]["capabilities"]["bounding"]
    assert given_names == config["process"]["capabilities"]["effective"]
    assert set(given_names) <= set(capabilities.NAMES)


def test_security_options(tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    rule = {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
    profile.write_text(
        json.dumps(
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "flags": ["SECCOMP_FILTER_FLAG_LOG"],
                "syscalls": [rule],
            }
        )
    )
    config = config_of(
        tmp_path,
        security_opt=[f"seccomp={profile}", "no-new-privileges", "systempaths=unconfined"],
        cap_drop=["ALL"],
        cap_add=["CHOWN"],
        network="none",
    )
    assert violations(config) == []
    assert config["process"]["noNewPrivileges"] is True
    assert config["process"]["capabilities"]["bounding"] == ["CAP_CHOWN"]
    assert config["process"]["capabilities"]["permitted"] == []  # the user is not root
    assert config["linux"]["seccomp"] == {
        "defaultAction": "SCMP_ACT_ALLOW",
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [rule],
    }
    assert config["linux"]["maskedPaths"] == []
    assert {"type": "network"} in config["linux"]["namespaces"]
    unconfined = config_of(tmp_path, security_opt=["seccomp=unconfined"])
    assert "seccomp" not in unconfined["linux"]


def test_the_default_profile_is_the_one_that_is_installed(tmp_path: Path) -> None:
    """What the document says, read as a profile that a person gave, makes a filter that lets pass
    and refuses what the built-in one does."""
    document = config_of(tmp_path)["linux"]["seccomp"]
    assert document["defaultAction"] == "SCMP_ACT_ERRNO"
    assert document["defaultErrnoRet"] == 1
    allowed = {
        name
        for rule in document["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW" and "args" not in rule
        for name in rule["names"]
    }
    assert {"read", "execve", "capset", "chroot"} <= allowed
    assert not {"keyctl", "mount", "unshare", "bpf", "reboot", "kexec_load"} & allowed
    parsed = SeccompProfile(json.dumps(document))
    of_container = capabilities.mask((), ())
    default, architectures, rules = _core.default_profile(of_container)
    assert parsed.default == default
    assert parsed.architectures(os.uname().machine) == architectures
    again = parsed.rules(capabilities.names_of(of_container), os.uname().machine, (99, 0))
    assert [(names, answer) for names, answer, _ in again] == [
        (names, answer) for names, answer, _ in rules
    ]


CONDITIONS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]),
        st.integers(0, (1 << 64) - 1),
        st.integers(0, (1 << 64) - 1),
    ),
    max_size=3,
    unique_by=lambda condition: condition[0],
)
ANSWERS = st.one_of(
    st.sampled_from([0, 0x80000000, 0x00030000, 0x7FFC0000, 0x7FFF0000]),
    st.integers(0, 0xFFFF).map(lambda number: 0x00050000 | number),
    st.integers(0, 0xFFFF).map(lambda number: 0x7FF00000 | number),
)
RULES = st.lists(
    st.tuples(
        st.lists(st.text("abcdef_", min_size=1), min_size=1, max_size=3), ANSWERS, CONDITIONS
    ),
    max_size=5,
)


@given(ANSWERS, RULES, st.integers(0, 7))
def test_a_profile_that_is_written_reads_as_it_was(
    default: int, rules: list[Any], flags: int
) -> None:
    parsed = SeccompProfile(
        json.dumps(seccomp.document(default, ["SCMP_ARCH_X86_64"], rules, flags))
    )
    assert parsed.default == default
    assert parsed.flags == flags
    assert parsed.architectures("x86_64") == ["SCMP_ARCH_X86_64"]
    assert parsed.rules([], "x86_64", (6, 1)) == rules


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@settings(max_examples=60, deadline=None)
@given(
    command=st.lists(WORDS, min_size=1, max_size=4),
    read_only=st.booleans(),
    privileged=st.booleans(),
    tty=st.booleans(),
    network=st.sampled_from(["host", "none"]),
    shm_size=st.integers(0, 1 << 40),
    cap_add=st.lists(st.sampled_from(["ALL", "NET_ADMIN", "CAP_CHOWN"])),
    cap_drop=st.lists(st.sampled_from(["ALL", "KILL"])),
    memory=st.just(0) | st.integers(6 << 20, 1 << 50),
    pids=st.integers(0, 1 << 30),
    shares=st.integers(0, 1 << 20),
)
def test_any_options_make_a_config_by_the_rules(
    tmp_path_factory: pytest.TempPathFactory,
    memory: int,
    pids: int,
    shares: int,
    **asked: Any,
) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    config = config_of(folder, limits=Limits(memory=memory, pids=pids, cpu_shares=shares), **asked)
    assert violations(config) == []
    assert config["process"]["args"] == asked["command"]
    assert config["process"]["terminal"] == asked["tty"]


def test_what_is_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="not UTF-8"):
        config_of(tmp_path, command=["a\udcff"])
    assert config_of(tmp_path, command=["\\udcff"])["process"]["args"] == ["\\udcff"]


def test_every_option_has_its_place_or_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ContainerOptions(tmpfs=["/t"])
    oci_bundle.refuse_what_it_cannot(options)
    assert frozenset(ContainerOptions.__slots__) >= oci_bundle._OPTIONS
    ignored = ContainerOptions(limits=Limits(memory=1 << 26, oom_kill_disable=True))
    oci_bundle.refuse_what_it_cannot(ignored)
    for name in ("youki", "/opt/youki"):
        object.__setattr__(ignored, "runtime", name)
        with pytest.raises(UnsupportedError, match="--oom-kill-disable is not supported with youk"):
            oci_bundle.refuse_what_it_cannot(ignored)
    monkeypatch.setattr(oci_bundle, "_OPTIONS", oci_bundle._OPTIONS - {"tmpfs", "hostname"})
    with pytest.raises(UnsupportedError, match="--tmpfs is not supported with an OCI runtime"):
        oci_bundle.refuse_what_it_cannot(options)


def test_names_of_runtimes() -> None:
    for name in ("", "crun", "runc", "youki", "/opt/crun"):
        assert ContainerOptions(runtime=name).runtime == name
        assert ContainerOptions.from_json(ContainerOptions(runtime=name).to_json()).runtime == name
    for name in ("docker", "./crun", "crun ", "/a\0b"):
        with pytest.raises(InvalidError):
            ContainerOptions(runtime=name)


def test_a_runtime_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnsupportedError, match="runtime 'youki' is not installed: it is not in"):
        oci_runtime.find_runtime("youki")
    program = tmp_path / "youki"
    program.touch(0o755)
    assert oci_runtime.find_runtime("youki") == str(program)
    assert oci_runtime.find_runtime(str(program)) == str(program)
    with pytest.raises(UnsupportedError, match="there is no such program"):
        oci_runtime.find_runtime(str(tmp_path / "other"))


def test_a_user_namespace_has_no_control_groups_and_no_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_core, "in_initial_user_namespace", lambda: False)
    config = config_of(tmp_path, devices=["/dev/zero:/dev/mine"])
    assert {"cgroupsPath", "resources", "devices"}.isdisjoint(config["linux"])
    mounts = {mount["destination"]: mount for mount in config["mounts"]}
    assert (mounts["/dev/mine"]["source"], mounts["/sys"]["type"]) == ("/dev/zero", "bind")
    # Limits are kept by groups that are there, of which it is told one of version 2.
    unified = Hierarchies().unified or "/nowhere"
    first, second = "/sys/fs/cgroup-1/memory/fastlayers/abc", f"{unified}/user.slice/fastlayers/abc"
    for is_alone in (True, False):
        monkeypatch.setattr(oci_bundle, "has_only_version_2", lambda is_alone=is_alone: is_alone)
        config = config_of(tmp_path, limits=Limits(memory=1 << 26), groups=[first, second])
        assert "resources" not in config["linux"]
        known = "/user.slice/fastlayers/abc" if Hierarchies().unified else None
        assert config["linux"].get("cgroupsPath") == known
        targets = [mount["destination"] for mount in config["mounts"]]
        assert ("/sys/fs/cgroup" in targets) == is_alone
    assert "cgroupsPath" not in config_of(tmp_path, groups=[first])["linux"]


def test_namespaces_that_are_shared_or_joined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(tmp_path, pid="host", network="container:x", network_fd=9)
    assert violations(config) == []
    spaces = {space["type"]: space.get("path") for space in config["linux"]["namespaces"]}
    assert "pid" not in spaces and spaces["network"] == "/bundle/network"
    assert mount_at(config, "/proc")["type"] == "proc"
    monkeypatch.setattr(_core, "in_initial_user_namespace", lambda: False)
    config = config_of(tmp_path, pid="host", network="container:x", network_fd=9)
    assert mount_at(config, "/proc")["type"] == "bind"
    assert mount_at(config, "/sys")["type"] == "sysfs"  # of a network of its own it can be shown


@pytest.mark.parametrize(
    ("log", "error"),
    [
        ('{"msg":"one","level":"error"}\n{"level":"error","msg":"two"}\n\n', "two"),
        ("plain text\n", "plain text"),
        ('{"level":"error"}\n', '{"level":"error"}'),
        ('["msg"]\n', '["msg"]'),
        ("", ""),
        ("x" * 100_000, "x" * 4000),
        ("\udcff\n", "\ufffd"),
        ('{"msg":"one\\n two"}\n', "one two"),
        ('{"level":"ERROR","message":"one","target":"youki"}\n', "one"),
        (
            '{"message":"one","err":"ENOENT","path":"/x"}\n{"message":"two"}\n{"message":"three"}',
            "three (one, err ENOENT, path /x)",
        ),
        ('{"level":"warning","msg":"one"}\n{"msg":""}\n{"msg":"two"}\n', "two"),
        ('{"message":[1]}\n', "[1]"),
    ],
)
def test_the_last_error_in_a_log(
    log: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert runtime_keeper._last_error() == ""
    (tmp_path / "runtime.log").write_bytes(log.encode("utf-8", "surrogateescape"))
    assert runtime_keeper._last_error() == error


def test_a_process_joins_its_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("0", "1"):
        (tmp_path / "cgroups" / name).mkdir(parents=True)
    assert runtime_keeper.join(json.dumps({"bundle": str(tmp_path), "pid": 77})) == 0
    found = [path.read_text() for path in tmp_path.glob("cgroups/*/cgroup.procs")]
    assert found == ["77", "77"]
    for wrong in (
        "",
        "{",
        "[]",
        "{}",
        '{"bundle": 1, "pid": 1}',
        '{"bundle": "/nosuch", "pid": 1}',
    ):
        assert runtime_keeper.join(wrong) == 1
        assert capsys.readouterr().err.strip(), wrong


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ('exec: "x": executable file not found in $PATH', CommandNotFoundError),
        ("executable file `x` not found in $PATH: No such file or directory", CommandNotFoundError),
        ('exec: "/etc": permission denied', NotExecutableError),
        ("exec user process caused: exec format error", NotExecutableError),
        ("mount `/x`: No such file or directory", LaunchError),
        ("error in executing command: exec process failed with error x: not found", LaunchError),
        ("exec process failed with error executable 'x' not found in $PATH", CommandNotFoundError),
        (
            "exec process failed with error executable 'x' at path '\"/x\"' does not have correct "
            "permissions",
            NotExecutableError,
        ),
        ("", LaunchError),
    ],
)
def test_what_a_runtime_says(said: str, kind: type[LaunchError]) -> None:
    message = json.dumps({"error": said}).encode()
    error = oci_runtime._failure("crun", message)
    assert type(error) is kind
    assert str(error) == f"runtime 'crun': {said}"
    assert "was ended before" in str(oci_runtime._failure("crun", b""))
