"""`images`, `ps` and `history` on a store that is made up: columns, filters, IDs (as docker 28)."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from fastlayers.cli import flags, moment, verb_module
from fastlayers.cli.command import Call
from fastlayers.cli.flags import FlagError
from fastlayers.errors import InvalidError, NotFoundError

NOW = 1_800_000_000


def ago(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - seconds))


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moment, "time", SimpleNamespace(time=lambda: float(NOW)))


def image(letter: str, tags: tuple[str, ...], seconds: float, size: int, **more: Any) -> Any:
    fields: dict[str, Any] = {"repo_digests": (), "labels": {}, "diff_ids": (), **more}
    return SimpleNamespace(
        id=f"sha256:{letter * 64}",
        short_id=letter * 12,
        names=tuple(f"docker.io/library/{tag}" for tag in tags),
        tags=tags,
        repo_digests=fields["repo_digests"],
        labels=fields["labels"],
        created=ago(seconds),
        size=size,
        content_size=size // 2,
        disk_usage=lambda: size * 2,
        config=SimpleNamespace(diff_ids=fields["diff_ids"]),
        history=lambda: fields["history"],
    )


def container(letter: str, name: str, image_id: str, command: tuple[str, ...], **more: Any) -> Any:
    state = {"status": "created", "exit_code": 0, "started": "", "finished": "", **more}
    labels = state.pop("labels", {})
    return SimpleNamespace(
        id=letter * 64,
        short_id=letter * 12,
        name=name,
        image_id=image_id,
        image_ids={image_id},
        image_name=state.pop("image_name", "ubuntu"),
        created=ago(state.pop("age", 5000)),
        path=command[0],
        args=command[1:],
        labels=labels,
        options=SimpleNamespace(network="host"),
        state=lambda: SimpleNamespace(**state, word=state["status"], paused=False),
        status=state["status"],
        size=lambda: 12,
        inspect=lambda: {"Mounts": [{"Type": "bind", "Source": "/a/b/c/d/e/f/g/h/i"}]},
    )


class FakeStore:
    def __init__(self, images: tuple[Any, ...] = (), containers: tuple[Any, ...] = ()) -> None:
        self._images = images
        self._containers = containers

    def images(self) -> list[Any]:
        return list(self._images)

    def containers(self, all: bool = False) -> list[Any]:
        return [c for c in self._containers if all or c.status == "running"]

    def try_image(self, text: str) -> Any:
        for found in self._images:
            names = (
                found.id,
                found.short_id,
                *found.tags,
                *(t.partition(":")[0] for t in found.tags),
            )
            if text in names:
                return found
        return None

    def image(self, text: str) -> Any:
        found = self.try_image(text)
        if found is None:
            raise NotFoundError(f"No such image: {text}:latest")
        return found

    def container(self, text: str) -> Any:
        return next(c for c in self._containers if text in (c.name, c.id))


def play(store: FakeStore, verb: str, *argv: str) -> int:
    module = verb_module(verb)
    values = flags.parse(module.COMMAND.flags, list(argv))
    call = Call(verb, values, None, None)
    call._store = store  # type: ignore[assignment]
    code: int = module.run(call)
    return code


UBUNTU = image(
    "a",
    ("ubuntu:latest", "ubuntu:24.04"),
    86400 * 37,
    126_000_000,
    repo_digests=("ubuntu@sha256:" + "1" * 64,),
    labels={"org": "canonical"},
    diff_ids=("one",),
)
APP = image("b", ("app:v1",), 5, 1_234_567_890, diff_ids=("one", "two"))
LOST = image("c", (), 100000, 0)
PULLED = image("e", (), 100000, 999, repo_digests=("zz@sha256:" + "4" * 64,))
RUNNING = container("d", "user", UBUNTU.id, ("sh",), status="running")
IMAGES = FakeStore((APP, LOST, PULLED, UBUNTU), (RUNNING,))


def test_images(capsys: pytest.CaptureFixture[str]) -> None:
    assert play(IMAGES, "images") == 0
    assert capsys.readouterr().out.splitlines() == [
        "IMAGE           ID             DISK USAGE   CONTENT SIZE   EXTRA",
        "app:v1          bbbbbbbbbbbb       2.47GB          617MB        ",
        "ubuntu:24.04    aaaaaaaaaaaa        252MB           63MB   U    ",
        "ubuntu:latest   aaaaaaaaaaaa        252MB           63MB   U    ",
    ]
    assert play(IMAGES, "images", "-a") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "app:v1          bbbbbbbbbbbb       2.47GB          617MB        ",
        "ubuntu:24.04    aaaaaaaaaaaa        252MB           63MB   U    ",
        "ubuntu:latest   aaaaaaaaaaaa        252MB           63MB   U    ",
        "<untagged>      cccccccccccc           0B             0B        ",
        "<untagged>      eeeeeeeeeeee          2kB           499B        ",
    ]
    assert play(IMAGES, "images", "ubuntu:24.04") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert play(IMAGES, "images", "ls") == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert err.endswith(' "ls": did you mean "fastlayers image ls"?\n')


def test_images_that_go_while_they_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    def lost() -> int:
        raise NotFoundError("layer sha256:1 is not in the store any more")

    gone = image("f", ("gone:1",), 5, 1)
    gone.disk_usage, gone.store = lost, IMAGES
    assert play(FakeStore((APP, gone)), "images") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["IMAGE", "app:v1"]
    gone.store = FakeStore((APP, gone))
    with pytest.raises(NotFoundError):
        play(gone.store, "images")


def test_a_table_of_images(capsys: pytest.CaptureFixture[str]) -> None:
    assert play(IMAGES, "images", "-a", "--format", "table") == 0
    assert capsys.readouterr().out.splitlines() == [
        "REPOSITORY   TAG       IMAGE ID       CREATED         SIZE",
        "app          v1        bbbbbbbbbbbb   5 seconds ago   1.23GB",
        "<none>       <none>    cccccccccccc   28 hours ago    0B",
        "zz           <none>    eeeeeeeeeeee   28 hours ago    999B",
        "ubuntu       latest    aaaaaaaaaaaa   5 weeks ago     126MB",
        "ubuntu       24.04     aaaaaaaaaaaa   5 weeks ago     126MB",
    ]


@pytest.mark.parametrize(
    ("argv", "rows"),
    [
        (("ubuntu",), ["ubuntu:latest", "ubuntu:24.04"]),
        (("ubuntu:24.04",), ["ubuntu:24.04"]),
        (("docker.io/library/ubuntu",), ["ubuntu:latest", "ubuntu:24.04"]),
        (("u*u:l*",), ["ubuntu:latest"]),
        (("nothing",), []),
        (("-f", "dangling=true"), ["<none>:<none>", "zz:<none>"]),
        (("-f", "dangling=false", "app"), ["app:v1"]),
        (("--filter", "label=org"), ["ubuntu:latest", "ubuntu:24.04"]),
        (("--filter", "label=org=debian"), []),
        (("--filter", "reference=app", "-f", "reference=*:24*"), ["app:v1", "ubuntu:24.04"]),
        (("--filter", "since=ubuntu"), ["app:v1"]),
        (("-a", "--filter", "since=ubuntu"), ["app:v1", "<none>:<none>", "zz:<none>"]),
        (("--filter", "before=app", "-f", "dangling=0"), ["ubuntu:latest", "ubuntu:24.04"]),
    ],
)
def test_images_that_are_asked_for(
    argv: tuple[str, ...], rows: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    play(IMAGES, "images", *argv, "--format", "{{.Repository}}:{{.Tag}}")
    assert capsys.readouterr().out.splitlines() == rows


def test_ids_and_digests_of_images(capsys: pytest.CaptureFixture[str]) -> None:
    play(IMAGES, "images", "-q", "--no-trunc", "app")
    assert capsys.readouterr().out == f"sha256:{'b' * 64}\n"
    play(IMAGES, "images", "--digests", "--format", "{{.Repository}}@{{.Digest}}", "ubuntu")
    assert capsys.readouterr().out.splitlines() == [f"ubuntu@sha256:{'1' * 64}"] * 2
    play(IMAGES, "images", "--digests", "app")
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split("  ")[0] == "REPOSITORY" and "DIGEST" in heading and "<none>" in row


def test_filters_that_make_no_sense() -> None:
    with pytest.raises(FlagError, match='for "-f, --filter" flag: bad format of filter'):
        play(IMAGES, "images", "-f", "foo")
    with pytest.raises(InvalidError, match="invalid filter 'foo'"):
        play(IMAGES, "images", "-f", "foo=bar")
    with pytest.raises(InvalidError, match="invalid filter 'dangling=maybe'"):
        play(IMAGES, "images", "-f", "dangling=maybe")
    with pytest.raises(NotFoundError):
        play(IMAGES, "images", "-f", "before=nothing")
    with pytest.raises(InvalidError, match="invalid filter 'status=asleep'"):
        play(IMAGES, "ps", "-f", "status=asleep")


CONTAINERS = FakeStore(
    (APP, UBUNTU),
    (
        container("3", "new", APP.id, ("bash",), image_name="b" * 12, age=0),
        container(
            "0",
            "base-container",
            UBUNTU.id,
            ("/bin/bash", "-c", 'echo "héllo wörld" foo bar'),
            status="running",
            started=ago(3),
            labels={"a": "b", "c": "d"},
        ),
        container(
            "1",
            "app",
            UBUNTU.id,
            ("node", "app.js"),
            status="exited",
            exit_code=137,
            finished=ago(130),
            image_name="app",
        ),
    ),
)


def test_ps(capsys: pytest.CaptureFixture[str]) -> None:
    play(CONTAINERS, "ps", "-a")
    assert capsys.readouterr().out.splitlines() == [
        "CONTAINER ID   IMAGE          COMMAND                  CREATED                  "
        "STATUS                       PORTS     NAMES",
        '333333333333   bbbbbbbbbbbb   "bash"                   Less than a second ago   '
        "Created                                new",
        '000000000000   ubuntu         "/bin/bash -c \'echo …"   About an hour ago        '
        "Up 3 seconds                           base-container",
        '111111111111   aaaaaaaaaaaa   "node app.js"            About an hour ago        '
        "Exited (137) 2 minutes ago             app",
    ]


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        ((), ["base-container"]),
        (("-a",), ["new", "base-container", "app"]),
        (("-n", "2"), ["new", "base-container"]),
        (("-l",), ["new"]),
        (("-f", "status=exited"), ["app"]),
        (("-f", "status=exited", "-f", "status=created"), ["new", "app"]),
        (("-a", "-f", "name=^/?base"), ["base-container"]),
        (("-a", "-f", "name=a"), ["base-container", "app"]),
        (("-a", "-f", "id=11"), ["app"]),
        (("-a", "-f", "exited=137"), ["app"]),
        (("-a", "-f", "exited=0"), []),
        (("-a", "-f", "label=a=b", "-f", "label=c"), ["base-container"]),
        (("-a", "-f", "ancestor=ubuntu"), ["new", "base-container", "app"]),
        (("-a", "-f", "ancestor=app"), ["new"]),
        (("-a", "-f", "ancestor=nothing"), []),
        (("-a", "-f", "since=app"), ["new"]),
    ],
)
def test_containers_that_are_asked_for(
    argv: tuple[str, ...], names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    play(CONTAINERS, "ps", *argv, "--format", "{{.Names}}")
    assert capsys.readouterr().out.splitlines() == names


def test_fields_of_containers(capsys: pytest.CaptureFixture[str]) -> None:
    form = '{{.ID}} {{.Label "a"}} {{.Labels}} {{.State}} {{.Size}} {{.Networks}} {{.Mounts}}'
    play(CONTAINERS, "ps", "--format", form)
    assert capsys.readouterr().out == (
        "000000000000 b a=b,c=d running 12B (virtual 126MB) host /a/b/c/d/e/f/g…\n"
    )
    play(CONTAINERS, "ps", "--no-trunc", "--format", 'table {{.Label "x.a"}}\t{{.Command}}')
    heading, row = capsys.readouterr().out.splitlines()
    assert heading == "a         COMMAND"
    assert row.strip() == '"/bin/bash -c \'echo \\"héllo wörld\\" foo bar\'"'
    play(CONTAINERS, "ps", "-s")
    assert capsys.readouterr().out.splitlines()[0].endswith("NAMES            SIZE")


def step(id: str, created: str, created_by: str, size: int, comment: str) -> Any:
    return SimpleNamespace(
        id=id, created=created, created_by=created_by, size=size, comment=comment
    )


NODE = image(
    "f",
    ("node-base:latest",),
    60,
    126_000_000,
    history=[
        step("sha256:" + "f" * 64, ago(3600), "/bin/bash", 126123456, "Add node"),
        step("<missing>", ago(86400 * 36), '/bin/sh -c #(nop)  CMD ["/bin/bash"]', 0, ""),
        step("<missing>", "", "RUN /bin/sh -c apt update\t&& apt install -y nodejs # x", 13, ""),
    ],
)


def test_history(capsys: pytest.CaptureFixture[str]) -> None:
    store = FakeStore((NODE,))
    play(store, "history", "node-base")
    assert capsys.readouterr().out.splitlines() == [
        "IMAGE          CREATED             CREATED BY                                      "
        "SIZE      COMMENT",
        "ffffffffffff   About an hour ago   /bin/bash                                       "
        "126MB     Add node",
        '<missing>      5 weeks ago         /bin/sh -c #(nop)  CMD ["/bin/bash"]            '
        "0B        ",
        "<missing>      N/A                 RUN /bin/sh -c apt update && apt install -y …   "
        "13B       ",
    ]
    play(store, "history", "-q", "--no-trunc", "node-base")
    assert capsys.readouterr().out.splitlines() == ["sha256:" + "f" * 64, *["<missing>"] * 2]
    play(store, "history", "-H=false", "node-base")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].replace(" ", "") == "IMAGECREATEDATCREATEDBYSIZECOMMENT"
    assert "   126123456   Add node" in lines[1] and "0001-01-01T00:00:00Z" in lines[3]
