"""`commit`, `history` and what must never get into a layer."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import CommandLine
from tests.tar_members import Member, members

pytestmark = [pytest.mark.privileged, pytest.mark.needs("busybox")]


def _top_layer(shell: CommandLine, image: str) -> list[Member]:
    (document,) = json.loads(shell.must("inspect", image).out)
    diff_id = document["RootFS"]["Layers"][-1]
    return list(members((shell.root / "blobs/sha256" / diff_id.partition(":")[2]).read_bytes()))


def _config(shell: CommandLine, image: str) -> dict[str, Any]:
    (document,) = json.loads(shell.must("inspect", image).out)
    return dict(document["Config"])


def _names(layer: list[Member]) -> list[str]:
    return [member.path.decode().strip("/") for member in layer]


def _committed(shell: CommandLine, image: str, *script: str, flags: tuple[str, ...] = ()) -> None:
    shell.must("run", "--name=worker", *flags, "box", "sh", "-c", "; ".join(script))
    shell.must("commit", "worker", image)
    shell.must("rm", "worker")


def test_files_of_the_engine_do_not_leak(shell: CommandLine) -> None:
    _committed(
        shell,
        "clean",
        "echo 1.2.3.4 x >> /etc/hosts",
        "echo y > /etc/resolv.conf",
        "echo z > /etc/hostname",
        "touch /dev/new /dev/shm/new",
        "echo mine > /file",
    )
    assert _names(_top_layer(shell, "clean")) == ["file"]
    shell.must("rmi", "clean")


def test_an_empty_commit_is_an_empty_layer(shell: CommandLine) -> None:
    _committed(shell, "same", "true")
    assert _top_layer(shell, "same") == []
    assert len(shell.must("history", "-q", "same").lines) == 2
    shell.must("rmi", "same")


def test_the_same_change_gives_the_same_layer(shell: CommandLine) -> None:
    script = (
        "mkdir -p /d/e",
        "echo x > /d/e/f",
        "touch -d @1700000000 /d/e/f /d/e /d",
        "rm -r /home",
    )
    for image in ("first", "second"):
        _committed(shell, image, *script)
    layers = [
        json.loads(shell.must("inspect", image).out)[0]["RootFS"]["Layers"][-1]
        for image in ("first", "second")
    ]
    assert layers[0] == layers[1]
    assert sorted(_names(_top_layer(shell, "first"))) == [".wh.home", "d", "d/e", "d/e/f"]
    shell.must("rmi", "first", "second")


def test_a_running_container_can_be_committed(shell: CommandLine) -> None:
    shell.must("run", "-d", "--name=live", "box", "sh", "-c", "echo now > /state; sleep 60")
    for _ in range(100):
        if shell.must("diff", "live").lines:
            break
        time.sleep(0.05)
    shell.must("commit", "live", "snapshot")
    assert shell.must("inspect", "-f", "{{.State.Status}}", "live").out.strip() == "running"
    assert shell.must("run", "--rm", "snapshot", "cat", "/state").out == "now\n"
    shell.must("rm", "-f", "live")
    shell.must("rmi", "snapshot")


def test_volumes_are_not_committed(shell: CommandLine, tmp_path: Path) -> None:
    shell.must("run", "--name=base", "box", "true")
    shell.must("commit", "-c", "VOLUME /data /var/more", "base", "with-volume")
    shell.must("rm", "base")
    flags = ("-v", f"{tmp_path}:/outside")
    shell.must("run", "--name=worker", *flags, "with-volume", "sh", "-c",
               "echo a > /data/a; echo b > /outside/b; echo c > /c")  # fmt: skip
    shell.must("commit", "worker", "after")
    names = _names(_top_layer(shell, "after"))
    assert "c" in names and not {"data/a", "outside/b"} & set(names)
    shell.must("rm", "worker")
    shell.must("rmi", "after", "with-volume")


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        ("CMD node app.js", "Cmd", ["/bin/sh", "-c", "node app.js"]),
        ('CMD ["a", "b c"]', "Cmd", ["a", "b c"]),
        ('ENTRYPOINT ["e"]', "Entrypoint", ["e"]),
        ("ENV K one two", "Env", ["K=one two"]),
        ('ENV A="x y" B=z\\ w', "Env", ["A=x y", "B=z w"]),
        ("LABEL k=a=b", "Labels", {"k": "a=b"}),
        ("USER maria", "User", "maria"),
        ("WORKDIR /w", "WorkingDir", "/w"),
        ("EXPOSE 80 90/udp", "ExposedPorts", {"80/tcp": {}, "90/udp": {}}),
        ("VOLUME /v1 /v2", "Volumes", {"/v1": {}, "/v2": {}}),
        ("ONBUILD RUN x", "OnBuild", ["RUN x"]),
        ("STOPSIGNAL SIGINT", "StopSignal", "SIGINT"),
    ],
)  # fmt: skip
def test_change(shell: CommandLine, change: str, key: str, value: object) -> None:
    shell.must("create", "--name=plain", "box", "true")
    shell.must("commit", "-c", change, "plain", "changed")
    found = _config(shell, "changed")[key]
    if key == "Env":
        assert isinstance(value, list)
        assert [line for line in found if not line.startswith("PATH=")] == value
    else:
        assert found == value
    shell.must("rm", "plain")
    shell.must("rmi", "changed")


@pytest.mark.parametrize("change", ["RUN x", "CMD", "NONSENSE", "ENV", "WORKDIR"])
def test_a_bad_change_is_refused_and_leaves_nothing(shell: CommandLine, change: str) -> None:
    shell.must("create", "--name=plain", "box", "true")
    before = shell.must("images", "-aq", "--no-trunc").out
    shell.fails(1, "commit", "-c", change, "plain", "changed")
    assert shell.must("images", "-aq", "--no-trunc").out == before
    shell.must("rm", "plain")


def test_history_tells_what_was_done(shell: CommandLine) -> None:
    shell.must("run", "--name=worker", "box", "sh", "-c", "echo 12345 > /five")
    shell.must("commit", "-m", "Add five", "-a", "Maria", "worker", "told")
    head, newest, base = shell.must("history", "--no-trunc", "told").lines
    assert head.split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert "sh -c echo 12345 > /five" in newest and "Add five" in newest and "6B" in newest
    assert base.startswith("<missing>")
    (document,) = json.loads(shell.must("inspect", "told").out)
    assert document["Author"] == "Maria"
    shell.must("rm", "worker")
    shell.must("rmi", "told")


def test_diff_lists_added_changed_deleted(shell: CommandLine) -> None:
    script = "mkdir /new; touch /new/f; echo x >> /etc/plain; rm /etc/group"
    shell.must("run", "--name=worker", "box", "sh", "-c", script)
    lines = shell.must("diff", "worker").lines
    assert sorted(lines) == sorted(["A /new", "A /new/f", "C /etc", "C /etc/plain", "D /etc/group"])
    shell.must("rm", "worker")


def test_what_is_no_utf8_stays_as_it_is(shell: CommandLine) -> None:
    name = "bad-\udcff\udcfe-\udcc3"  # bytes, as Python decodes them
    shell.must(
        "run", "--name=worker", "-e", f"A={name}", "-w", f"/work-{name}", "-l", f"label={name}",
        "box", "sh", "-c", 'echo "$A" > "/$1"; mkdir "/$1 d"', "sh", name,
    )  # fmt: skip
    expected = [f"A /{name}", f"A /{name} d", f"A /work-{name}"]
    assert sorted(shell.must("diff", "worker").lines) == expected
    (document,) = json.loads(shell.must("inspect", "worker").out)  # by escapes, so it is UTF-8
    assert document["Args"][-1] == name
    assert document["Config"]["Labels"]["label"] == name
    shell.must("commit", "-m", name, "-c", f"ENV B={name}", "worker", "named")
    done = shell.must(
        "run",
        "--rm",
        "named",
        "sh",
        "-c",
        f'cat "/{name}"; test -d "/{name} d" && echo there; echo "$B"',
    )
    assert done.lines[:2] == [name, "there"]
    # Other programs read an image's documents: in them it is U+FFFD, as in Docker's.
    replaced = name.encode(errors="surrogateescape").decode(errors="replace")
    assert done.lines[2:] == [replaced]
    (image,) = json.loads(shell.must("inspect", "named").out)
    assert image["Comment"] == replaced
    error = shell.fails(125, "run", "--rm", "-u", name, "box", "true").err
    assert r"unable to find user bad-\xff\xfe-\xc3" in error
    shell.must("rm", "worker")
    shell.must("rmi", "named")


@pytest.mark.parametrize(
    "words",
    [["--name", "\udcff", "box"], ["-h", "\udcff", "box"], ["\udcff"], ["box", "\udcff"],
     ["--entrypoint", "\udcff", "box"], ["-v", "\udcff:/x", "box"], ["--network", "\udcff", "box"]],
)  # fmt: skip
def test_no_word_that_is_no_utf8_is_a_crash(shell: CommandLine, words: list[str]) -> None:
    done = shell.call("run", "--rm", *words)
    assert done.code in (125, 127)
    assert len(done.err.splitlines()) <= 3 and "Traceback" not in done.err


def test_an_image_in_use_is_kept(shell: CommandLine) -> None:
    shell.must("create", "--name=user", "box", "true")
    assert "container" in shell.fails(1, "rmi", "box").err
    assert shell.must("run", "--rm", "box", "true").code == 0
    shell.must("rm", "user")


def test_deep_chains_still_work(shell: CommandLine) -> None:
    image = "box"
    for step in range(12):
        shell.must(
            "run", "--name=step", image, "sh", "-c", f"echo {step} > /s{step}; echo {step} > /n"
        )
        shell.must("commit", "step", f"deep{step}")
        shell.must("rm", "step")
        image = f"deep{step}"
    script = "cat /n; ls / | grep -c '^s[0-9]'"
    assert shell.must("run", "--rm", image, "sh", "-c", script).lines == ["11", "12"]
    shell.must("rmi", *(f"deep{step}" for step in range(12)))


def test_files_of_the_engine_are_not_committed_without_a_network(shell: CommandLine) -> None:
    before = shell.must("run", "--rm", "-h", "here", "box", "cat", "/etc/hosts").out
    script = "echo changed >> /etc/hosts; echo kept > /kept"
    shell.must("run", "--network=none", "--name=worker", "box", "sh", "-c", script)
    shell.must("commit", "worker", "lonely")
    done = shell.must("run", "--rm", "-h", "here", "lonely", "cat", "/kept", "/etc/hosts")
    assert done.out == f"kept\n{before}"
    shell.must("rm", "worker")
    shell.must("rmi", "lonely")
