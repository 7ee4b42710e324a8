"""Limits: how they are written, what makes no sense, and what the kernel's files are told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers import cgroup, process, systemd
from fastlayers.container_options import ContainerOptions
from fastlayers.errors import HostError, InvalidError, UnsupportedError
from fastlayers.limits import Limits, parse_bytes, parse_cpus

ID = "f" * 64


@pytest.mark.parametrize(
    ("text", "bytes"),
    [("500", 500), ("500b", 500), ("64k", 65536), ("64KiB", 65536), ("64kb", 65536),
     ("1.5g", 3 << 29), ("2 GB", 2 << 30), ("1T", 1 << 40), ("0.5m", 1 << 19)],
)  # fmt: skip
def test_bytes(text: str, bytes: int) -> None:
    assert parse_bytes(text) == bytes


@pytest.mark.parametrize(
    "text", ["", "k", "-1", "1x", "1kk", "1.m", "\u0661k", "1e3", "9" * 30, "1 k b"]
)
def test_what_is_no_number_of_bytes(text: str) -> None:
    with pytest.raises(InvalidError, match="invalid size"):
        parse_bytes(text)


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    for parse in (parse_bytes, parse_cpus):
        try:
            assert parse(text) >= 0
        except InvalidError:
            pass


def test_cpus() -> None:
    assert [parse_cpus(text) for text in ("1", "1.5", ".25", "0.000000001")] == [
        10**9, 15 * 10**8, 25 * 10**7, 1,
    ]  # fmt: skip
    for text in ("", "-1", "one", "1.5.5", "1" * 30):
        with pytest.raises(InvalidError, match="as a rational number"):
            parse_cpus(text)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"memory": 5 << 20}, "Minimum memory limit allowed is 6MB"),
        ({"memory": -1}, "Minimum memory limit"),
        ({"memory_swap": 1 << 30}, "always set the Memory limit"),
        ({"memory": 64 << 20, "memory_swap": 32 << 20}, "should be larger than memory limit"),
        ({"nano_cpus": 10**6}, r"Range of CPUs is from 0\.01 to"),
        ({"nano_cpus": 10**15}, "Range of CPUs"),
        ({"cpu_shares": -1}, "must be a positive integer"),
        ({"cpuset_cpus": "0,x"}, "Invalid value 0,x for cpuset cpus"),
        ({"cpuset_cpus": "1-0"}, "Invalid value 1-0 for cpuset cpus"),
        ({"cpuset_cpus": "0-9999"}, "Requested CPUs are not available - requested 0-9999"),
    ],
)
def test_limits_that_make_no_sense(values: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        Limits(**values)  # type: ignore[arg-type]


def test_limits_are_kept_in_the_record() -> None:
    limits = Limits(memory=64 << 20, memory_swap=-1, nano_cpus=10**9, cpuset_cpus="0", pids=5)
    options = ContainerOptions(limits=limits)
    assert ContainerOptions.from_json(options.to_json()).limits.to_json() == limits.to_json()
    assert ContainerOptions.from_json({}).limits.to_json() == Limits().to_json()
    assert not Limits(pids=-1) and limits
    with pytest.raises(InvalidError, match="limits: memory is 64m"):
        ContainerOptions.from_json({"limits": {"memory": "64m"}})


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files in the places of the kernel's; `mounts` says what is mounted."""
    real = cgroup.Hierarchies
    membership = tmp_path / "membership"
    membership.write_text("1:name=systemd:/elsewhere\n0::/\n")
    monkeypatch.setattr(
        cgroup, "Hierarchies", lambda: real(str(tmp_path / "mounts"), str(membership))
    )
    return tmp_path


def mount(host: Path, *, unified: str = "", version_1: tuple[str, ...] = ()) -> None:
    lines = []
    for names in version_1:
        (host / names).mkdir()
        lines.append(f"30 20 0:30 / {host / names} rw - cgroup cgroup rw,{names}\n")
    if unified:
        (host / "unified").mkdir()
        (host / "unified" / "cgroup.controllers").write_text(unified)
        for name in ("cgroup.procs", "cgroup.subtree_control"):
            (host / "unified" / name).write_text("")
        lines.append(f"31 20 0:31 / {host / 'unified'} rw - cgroup2 none rw\n")
    (host / "mounts").write_text("22 1 8:1 / / rw - ext4 /dev/vda rw\n" + "".join(lines))


def kernel_makes(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """The files that are in a new group."""
    make = cgroup._make

    def make_with_files(path: str) -> None:
        make(path)
        for name in names:
            Path(path, name).touch()

    monkeypatch.setattr(cgroup, "_make", make_with_files)


def written(group: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in group.iterdir()}


ALL = Limits(memory=64 << 20, nano_cpus=15 * 10**8, cpu_shares=1024, cpuset_cpus="0-1", pids=7)


def test_version_2(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount(host, unified="cpuset cpu io memory pids")
    kernel_makes(monkeypatch, "memory.swap.max")
    parent = host / "unified" / "fastlayers"
    assert cgroup.create(ID, ALL) == [str(parent / ID)]
    assert written(parent / ID) == {
        "memory.max": "67108864",
        "memory.swap.max": "67108864",
        "cpu.max": "150000 100000",
        "cpu.weight": "39",
        "pids.max": "7",
        "cpuset.cpus": "0-1",
    }
    for path in (host / "unified", parent):
        assert (path / "cgroup.subtree_control").read_text() == "+cpuset", "the last of them"
    cgroup.create(ID, Limits(memory=64 << 20, memory_swap=-1))
    assert written(parent / ID)["memory.swap.max"] == "max"


def test_version_1(host: Path) -> None:
    mount(host, version_1=("memory", "cpu,cpuacct", "pids", "cpuset"))
    (host / "memory" / "memory.memsw.limit_in_bytes").write_text("")
    for name, value in (("cpuset.cpus", "0-3\n"), ("cpuset.mems", "0\n")):
        (host / "cpuset" / name).write_text(value)
    groups = cgroup.create(ID, ALL)
    assert groups == [
        str(host / name / "fastlayers" / ID) for name in ("memory", "cpu,cpuacct", "pids", "cpuset")
    ]
    found = [written(Path(group)) for group in groups]
    assert found == [
        {"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "134217728"},
        {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "150000", "cpu.shares": "1024"},
        {"pids.max": "7"},
        {"cpuset.cpus": "0-1", "cpuset.mems": "0"},
    ]
    assert (host / "cpuset" / "fastlayers" / "cpuset.cpus").read_text() == "0-3"


def test_a_controller_that_is_not_there_is_named(host: Path) -> None:
    mount(host, version_1=("memory",))
    with pytest.raises(UnsupportedError, match="no pids controller"):
        cgroup.create(ID, Limits(pids=5))
    with pytest.raises(UnsupportedError, match="does not limit swap"):
        cgroup.create(ID, Limits(memory=64 << 20, memory_swap=128 << 20))
    assert not os.path.exists(host / "memory" / "fastlayers" / ID)


def test_version_2_without_a_limit_of_swap(host: Path) -> None:
    mount(host, unified="memory")
    group = host / "unified" / "fastlayers" / ID
    cgroup.create(ID, Limits(memory=64 << 20))
    assert written(group) == {"memory.max": "67108864"}
    (group / "memory.max").unlink()
    with pytest.raises(UnsupportedError, match="does not limit swap"):
        cgroup.create(ID, Limits(memory=64 << 20, memory_swap=128 << 20))
    assert not group.exists()


@pytest.mark.parametrize(
    ("there", "weight"),
    [(("io.weight",), ("io.weight", "4950")),
     (("io.weight", "io.bfq.weight"), ("io.bfq.weight", "500"))],
)  # fmt: skip
def test_weight_of_disks_in_version_2(
    host: Path, monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], weight: tuple[str, str]
) -> None:
    mount(host, unified="io")
    kernel_makes(monkeypatch, *there)
    cgroup.create(ID, Limits(blkio_weight=500))
    assert weight in written(host / "unified" / "fastlayers" / ID).items()


def test_disks_that_are_not_weighed(host: Path) -> None:
    mount(host, unified="io")
    with pytest.raises(UnsupportedError, match="leave --blkio-weight out"):
        cgroup.create(ID, Limits(blkio_weight=500))
    assert not (host / "unified" / "fastlayers" / ID).exists()


@pytest.mark.parametrize(
    ("shown", "own", "home"),
    [
        ("/", "/user.slice/user-7.slice/user@7.service/app.slice/x.scope",
         "user.slice/user-7.slice/user@7.service"),
        ("/user.slice", "/user.slice/user-7.slice/user@7.service", "user-7.slice/user@7.service"),
        ("/", "/user.slice/user-7.slice/session-1.scope", "user.slice/user-7.slice/user@7.service"),
        ("/other", "/user.slice/user-7.slice/user@7.service", ""),
    ],
)  # fmt: skip
def test_where_a_user_has_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: str, own: str, home: str
) -> None:
    root = tmp_path / "unified"
    service = root / "user.slice" / "user-7.slice" / "user@7.service"
    for path in (service, root / "user-7.slice" / "user@7.service"):
        path.mkdir(parents=True)
    (tmp_path / "mounts").write_text(f"31 20 0:31 {shown} {root} rw - cgroup2 none rw\n")
    (tmp_path / "membership").write_text(f"0::{own}\n")
    monkeypatch.setattr(cgroup, "_is_given", lambda group: "user@7.service" in group)
    monkeypatch.setattr(cgroup._core, "in_initial_user_namespace", lambda: False)
    found = cgroup.Hierarchies(str(tmp_path / "mounts"), str(tmp_path / "membership"))
    assert found.home == (str(root / home) if home else "")
    assert found.is_inside == (bool(home) and "session" not in own)


@pytest.mark.parametrize(
    "place",
    ["", "unified", "unified/user.slice/user-7.slice/user@7.service", "freezer", "memory", "cpu",
     "cpu,cpuacct", "pids", "cpuset", "blkio", "devices"],
)  # fmt: skip
def test_wherever_there_are_groups_they_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(process, "_CGROUPS", str(tmp_path))
    monkeypatch.setattr(process, "own_group", lambda: "/user.slice/user-7.slice/session-1.scope")
    assert not process.may_have_cgroups()
    (tmp_path / place / "fastlayers").mkdir(parents=True)
    assert process.may_have_cgroups()


@pytest.mark.parametrize(
    ("membership", "expected"),
    [
        ("0::/user.slice/user-7.slice/session-1.scope\n", True),
        ("0::/system.slice/cron.service\n", True),
        ("1:name=systemd:/system.slice/ssh.service/below\n0::/\n", True),
        ("4:memory:/system.slice/ssh.service\n0::/\n", False),
        ("0::/fastlayers/supervisors\n", False),
        ("0::/a.service.d\n", False),
    ],
)
def test_what_a_unit_of_systemd_is(tmp_path: Path, membership: str, expected: bool) -> None:
    (tmp_path / "membership").write_text(membership)
    assert process.is_in_unit(str(tmp_path / "membership")) == expected


def test_who_left_a_unit_is_apart(tmp_path: Path) -> None:
    (tmp_path / "membership").write_text("0::/fastlayers/supervisors\n")
    assert process.is_apart(str(tmp_path / "membership"))
    (tmp_path / "membership").write_text("0::/fastlayers\n")
    assert not process.is_apart(str(tmp_path / "membership"))


@pytest.mark.parametrize("is_root", [True, False])
def test_who_is_in_the_group_that_is_divided_makes_room(host: Path, is_root: bool) -> None:
    """Also for controllers of threads, of which the kernel does not say that they need it."""
    mount(host, unified="pids")
    (host / "unified" / "cgroup.procs").write_text("5\n")
    if not is_root:
        (host / "unified" / "cgroup.type").write_text("domain\n")
    cgroup.create(ID, Limits(pids=7))
    callers = host / "unified" / "fastlayers" / "callers" / "cgroup.procs"
    assert (callers.read_text() if callers.exists() else "") == ("" if is_root else "5")


def test_a_unit_is_left_in_each_hierarchy_that_systemd_uses(host: Path) -> None:
    mount(host, unified="pids", version_1=("name=systemd", "memory"))
    assert cgroup.leave_unit()
    for name in ("unified", "name=systemd"):
        file = host / name / "fastlayers" / "supervisors" / "cgroup.procs"
        assert file.read_text() == str(os.getpid())
    assert not (host / "memory" / "fastlayers").exists()


def test_where_there_is_nowhere_to_go_a_unit_is_not_left(host: Path) -> None:
    mount(host, version_1=("memory",))
    assert not cgroup.leave_unit()


def test_a_pause_that_fails_leaves_no_group(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount(host, unified="pids")

    def refuse(group: str, first_pid: int) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cgroup, "bring_in", refuse)
    with pytest.raises(HostError, match="cannot pause the container: permission denied"):
        cgroup.freeze(ID, 5)
    assert list((host / "unified" / "fastlayers").iterdir()) == []


class UsersSystemd:
    """A user in a session of hers; what her systemd was given is above its services."""

    def __init__(self, host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        mount(host, unified="pids cpuset")
        self.user = "user.slice/user-7.slice"
        self.home = host / "unified" / self.user / "user@7.service"
        self.home.mkdir(parents=True)
        for name, text in (("controllers", "pids"), ("subtree_control", ""), ("procs", "")):
            (self.home / f"cgroup.{name}").write_text(text)
        self.membership = host / "membership"
        self.membership.write_text(f"0::/{self.user}/session-1.scope\n")
        self.helps = True
        self.asked = 0
        monkeypatch.setattr(cgroup, "_is_given", lambda group: "user@7.service" in group)
        monkeypatch.setattr(cgroup._core, "in_initial_user_namespace", lambda: False)
        monkeypatch.setattr(systemd, "enter_scope", self.enter_scope)
        monkeypatch.setattr(systemd, "can_ask", lambda: self.helps)

    def enter_scope(self) -> bool:
        self.asked += 1
        if self.helps:
            self.membership.write_text(f"0::/{self.user}/user@7.service/app.slice/new.scope\n")
        return self.helps


@pytest.fixture
def hers(host: Path, monkeypatch: pytest.MonkeyPatch) -> UsersSystemd:
    return UsersSystemd(host, monkeypatch)


def test_a_users_systemd_gives_a_group_for_limits(hers: UsersSystemd) -> None:
    assert cgroup.why_no_limits() == ""
    expected = hers.home / "fastlayers" / ID
    assert cgroup.create(ID, Limits(pids=7)) == [str(expected)]
    assert (expected / "pids.max").read_text() == "7"
    cgroup.create("b" * 64, Limits(pids=7))
    assert hers.asked == 1, "once inside there is nothing to be asked for"
    with pytest.raises(UnsupportedError, match="was not given the controller cpuset"):
        cgroup.create("c" * 64, Limits(cpuset_cpus="0"))


def test_what_joins_a_container_is_brought_into_its_group(hers: UsersSystemd) -> None:
    assert cgroup.groups_to_join(ID) == [] and hers.asked == 0
    group = hers.home / "fastlayers" / ID
    group.mkdir(parents=True)
    hers.helps = False
    with pytest.raises(UnsupportedError, match="cannot join the container's control"):
        cgroup.groups_to_join(ID)
    hers.helps = True
    assert cgroup.groups_to_join(ID) == [str(group)]


def test_a_user_without_a_systemd_is_told_what_to_change(hers: UsersSystemd) -> None:
    hers.helps = False
    with pytest.raises(UnsupportedError, match="begin with systemd-run --user --scope"):
        cgroup.create(ID, Limits(pids=7))
    assert "begin with systemd-run" in cgroup.why_no_limits()


def test_a_scope_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "asked"
    program = tmp_path / "busctl"
    program.write_text(f'#!/bin/sh\necho "$@" > {asked}; test -e {tmp_path}/agrees\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(systemd, "_bus", lambda: str(tmp_path / "bus"))
    monkeypatch.setattr(systemd, "own_group", lambda: "/new.scope" if asked.exists() else "/old")
    assert not systemd.enter_scope() and not asked.exists(), "there is no bus"
    (tmp_path / "bus").touch()
    assert not systemd.enter_scope(), "it refused"
    asked.unlink()
    (tmp_path / "agrees").touch()
    assert systemd.enter_scope()
    words = asked.read_text()
    assert f"PIDs au 1 {os.getpid()} Delegate b true" in words
    assert f"--address=unix:path={tmp_path}/bus" in words
