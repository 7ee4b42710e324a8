"""The parts of a container that are values or files: options, config, names, state, volumes."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from fastlayers import network_file
from fastlayers.container_config import command_line, merge, process_env, require_command
from fastlayers.container_mount import (
    Mount,
    own_volumes,
    resolve,
    source_path,
    with_own_volumes,
)
from fastlayers.container_options import ContainerOptions
from fastlayers.container_state import State, StateFile
from fastlayers.errors import ConflictError, InvalidError, UnsupportedError
from fastlayers.lock import FileLock, is_held
from fastlayers.names import NameRegistry, check_name, random_name
from fastlayers.oci.runtime import RuntimeConfig
from fastlayers.process import boot_id

IMAGE = RuntimeConfig(
    {
        "Env": ["PATH=/bin", "A=image"],
        "Cmd": ["c"],
        "Entrypoint": ["e"],
        "User": "u",
        "WorkingDir": "/w",
        "Labels": {"a": "1"},
        "Volumes": {"/data": {}},
    }
)


def merged(**options: Any) -> RuntimeConfig:
    return merge(IMAGE, ContainerOptions(**options))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ("e", "c")),
        ({"command": ["x", "y"]}, ("e", "x", "y")),
        ({"entrypoint": ["n"]}, ("n",)),
        ({"entrypoint": ["n"], "command": ["x"]}, ("n", "x")),
        ({"entrypoint": [], "command": ["x"]}, ("x",)),
        ({"entrypoint": [""]}, ()),
    ],
)
def test_arguments_replace_the_command_and_an_entrypoint_clears_it(
    options: dict[str, Any], words: tuple[str, ...]
) -> None:
    assert command_line(merged(**options)) == words
    if not words:
        with pytest.raises(InvalidError, match="no command specified"):
            require_command(words)


def test_options_override_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_HERE", "h")
    monkeypatch.delenv("NOT_HERE", raising=False)
    env = ["A=1", "A=2", "FROM_HERE", "NOT_HERE", "B=x=y"]
    config = merged(env=env, user="", labels={"b": "2"}, volumes=["/own"])
    assert config.env == ("PATH=/bin", "A=2", "FROM_HERE=h", "B=x=y")
    assert (config.user, config.working_dir) == ("", "/w")
    assert config.labels == {"a": "1", "b": "2"}
    assert set(config.volumes) == {"/data", "/own"}
    assert merged(env={"A": "m"}).env == ("PATH=/bin", "A=m")


def test_a_name_alone_removes_what_the_image_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A", raising=False)
    assert merged(env=["A"]).env == ("PATH=/bin",)


def test_the_process_gets_defaults_below_its_environment() -> None:
    bare = process_env(RuntimeConfig(), "host", tty=True)
    assert bare == [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME=host",
        "TERM=xterm",
    ]
    own = RuntimeConfig({"Env": ["HOSTNAME=mine", "TERM=dumb", "odd"]})
    assert process_env(own, "host", tty=True)[1:] == ["HOSTNAME=mine", "TERM=dumb"]


@pytest.mark.parametrize(
    "options",
    [
        {"command": "ls -l"},
        {"command": ["a\0b"]},
        {"env": "A=1"},
        {"env": ["=x"]},
        {"env": [""]},
        {"env": ["A=\0"]},
        {"workdir": "rel"},
        {"workdir": ""},
        {"hostname": "a b"},
        {"hostname": "-a"},
        {"hostname": "x" * 65},
        {"name": "x"},
        {"name": "a/b"},
        {"name": "../x"},
        {"volumes": ["a:b:c:d"]},
        {"volumes": ["rel"]},
        {"volumes": ["/a:/"]},
        {"volumes": ["/a:/x/../.."]},
        {"volumes": ["a/b:/c"]},
        {"volumes": ["/a:/b:rx"]},
        {"volumes": ["/a:/b:ro,rw"]},
        {"volumes": [":/b"]},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        ContainerOptions(**options)


def test_options_that_are_not_supported_say_so() -> None:
    with pytest.raises(UnsupportedError, match="network bridge not found"):
        ContainerOptions(network="bridge")
    with pytest.raises(UnsupportedError, match="propagation shared"):
        ContainerOptions(volumes=["/a:/b:shared"])


def test_options_survive_being_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ContainerOptions(
        name="n1",
        command=["a"],
        entrypoint=[],
        env=["A=1"],
        user="",
        tty=True,
        volumes=["./s:/t"],
        mounts=['type=bind,"src=./a,b",dst=/u'],
        tmpfs=["/v:size=1m"],
        shm_size=5,
    )
    again = ContainerOptions.from_json(options.to_json())
    assert again.to_json() == options.to_json()
    assert again.volumes == (f"{tmp_path}/s:/t",)
    assert again.mounts == (f'type=bind,"src={tmp_path}/a,b",dst=/u',)
    assert (again.tmpfs, again.shm_size) == (("/v:size=1m",), 5)
    assert [mount.target for mount in again.asked_mounts()] == ["/t", "/u", "/v"]
    assert (again.entrypoint, again.user, again.workdir) == ((), "", None)


def test_mounts_are_ordered_and_cover_those_of_the_image() -> None:
    def asked(*volumes: str) -> list[Mount]:
        return [Mount.parse(text) for text in volumes]

    found = resolve(asked("named:/data/deep", "/h:/data:ro", "/own"), ["/data", "img"])
    assert [(v.kind, v.target) for v in found] == [
        ("bind", "/data"),
        ("anonymous", "/img"),
        ("anonymous", "/own"),
        ("volume", "/data/deep"),
    ]
    with pytest.raises(InvalidError, match="Duplicate mount point: /x"):
        resolve(asked("/a:/x", "/b:/x/"), [])
    found = with_own_volumes(resolve(asked("/new:/a:ro", "vol:/b:nocopy", "/c"), []), "me")
    (own,) = own_volumes(found, "me")
    assert re.fullmatch("[0-9a-f]{64}", own) and own_volumes(found, "other") == []
    assert [source_path(mount, "/root") for mount in found] == [
        "/new",
        "/root/volumes/vol",
        f"/root/volumes/{own}",
    ]
    assert [(v.read_only, v.copy_up) for v in found] == [
        (True, False),
        (False, False),
        (False, True),
    ]


def test_random_names_are_names() -> None:
    names = {random_name() for _ in range(50)}
    assert len(names) > 30
    for name in names:
        assert check_name(name).count("_") == 1


def registry(root: Path) -> NameRegistry:
    for name in ("containers", "locks"):
        (root / name).mkdir(parents=True)
    return NameRegistry(str(root))


def publish(names: NameRegistry, root: Path, name: str, container_id: str) -> str:
    prepared = root / "containers" / f".{container_id}.new"
    prepared.mkdir()
    return names.publish(name, container_id, str(prepared), lambda chosen: None)


def test_a_name_belongs_to_one_container(tmp_path: Path) -> None:
    names = registry(tmp_path)
    assert publish(names, tmp_path, "box", "1" * 64) == "box"
    assert names.find("box") == "1" * 64
    with pytest.raises(ConflictError, match='The container name "/box" is already in use by'):
        publish(names, tmp_path, "box", "2" * 64)
    names.retire("box", "1" * 64, str(tmp_path / "containers/.grave"))
    assert names.find("box") is None
    assert publish(names, tmp_path, "", "3" * 64)


def test_a_name_that_a_crash_left_behind_is_free(tmp_path: Path) -> None:
    names = registry(tmp_path)
    (tmp_path / "names").mkdir()
    (tmp_path / "names/box").symlink_to("../containers/" + "9" * 64)
    assert names.find("box") is None
    assert publish(names, tmp_path, "box", "1" * 64) == "box"
    (tmp_path / "names/other").symlink_to("../containers/" + "9" * 64)
    names.sweep()
    assert os.listdir(tmp_path / "names") == ["box"]


@pytest.mark.parametrize("name", ["../x", "a/b", "", "\0", "x" * 300])
def test_looking_for_what_is_no_name_finds_nothing(tmp_path: Path, name: str) -> None:
    assert registry(tmp_path).find(name) is None


def test_running_is_what_the_lock_says(tmp_path: Path) -> None:
    file = StateFile(str(tmp_path))
    assert file.read().status == "created"
    file.write(State("running", pid=5, pid_start=7, started="2020-01-01T00:00:00Z"))
    with FileLock(file.lock_path, exclusive=True):
        assert (file.read().status, file.read().pid) == ("running", 5)
    dead = file.read()
    assert (dead.status, dead.exit_code, dead.pid) == ("exited", 137, 0)
    assert dead.started == "2020-01-01T00:00:00Z"
    assert dead.finished
    file.write(State("exited", exit_code=3))
    assert file.read().exit_code == 3


@pytest.mark.parametrize(("boot", "code"), [("", 137), (boot_id(), 137), ("another", 255)])
def test_what_ended_with_the_machine_is_told_apart(tmp_path: Path, boot: str, code: int) -> None:
    file = StateFile(str(tmp_path))
    file.write(State("running", pid=5, pid_start=7, started="2020-01-01T00:00:00Z", boot=boot))
    FileLock(file.lock_path, exclusive=True).release()
    assert (file.read().status, file.read().exit_code) == ("exited", code)


@pytest.mark.parametrize("raw", [b"", b"{", b'{"status": 1}', b'{"status":"running","pid":-1}'])
def test_a_state_that_never_reached_the_disk_is_an_end(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "state.json").write_bytes(raw)
    state = StateFile(str(tmp_path)).read()
    assert (state.status, state.exit_code) == ("exited", 255)


def test_a_lock_outlives_the_process_that_took_it_only_by_inheritance(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    lock = FileLock(path, exclusive=True)
    assert lock.acquire(timeout_seconds=0)
    assert not FileLock(path, exclusive=False).acquire(timeout_seconds=0.01)
    assert is_held(path)
    inherited = os.dup(lock.descriptor)
    lock.leave_note("42")
    lock.release()
    assert is_held(path)
    os.close(inherited)
    assert not is_held(path)
    with FileLock(path, exclusive=False) as shared:
        assert shared.read_note() == "42"
        assert not is_held(path)


def test_looking_at_a_lock_makes_none(tmp_path: Path) -> None:
    assert not is_held(str(tmp_path / "none"))
    assert os.listdir(tmp_path) == []


@pytest.fixture
def host_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    etc = tmp_path / "etc"
    etc.mkdir()
    monkeypatch.setattr(network_file, "_HOST_FILES", str(etc))
    monkeypatch.setattr(network_file, "_RESOLVED", str(tmp_path / "resolved"))
    return etc


def network_files(root: Path, network: str) -> dict[str, str]:
    box = root / "box"
    box.mkdir(exist_ok=True)
    network_file.write_network_files(str(box), "me", network)
    return {path.name: path.read_text() for path in box.iterdir()}


def test_with_the_hosts_network_its_files_hold(tmp_path: Path, host_files: Path) -> None:
    (host_files / "hosts").write_text("127.0.0.1 localhost\n10.0.0.1 db # me")
    (host_files / "resolv.conf").write_text("nameserver 127.0.0.53\n")
    (tmp_path / "resolved").write_text("nameserver 10.0.0.53\n")
    files = network_files(tmp_path, "host")
    assert files["hostname"] == "me\n"
    assert files["hosts"] == "127.0.0.1 localhost\n10.0.0.1 db # me\n127.0.1.1\tme\n"
    assert files["resolv.conf"] == "nameserver 127.0.0.53\n"


def test_without_a_network_only_the_own_name_is_known(tmp_path: Path, host_files: Path) -> None:
    (host_files / "hosts").write_text("10.0.0.1 db\n")
    (host_files / "resolv.conf").write_text("search x\nnameserver 127.0.0.53\n")
    (tmp_path / "resolved").write_text("nameserver 10.0.0.53\n")
    files = network_files(tmp_path, "none")
    assert "db" not in files["hosts"]
    assert files["hosts"].startswith("127.0.0.1\tlocalhost\n::1\tlocalhost")
    assert files["hosts"].endswith("\n127.0.1.1\tme\n")
    assert files["resolv.conf"] == "nameserver 10.0.0.53\n"


def test_names_that_were_asked_for(tmp_path: Path, host_files: Path) -> None:
    (host_files / "hosts").write_text("127.0.0.1 localhost me")
    (host_files / "resolv.conf").write_text(
        "# of the host\ndomain d.e\nnameserver 10.0.0.53\noptions ndots:1\n"
    )

    def written(network: str = "host", **asked: list[str]) -> tuple[str, str]:
        (tmp_path / "box").mkdir(exist_ok=True)
        network_file.write_network_files(
            str(tmp_path / "box"),
            "me",
            network,
            **asked,  # type: ignore[arg-type]
        )
        return (tmp_path / "box/hosts").read_text(), (tmp_path / "box/resolv.conf").read_text()

    asked = ["a:1.2.3.4", "b=::1", "c:[::2]", "d:host-gateway"]
    assert written(add_hosts=asked)[0] == (
        "127.0.0.1 localhost me\n1.2.3.4\ta\n::1\tb\n::2\tc\n127.0.0.1\td\n"
    )
    with pytest.raises(InvalidError, match="d:host-gateway: the host is not reached"):
        written("none", add_hosts=asked)
    assert written(dns=["9.9.9.9", "::1"])[1] == (
        "nameserver 9.9.9.9\nnameserver ::1\nsearch d.e\noptions ndots:1\n"
    )
    assert written(dns_search=["x.y", "z"], dns_options=["ndots:3", "", "rotate"])[1] == (
        "nameserver 10.0.0.53\nsearch x.y z\noptions ndots:3 rotate\n"
    )
    assert written(dns_search=["."])[1] == "nameserver 10.0.0.53\noptions ndots:1\n"
    assert written()[1].startswith("# of the host\n")


@pytest.mark.parametrize(
    ("option", "texts"),
    [
        ("add_hosts", ["foo", "foo:bar", ":1.2.3.4", "a b:1.2.3.4", "a:", "a\n:1.2.3.4", "#:::1"]),
        ("dns", ["x", "", "1.2.3", "1.2.3.4\nx", "::1%eth0", "host-gateway"]),
        ("dns_search", ["-x", "a b", "", "a..b", "1.2", "x" * 300, "a\nb", "\u00e9.x"]),
        ("dns_options", ["a b", "a\nnameserver 1.1.1.1", ";x"]),
    ],
)
def test_names_that_make_no_sense(option: str, texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(InvalidError):
            ContainerOptions(**{option: [text]})  # type: ignore[arg-type]


def test_a_host_without_files_is_fine(tmp_path: Path, host_files: Path) -> None:
    files = network_files(tmp_path, "host")
    assert files["resolv.conf"] == ""
    assert "localhost" in files["hosts"]
