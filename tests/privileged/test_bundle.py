"""`bundle`: containers and images as OCI runtime bundles, and that runtimes take them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastlayers.errors import ConflictError
from fastlayers.store import Store
from tests import oci_runtimes
from tests.command_line import CommandLine, store_mounts
from tests.engine import engine_name
from tests.runtime_spec import violations

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


@pytest.fixture(params=oci_runtimes.EACH)
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make_ready(shell: CommandLine) -> None:
    """An image that has a command, and a volume."""
    shell.must("create", "--name", "making", "box", "true")
    shell.must("commit", "-c", 'CMD ["sh", "-c", "echo $HOME; cat /etc/plain; exit 5"]',
               "-c", "VOLUME /etc", "making", "ready")  # fmt: skip
    shell.must("rm", "making")


# As who manages containers does it: youki's own `run` waits for ever for one that ends at once.
IN_STEPS = """
import ctypes, os, subprocess, sys
runtime, folder, name = sys.argv[1:]
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
subprocess.run([runtime, "create", "-b", folder, "-p", folder + "/pid", name], check=True)
subprocess.run([runtime, "start", name], check=True)
with open(folder + "/pid") as file:
    status = os.waitpid(int(file.read()), 0)[1]
os.unlink(folder + "/pid")
subprocess.run([runtime, "delete", name], check=True)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def run_bundle(runtime: str, folder: Path) -> tuple[int, str]:
    """Exit code and output. crun does not work on a host with both versions of cgroups: it sees the
    first, as in a container of the engine's."""
    name = f"fastlayers-test-{os.getpid()}"
    steps = f'"{sys.executable}" -c "$3" "$0" "$1" "$2"'
    run = steps if runtime == "youki" else '"$0" run -b "$1" "$2"'
    text = f"umount -l /sys/fs/cgroup/unified 2>&-; exec {run}"
    done = subprocess.run(["unshare", "-m", "sh", "-c", text, runtime, folder, name, IN_STEPS],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          check=False)  # fmt: skip
    assert not (Path("/run") / runtime / name).exists()
    return done.returncode, done.stdout + done.stderr


def test_an_image_as_a_bundle(shell: CommandLine, runtime: str, tmp_path: Path) -> None:
    make_ready(shell)
    folder = tmp_path / "bundle"
    assert shell.must("bundle", "ready", str(folder)).out == f"{folder}/rootfs\n"
    try:
        config = json.loads((folder / "config.json").read_text())
        assert violations(config) == []
        assert config["root"]["path"] == "rootfs"
        assert run_bundle(runtime, folder) == (5, "/root\ntext\n")
        config["process"]["args"] = ["sh", "-c", "echo new > /new; rm -rf /home; echo x > /etc/x"]
        (folder / "config.json").write_text(json.dumps(config))
        assert run_bundle(runtime, folder) == (0, "")
        assert (folder / "upper/new").read_text() == "new\n"
        assert not (folder / "rootfs/home").exists()
        assert not (folder / "rootfs/etc/x").exists()  # that is in the volume
        assert (folder / "volumes/0/x").read_text() == "x\n"
        assert (folder / "volumes/0/plain").read_text() == "text\n"
        assert shell.must("volume", "ls", "-q").out == ""
        # The image's layers stay while they are mounted.
        shell.must("rmi", "ready")
        assert run_bundle(runtime, folder) == (0, "")
    finally:
        shell.must("umount", f"{folder}/rootfs")
    assert store_mounts(shell.root) == []
    assert list((folder / "rootfs").iterdir()) == []


def test_a_container_as_a_bundle(shell: CommandLine, runtime: str, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shell.must("create", "--name", "bundled", "-e", "A=1", "-u", "maria", "-v", "data:/data",
               "--security-opt", "no-new-privileges", "--network", "none", "-m", "64m", "--init",
               "box", "sh", "-c",
               "echo $A; id -un; cat /proc/1/comm; ls /sys/class/net; echo x > /tmp/new; "
               "exit 4")  # fmt: skip
    shell.must("bundle", "bundled", str(folder))
    assert violations(json.loads((folder / "config.json").read_text())) == []
    assert run_bundle(runtime, folder) == (4, "1\nmaria\ninit\nlo\n")
    assert "is mounted at" in shell.fails(1, "start", "bundled").err
    assert "is not empty" in shell.fails(1, "bundle", "bundled", str(folder)).err
    shell.must("umount", f"{folder}/rootfs")
    assert "A /tmp/new" in shell.must("diff", "bundled").lines
    assert shell.call("start", "-a", "bundled").code == 4
    shell.must("rm", "bundled")
    assert store_mounts(shell.root) == []


def test_a_bundle_among_the_host_s_processes(
    shell: CommandLine, runtime: str, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    look = ("sh", "-c", "readlink /proc/self/ns/pid; exit 3")
    shell.must("create", "--name", "shares", "--pid", "host", "box", *look)
    shell.must("bundle", "shares", str(folder))
    assert run_bundle(runtime, folder) == (3, os.readlink("/proc/self/ns/pid") + "\n")
    shell.must("umount", f"{folder}/rootfs")
    shell.must("rm", "shares")


def test_a_bundle_from_python(shell: CommandLine, tmp_path: Path) -> None:
    store = Store(str(shell.root), backend=engine_name(shell.backend))
    shell.must("create", "--name", "python", "box", "true")
    with store.container("python").bundle(str(tmp_path)) as root:
        assert root == f"{tmp_path}/rootfs"
        (Path(root) / "written").touch()
        with pytest.raises(ConflictError):
            store.container("python").start()
    assert not (Path(root) / "written").exists()
    assert shell.must("diff", "python").lines == ["A /written"]
    assert shell.call("start", "-a", "python").code == 0
    shell.must("rm", "python")


def test_what_makes_no_bundle_leaves_none(shell: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    assert "No such container or image: no" in shell.fails(1, "bundle", "no", str(folder)).err
    shell.must("create", "--name", "images", "--mount", "type=image,src=box,dst=/i", "box", "true")
    assert "has images mounted" in shell.fails(1, "bundle", "images", str(folder)).err
    shell.must("create", "--name", "nobody", "-u", "nobody", "box", "true")
    assert "nobody" in shell.fails(1, "bundle", "nobody", str(folder)).err
    assert not folder.exists()
    shell.must("create", "--name", "net", "-p", "80", "box", "true")
    wrong = shell.fails(1, "bundle", "net", str(folder))
    assert "has --network pasta, which would have to stay for its bundle" in wrong.err
    assert not folder.exists()
    folder.mkdir()
    shell.fails(1, "bundle", "nobody", str(folder))
    assert list(folder.iterdir()) == []
    shell.must("run", "-d", "--name", "runs", "box", "sleep", "1000")
    assert "already running" in shell.fails(1, "bundle", "runs", str(folder)).err
    shell.must("rm", "-f", "images", "net", "nobody", "runs")
    assert store_mounts(shell.root) == []
