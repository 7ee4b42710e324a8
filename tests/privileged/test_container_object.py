"""Containers through the Python interface: run, commit, background, kills, volumes, removal."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastlayers import ContainerOptions, Image, Store, mounted
from fastlayers.container import Container
from fastlayers.errors import (
    CommandNotFoundError,
    ConflictError,
    FastlayersError,
    InvalidError,
    LaunchError,
    NotExecutableError,
    NotFoundError,
)
from tests import busybox_root

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(str(tmp_path / "store"))
    changes = ['CMD ["sh"]', "ENV PATH=/bin", "VOLUME /data"]
    Image.import_(io.BytesIO(busybox_root.tar()), "box", store=store, changes=changes)
    yield store
    for container in store.containers(all=True):
        container.remove(force=True)
    assert os.listdir(store.containers_directory) == []
    assert os.listdir(os.path.join(store.root, "names")) == []
    assert [path for path in mounted.mount_points() if path.startswith(store.root)] == []


@pytest.fixture
def image(store: Store) -> Image:
    return store.image("box")


def background(image: Image, script: str, **options: bool) -> Container:
    made = ContainerOptions(command=["sh", "-c", script], **options)  # type: ignore[arg-type]
    container = image.store.create_container(image, made)
    assert container.start(attach=False) == 0
    return container


def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_result_has_code_and_output(image: Image) -> None:
    result = image.run(["sh", "-c", "cat; echo out; echo err >&2; exit 3"], stdin=b"in\n")
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"in\nout\n", b"err\n")
    assert image.store.containers(all=True) == []


def test_a_death_by_signal_is_128_and_its_number(image: Image) -> None:
    assert image.run(["sh", "-c", "sh -c 'kill -9 $$'; exit $?"]).exit_code == 137


@pytest.mark.parametrize(
    ("command", "error", "code"),
    [
        (["nope"], CommandNotFoundError, 127),
        (["/nope"], CommandNotFoundError, 127),
        (["/etc/plain"], NotExecutableError, 126),
        (["/etc"], NotExecutableError, 126),
    ],
)
@pytest.mark.parametrize("attach", [True, False])
def test_a_command_that_cannot_start_says_why(
    image: Image, command: list[str], error: type[LaunchError], code: int, attach: bool
) -> None:
    container = image.store.create_container(image, ContainerOptions(command=command))
    with pytest.raises(error) as caught:
        container.start(attach=attach)
    assert caught.value.exit_code == code
    state = container.state()
    assert (state.status, state.exit_code, state.error) == ("created", code, str(caught.value))


def test_a_box_keeps_its_changes_from_run_to_run(image: Image) -> None:
    box = image.create(name="box")
    assert box.run(["sh", "-c", "echo 1 > /root/a; rm /etc/plain"]).exit_code == 0
    assert box.run(["cat", "/root/a"]).text == "1\n"
    assert box.run(["sh", "-c", "pwd; echo $A; id -u"], env={"A": "x"}, user="1000").text == (
        "/\nx\n1000\n"
    )
    assert ("A", "/root/a") in box.diff()
    assert ("D", "/etc/plain") in box.diff()
    assert box.size() == 2
    child = box.commit("child", message="m", author="me", changes=['CMD ["cat", "/root/a"]'])
    assert child.run().stdout == b"1\n"
    step = child.history()[0]
    assert (step.id, step.created_by, step.comment, step.size) == (child.id, "sh", "m", 2)
    assert image.read("/etc/plain") == b"text\n"
    assert child.config.author == "me"
    with pytest.raises(NotFoundError):
        child.read("/etc/plain")


def test_a_commit_keeps_the_layers_of_the_image(image: Image) -> None:
    box = image.create()
    first, second = box.commit(), box.commit("twice:1")
    assert first.config.diff_ids[:-1] == image.config.diff_ids
    assert first.config.diff_ids == second.config.diff_ids
    assert (first.names, second.tags) == ((), ("twice:1",))
    with pytest.raises(InvalidError):
        box.commit("Bad Name")
    with pytest.raises(InvalidError):
        box.commit("fine", changes=["COPY a b"])
    assert image.store.try_image("fine") is None


def test_commits_are_reproducible(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")

    def commit() -> Image:
        box = image.create()
        box.run(["sh", "-c", "mkdir /root/d; echo x > /root/d/f"])
        return box.commit()

    one, two = commit(), commit()
    assert one.digest == two.digest
    assert one.created == "2023-11-14T22:13:20Z"


def test_one_name_is_for_one_container(image: Image) -> None:
    first = image.create(name="mine")
    with pytest.raises(ConflictError, match=f'"/mine" is already in use by container "{first.id}"'):
        image.create(name="mine")
    assert len(image.store.containers(all=True)) == 1
    for text in ("mine", "/mine", first.id, first.short_id, first.id[:20]):
        assert image.store.container(text).id == first.id
    with pytest.raises(NotFoundError, match="No such container: other"):
        image.store.container("other")


def test_an_image_without_a_command_needs_one(store: Store) -> None:
    bare = Image.import_(io.BytesIO(busybox_root.tar()), "bare", store=store)
    with pytest.raises(InvalidError, match="no command specified"):
        store.create_container(bare, ContainerOptions())
    box = bare.create()
    assert box.run(["/bin/true"]).exit_code == 0
    with pytest.raises(InvalidError, match="no command specified"):
        box.start()


def test_a_container_in_the_background(image: Image) -> None:
    container = background(image, "echo started; sleep 60")
    assert container.status == "running"
    assert container.pid > 0
    assert [one.id for one in image.store.containers()] == [container.id]
    eventually(lambda: Path(container.logs_path).read_bytes() == b"started\n")
    assert container.start(attach=False) == 0
    with pytest.raises(ConflictError, match="already running"):
        container.run(["true"])
    with pytest.raises(ConflictError, match="container is running: stop the container"):
        container.remove()
    container.kill("KILL")
    assert container.wait() == 137
    with pytest.raises(ConflictError, match="is not running"):
        container.kill()
    container.remove()
    with pytest.raises(NotFoundError):
        image.store.container(container.id)


def test_stop_asks_before_it_kills(image: Image) -> None:
    def ready(container: Container) -> bool:
        return Path(container.logs_path).read_bytes() == b"ready\n"

    polite = background(image, "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done")
    eventually(lambda: ready(polite))
    polite.stop()
    assert polite.exit_code == 7
    deaf = background(image, "trap '' TERM; echo ready; sleep 60")
    eventually(lambda: ready(deaf))
    deaf.stop(timeout=0.1)
    assert deaf.exit_code == 137
    deaf.stop()


def test_a_container_that_removes_itself_leaves_its_code(image: Image) -> None:
    container = background(image, "sleep 0.3; exit 4", auto_remove=True)
    assert container.wait() == 4
    eventually(lambda: image.store.containers(all=True) == [])


def test_only_one_of_many_starts(image: Image) -> None:
    container = image.store.create_container(
        image, ContainerOptions(command=["sh", "-c", "echo x >> /root/starts; sleep 60"])
    )
    codes: list[int] = []

    def start() -> None:
        codes.append(Store(image.store.root).container(container.id).start(attach=True))

    def sockets() -> int:
        links = [Path(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
        return sum(link.is_socket() for link in links)

    before = sockets()
    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    # The others have joined: one socket of the container's own, and of each its two ends.
    eventually(lambda: sockets() == before + 7)
    container.kill()
    for thread in threads:
        thread.join()
    assert codes == [137] * 4
    assert Path(container.uppers[-1], "root/starts").read_text() == "x\n"


@pytest.mark.parametrize("attached", [True, False])
def test_a_killed_parent_takes_its_container_along(image: Image, attached: bool) -> None:
    container = image.store.create_container(image, ContainerOptions(command=["sleep", "60"]))
    if attached:
        code = (
            "import sys; from fastlayers import Store;"
            "Store(sys.argv[1]).container(sys.argv[2]).start()"
        )
        words = [sys.executable, "-c", code, image.store.root, container.id]
        parent = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        eventually(lambda: container.status == "running")
        pid = container.pid
        parent.kill()
        parent.wait()
    else:
        container.start(attach=False)
        pid = container.pid
        status = Path(f"/proc/{pid}/status").read_text()
        supervisor = next(line for line in status.splitlines() if line.startswith("PPid:"))
        os.kill(int(supervisor.split()[1]), signal.SIGKILL)
    eventually(lambda: container.status == "exited")
    assert container.exit_code == 137
    assert container.state().finished

    def gone() -> bool:
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(") ")[2].startswith("Z")

    eventually(gone)
    container.remove()


def test_a_running_container_is_committed_at_rest(image: Image) -> None:
    container = background(
        image, "i=0; while :; do i=$((i+1)); echo $i > /root/a; echo $i > /root/b; done"
    )
    time.sleep(0.1)
    for _ in range(5):
        child = container.commit()
        a, b = (int(child.read(path) or b"-1") for path in ("/root/a", "/root/b"))
        assert a - b in (0, 1) or -1 in (a, b)
    assert container.status == "running"
    before = Path(container.upper, "root/a").read_bytes()
    eventually(lambda: Path(container.upper, "root/a").read_bytes() != before)
    tar = io.BytesIO()
    container.export(tar)
    assert b"root/a" in tar.getvalue()


def test_volumes_are_not_committed(image: Image, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "in").write_text("from the host")
    box = image.create(volumes=[f"{shared}:/mnt:ro", "named:/home"])
    script = "echo v > /data/f; echo n > /home/f; cat /mnt/in; touch /mnt/x; ls /home"
    result = box.run(["sh", "-c", script])
    assert result.stdout == b"from the hostf\nmaria\n"
    assert b"Read-only file system" in result.stderr
    assert box.run(["cat", "/data/f"]).text == "v\n"
    child = box.commit()
    for path in ("/data/f", "/home/f", "/mnt/in"):
        with pytest.raises(NotFoundError):
            child.read(path)
    other = image.create(volumes=["named:/v"])
    assert other.run(["cat", "/v/f"]).text == "n\n"
    kinds = [(mount["Type"], mount["Destination"]) for mount in box.inspect()["Mounts"]]
    assert kinds == [("volume", "/data"), ("volume", "/home"), ("bind", "/mnt")]


def test_an_image_in_use_is_not_removed(image: Image) -> None:
    store = image.store
    box = image.create()
    with pytest.raises(ConflictError, match=r"unable to delete box \(must be forced\)"):
        store.remove_image("box")
    with pytest.raises(ConflictError, match="is being used by stopped container"):
        store.remove_image(image.id)
    running = background(image, "sleep 60")
    for force in (True, False):
        with pytest.raises(ConflictError, match=r"\(cannot be forced\).*running container"):
            store.remove_image(image.id, force=force)
    assert store.remove_image("box", force=True) == ["Untagged: box:latest"]
    running.remove(force=True)
    actions = store.remove_image(image.id, force=True)
    assert actions == [f"Untagged: {image.id}", f"Deleted: {image.id}"]
    assert store.images() == []
    assert box.run(["cat", "/etc/plain"]).text == "text\n"
    again = box.commit("again")
    box.remove()
    assert again.read("/etc/plain") == b"text\n"


def test_a_mounted_image_outlives_its_removal(image: Image, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    for backend in ("erofs", "erofs-loop", "overlay"):
        store = Store(image.store.root, backend=backend)
        copy = Image.import_(io.BytesIO(busybox_root.tar()), "copy", store=store, message=backend)
        assert store.mount(copy, str(target)) == str(target)
        store.remove_image("copy")
        assert (target / "etc/plain").read_text() == "text\n"
        store.unmount(str(target))
        assert os.listdir(target) == []
    with pytest.raises(InvalidError, match="nothing is mounted"):
        image.store.unmount(str(target))
    with image.mount() as path:
        assert Path(path, "etc/plain").read_text() == "text\n"
        with pytest.raises(OSError, match="Read-only"):
            Path(path, "etc/plain").write_text("x")
    assert not os.path.exists(path)


def test_a_mounted_container_is_not_run(image: Image) -> None:
    box = image.create()
    with box.mount() as path:
        Path(path, "root/new").write_text("x")
        with pytest.raises(ConflictError, match="in use"):
            box.run(["true"])
        with pytest.raises(ConflictError, match="in use"):
            box.remove(force=True)
    assert box.run(["cat", "/root/new"]).text == "x"


def test_a_mount_that_its_process_left_behind_is_respected(image: Image, tmp_path: Path) -> None:
    box = image.create(name="left")
    target = tmp_path / "target"
    target.mkdir()
    code = (
        "import sys; from fastlayers import Store;"
        "Store(sys.argv[1]).container('left').mount(sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, image.store.root, str(target)], check=True)
    with pytest.raises(ConflictError, match=f"mounted at {target}: unmount it first"):
        box.run(["true"])
    box.remove()
    assert os.listdir(target) == []


def test_a_read_only_container(image: Image) -> None:
    result = image.run(["sh", "-c", "touch /x || touch /data/y && echo ok"], read_only=True)
    assert result.stdout == b"ok\n"


def test_a_failed_create_leaves_nothing(image: Image) -> None:
    with pytest.raises(FastlayersError):
        image.create(name="a", volumes=["/a:/b", "/c:/b"])
    assert image.store.containers(all=True) == []
    assert image.store.names.find("a") is None


def test_inspect_has_the_shape_that_scripts_know(image: Image) -> None:
    box = image.create(["sh", "-c", "true"], name="seen", labels={"a": "1"}, hostname="here")
    shown = box.inspect()
    assert (shown["Name"], shown["Path"], shown["Args"]) == ("/seen", "sh", ["-c", "true"])
    assert shown["Image"] == image.id
    assert shown["State"]["Status"] == "created"
    assert shown["Config"]["Hostname"] == "here"
    assert shown["Config"]["Labels"] == {"a": "1"}
    assert shown["HostConfig"]["NetworkMode"] == "host"
    box.start(stdin_fd=-1)
    state = box.inspect()["State"]
    assert (state["Status"], state["ExitCode"], state["Running"]) == ("exited", 0, False)
    assert state["FinishedAt"] > state["StartedAt"] > "2024"


def test_text_that_is_no_unicode_is_refused(image: Image) -> None:
    half = "\ud83d"
    for options in (
        {"command": [half]}, {"env": {"A": half}}, {"user": half}, {"labels": {half: "x"}},
        {"workdir": f"/{half}"}, {"entrypoint": [half]}, {"hostname": half}, {"name": half},
    ):  # fmt: skip
        with pytest.raises(InvalidError):
            ContainerOptions(**options)  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="not Unicode text"):
        background(image, "true").commit(message=half)


def test_no_upper_is_a_lower(image: Image) -> None:
    """Where a container writes is never below another: overlayfs forbids it (buildkit#2381)."""
    box = image.create(name="writer")
    box.run(["sh", "-c", "echo x > /x"])
    child = box.commit("child")
    running = background(child, "sleep 100")
    pid = running.state().pid
    try:
        mounts = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
        (root,) = (line.partition(" - ")[2] for line in mounts if line.split()[4] == "/")
        assert root.startswith("overlay ")
        lowers = [word for word in root.split(",") if word.startswith("lowerdir")]
        assert lowers and not any("containers/" in word for word in lowers), lowers
    finally:
        running.kill()
