"""--ulimit, --sysctl and --device as text (forms and messages as docker 28)."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers import ContainerOptions, _core
from fastlayers.errors import FastlayersError, InvalidError, UnsupportedError
from fastlayers.kernel_option import (
    ALLOWED_DEVICES,
    allowed_devices,
    check_sysctls,
    devices,
    parse_device,
    parse_sysctl,
    parse_ulimit,
    ulimits,
)


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_a_ulimit_is_what_was_written(one: int, other: int) -> None:
    soft, hard = sorted((one, other))
    assert parse_ulimit(f"nofile={soft}:{hard}") == ("nofile", soft, hard)
    assert parse_ulimit(f"core={soft}") == ("core", soft, soft)
    if soft < hard:
        with pytest.raises(InvalidError, match=f"hard limit: {hard} > {soft}"):
            parse_ulimit(f"nofile={hard}:{soft}")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nofile", "invalid ulimit argument: nofile"),
        ("files=1", "invalid ulimit type: files"),
        ("as=1", "invalid ulimit type: as"),
        ("nofile=1:2:3", "too many limit value arguments - 1:2:3"),
        ("nofile=", 'strconv.ParseInt: parsing "": invalid syntax'),
        ("nofile=-2", 'strconv.ParseInt: parsing "-2": invalid syntax'),
        ("nofile=\u0661", "invalid syntax"),
        ("nofile=9223372036854775808", "value out of range"),
        ("nofile=-1:5", "hard limit: -1 > 5"),
    ],
)
def test_ulimits_that_make_no_sense(text: str, complaint: str) -> None:
    with pytest.raises(InvalidError) as error:
        parse_ulimit(text)
    assert complaint in str(error.value)


def test_ulimits_for_the_kernel() -> None:
    limits = ulimits(["core=0", "nofile=5:6", "core=-1:-1"] if _core_is_free() else ["nofile=5:6"])
    assert (resource.RLIMIT_NOFILE, 5, 6) in limits
    if _core_is_free():
        assert (resource.RLIMIT_CORE, (1 << 64) - 1, (1 << 64) - 1) in limits


def _core_is_free() -> bool:
    return resource.getrlimit(resource.RLIMIT_CORE)[1] == resource.RLIM_INFINITY


def test_sysctls_are_those_of_namespaces() -> None:
    assert parse_sysctl("net.ipv4.conf.eth0/1.forwarding=1") == (
        "net.ipv4.conf.eth0/1.forwarding",
        "1",
    )
    assert parse_sysctl("kernel.sem=1 2 3 4") == ("kernel.sem", "1 2 3 4")
    for text in (
        "kernel.panic=1", "net.ipv4", "vm.swappiness=1", "net..x=1", "net.=1", "=1", "",
        "net.//.//.kernel.panic=1", "fs.mqueue./.x=1", "netx=1",
    ):  # fmt: skip
        with pytest.raises(InvalidError, match="is not allowed"):
            parse_sysctl(text)


@given(st.text("/.nkx", max_size=12))
def test_no_sysctl_leads_out_of_its_directory(rest: str) -> None:
    try:
        name, _ = parse_sysctl(f"net.{rest}=1")
    except FastlayersError:
        return
    swapped = name.translate(str.maketrans("./", "/."))
    path = os.path.normpath(f"/proc/sys/{swapped}")
    assert path.startswith("/proc/sys/net/") and not {"", ".", ".."} & set(swapped.split("/"))


def test_sysctls_need_the_namespace() -> None:
    assert check_sysctls(["net.a=1"], "none", "private") == ("net.a=1",)
    with pytest.raises(InvalidError, match=r'"net\.a" not allowed in host network namespace'):
        check_sysctls(["net.a=1"], "host", "private")
    with pytest.raises(InvalidError, match=r'"fs\.mqueue\.a" is not allowed in the hosts ipc'):
        check_sysctls(["fs.mqueue.a=1"], "none", "host")


def test_devices_as_they_are_written() -> None:
    assert parse_device("/dev/a") == ("/dev/a", "/dev/a", "rwm")
    assert parse_device("/dev/a:rw") == ("/dev/a", "/dev/a", "rw")
    assert parse_device("/dev/a:/b") == ("/dev/a", "/b", "rwm")
    assert parse_device("/dev/a:/b:wr") == ("/dev/a", "/b", "wr")
    for text in ("", ":/a", "/a:/b:rw:x", "a", "/a:b", "/a:/b:x", "/a:/b:rrw"):
        with pytest.raises(InvalidError):
            parse_device(text)
    for access in ("r", "w", "m", "wm", "mr"):
        assert (
            parse_device(f"/dev/a:/b:{access}")[2] == parse_device(f"/dev/a:{access}")[2] == access
        )


def test_what_devices_are_given_for(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["/dev/full:/a:w", "/dev/kmsg:/b:r", "/dev/kmsg:/c:mr", "/dev/null:/d:r"]
    number = os.stat("/dev/kmsg").st_rdev
    found = allowed_devices(texts)
    assert found[len(ALLOWED_DEVICES) :] == [(False, os.major(number), os.minor(number), "rm")]
    assert {access for *_, access in found[: len(ALLOWED_DEVICES)]} == {"rwm"}  # anybody's
    monkeypatch.setattr(_core, "in_initial_user_namespace", lambda: False)
    assert devices(["/dev/null:/d:rw"])
    with pytest.raises(UnsupportedError, match="without root a device is given to be read and"):
        devices(texts)


def test_devices_of_the_host(tmp_path: Path) -> None:
    assert devices(["/dev/null:/x"])[0][:5] == ("/dev/null", "/x", False, 1, 3)
    (tmp_path / "file").write_text("")
    for path in ("/nope", str(tmp_path), str(tmp_path / "file")):
        with pytest.raises(InvalidError, match=f'adding custom device "{path}"'):
            devices([path])


def test_options_that_make_no_sense_are_refused_when_a_container_is_made() -> None:
    for wrong in (
        {"ulimits": ["x"]}, {"sysctls": ["x"]}, {"sysctls": ["net.x=1"]}, {"devices": ["x"]},
        {"stop_signal": "NONE"}, {"oom_score_adj": 1001}, {"pid": "x"}, {"ipc": "x"},
        {"uts": "host", "hostname": "a"}, {"uts": "host", "domainname": "a"},
    ):  # fmt: skip
        with pytest.raises(InvalidError):
            ContainerOptions(**wrong)  # type: ignore[arg-type]
    for mode in ({"ipc": "shareable"}, {"ipc": "container:a"}, {"pid": "container:a"}):
        with pytest.raises(UnsupportedError):
            ContainerOptions(**mode)  # type: ignore[arg-type]


def test_options_survive_being_written() -> None:
    options = ContainerOptions(
        stop_signal="USR1", stop_timeout=-1, init=True, ulimits=["nofile=1:2"],
        sysctls=["kernel.sem=1"], devices=["/dev/null"], group_add=["a"], oom_score_adj=-5,
        domainname="d", pid="host", ipc="none", annotations={"a": "b"}, no_healthcheck=True,
        detached=True,
    )  # fmt: skip
    again = ContainerOptions.from_json(options.to_json())
    assert again.to_json() == options.to_json()
