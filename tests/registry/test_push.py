"""Pushing to a real registry: round trips, other tools as witnesses, logins, TLS."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests import busybox_root
from tests.command_line import CommandLine
from tests.fake_registry import Answer, FakeRegistry, Request
from tests.oci_layout import digest_of
from tests.real_registry import PASSWORD, USER, make_certificate, running
from tests.registry.server import Registry, serving
from tests.tree import differences, read_directory

pytestmark = [pytest.mark.privileged, pytest.mark.needs("docker-registry", "skopeo", "busybox")]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """An open registry."""
    with serving(tmp_path_factory.mktemp("registry")) as open_to_all:
        yield open_to_all


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that wants a password."""
    with serving(tmp_path_factory.mktemp("locked"), auth=True) as with_password:
        yield with_password


def make(command: CommandLine, name: str) -> str:
    """Commits an image on an imported one; its ID."""
    command.must("import", "-", "base", stdin=busybox_root.tar())
    command.must("run", "--name", "maker", "base", "sh", "-c", "echo made > /made; rm /etc/passwd")
    command.must("commit", "-c", "CMD cat /made", "maker", name)
    command.must("rm", "maker")
    return command.must("inspect", "-f", "{{.Id}}", name).out.strip()


@pytest.mark.parametrize("format", ["gzip", "zstd", "none"])
def test_round_trip(registry: Registry, fresh: CommandLine, tmp_path: Path, format: str) -> None:
    name = f"{registry.address}/round/{format}:1"
    made = make(fresh, name)
    pushed = fresh.must("push", "--compression-format", format, name)
    assert pushed.lines[0] == f"The push refers to repository [{registry.address}/round/{format}]"
    words = pushed.lines[-1].split()
    assert words[:2] == ["1:", "digest:"] and words[3] == "size:"
    other = CommandLine(tmp_path / "other")
    pulled = other.must("pull", name)
    assert f"Digest: {words[2]}" in pulled.lines
    assert other.must("inspect", "-f", "{{.Id}}", name).out.strip() == made
    assert other.must("run", "--rm", name).out == "made\n"
    raw = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    assert (digest_of(raw), str(len(raw))) == (words[2], words[4])
    # What was pulled goes on to another repository as it is, and its layers are not sent.
    start = len(registry.requests())
    further = f"{registry.address}/round/{format}-further:2"
    other.must("tag", name, further)
    assert words[2] in other.must("push", further).lines[-1]
    sent = [r for r in registry.requests()[start:] if r.method == "PATCH"]
    assert len(sent) == 1, "the config alone"


@pytest.mark.needs("umoci")
def test_other_tools_unpack_what_was_pushed(
    registry: Registry, fresh: CommandLine, tmp_path: Path
) -> None:
    name = f"{registry.address}/witness:1"
    make(fresh, name)
    fresh.must("push", name)
    source = ["--src-tls-verify=false", f"docker://{name}"]
    subprocess.run(["skopeo", "copy", "-q", *source, f"oci:{tmp_path}/layout:1"], check=True)
    subprocess.run(["umoci", "unpack", "--image", f"{tmp_path}/layout:1", tmp_path / "bundle"],
                   check=True, capture_output=True)  # fmt: skip
    target = tmp_path / "mounted"
    target.mkdir()
    fresh.must("mount", name, str(target))
    try:
        expected = read_directory(str(target))
        assert differences(expected, read_directory(str(tmp_path / "bundle" / "rootfs"))) == []
    finally:
        fresh.must("umount", str(target))


def test_all_tags_and_several_pushes(registry: Registry, fresh: CommandLine) -> None:
    name = f"{registry.address}/many"
    make(fresh, f"{name}:1")
    fresh.must("tag", f"{name}:1", f"{name}:2")
    fresh.must("tag", "base", f"{name}:base")
    done = fresh.must("push", "-a", name)
    assert {line.partition(":")[0] for line in done.lines if "digest:" in line} == {
        "1",
        "2",
        "base",
    }
    tags = subprocess.run(["skopeo", "list-tags", "--tls-verify=false", f"docker://{name}"],
                          check=True, capture_output=True).stdout  # fmt: skip
    assert sorted(json.loads(tags)["Tags"]) == ["1", "2", "base"]
    again = fresh.must("push", f"{name}:1")
    assert [line.partition(": ")[2] for line in again.lines[1:-1]] == ["Layer already exists"] * 2
    events = [json.loads(line) for line in fresh.must("push", "--progress=json", f"{name}:1").lines]
    assert [event["status"] for event in events][1:-1] == ["Layer already exists"] * 2
    assert fresh.must("push", "-q", f"{name}:2").out == f"{name}:2\n"
    assert fresh.must("push", "--progress=none", f"{name}:2").out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["push", "absent"], "An image does not exist locally with the tag: absent"),
        (["push", "-a", "absent"], "An image does not exist locally with the tag: absent"),
        (["push", "-a", "base:1"], "tag can't be used with --all-tags/-a"),
        (["push", "base@sha256:" + "0" * 64], "cannot push a digest reference"),
        (["push", "UPPER"], "invalid reference format"),
        (["push", "--progress=loud", "base"], "must be one of auto, plain, json, none"),
        (["push", "--compression-format=lz4", "base"], "unknown compression 'lz4'"),
        (["push"], "requires 1 argument"),
    ],
)
def test_what_cannot_be_pushed(fresh: CommandLine, words: list[str], said: str) -> None:
    fresh.must("import", "-", "base", stdin=busybox_root.tar())
    done = fresh.call(*words)
    assert done.code in (1, 125) and said in done.err, done.err


def test_login_push_pull_logout(locked: Registry, fresh: CommandLine) -> None:
    name = f"{locked.address}/private:1"
    make(fresh, name)
    denied = fresh.fails(1, "push", name)
    assert (
        "push access denied for private" in denied.err and "no basic auth credentials" in denied.err
    )
    wrong = fresh.call("login", "-u", USER, "--password-stdin", locked.address, stdin=b"wrong\n")
    assert wrong.code == 1 and "cannot log in: unauthorized" in wrong.err
    done = fresh.must(
        "login", "-u", USER, "--password-stdin", locked.address, stdin=PASSWORD.encode() + b"\n"
    )
    assert done.out == "Login Succeeded\n"
    assert "stored unencrypted" in done.err
    again = fresh.must("login", locked.address)
    assert again.lines == [
        f"Authenticating with existing credentials... [Username: {USER}]", "Login Succeeded"
    ]  # fmt: skip
    fresh.must("push", name)
    fresh.must("rmi", name)
    fresh.must("pull", name)
    assert fresh.must("logout", locked.address).out == (
        f"Removing login credentials for {locked.address}\n"
    )
    assert fresh.must("logout", locked.address).out == f"Not logged in to {locked.address}\n"
    fresh.fails(1, "push", name)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Cannot perform an interactive login from a non TTY device"),
        (["--password-stdin"], "Must provide --username with --password-stdin"),
        (["-u", "a", "-p", "b", "--password-stdin"], "mutually exclusive"),
        (["-u", "a", "-p", "b", "127.0.0.1:1"], "registry 127.0.0.1:1: cannot"),
        (["-u", "a", "-p", "b", "https://"], "not the name of a registry"),
    ],
)
def test_logins_that_fail(fresh: CommandLine, words: list[str], said: str) -> None:
    done = fresh.call("login", *words)
    assert done.code == 1 and said in done.err, done.err
    assert "Succeeded" not in done.out


@pytest.mark.parametrize("trust", ["ca", "verify", "certificate", "environment"])
def test_tls(fresh: CommandLine, tmp_path: Path, trust: str) -> None:
    certificate, key = make_certificate(tmp_path / "tls")
    clients = certificate if trust == "certificate" else None
    with running(tmp_path / "registry", tls=(certificate, key), clients=clients) as address:
        name = f"{address}/secure:1"
        made = make(fresh, name)
        assert "its certificate is not trusted" in fresh.fails(1, "push", name).err
        lines = {
            "ca": f'ca = "{certificate}"',
            "verify": "verify = false",
            "certificate": f'ca = "{certificate}"\ncertificate = "{certificate}"\nkey = "{key}"',
            "environment": "",
        }
        settings = tmp_path / "registries.toml"
        settings.write_text(f'["{address}"]\n{lines[trust]}\n')
        extra = {"FASTLAYERS_REGISTRIES": str(settings)}
        if trust == "environment":
            extra["SSL_CERT_FILE"] = str(certificate)
        trusting = CommandLine(fresh.root, extra=extra)
        trusting.must("push", name)
        other = CommandLine(tmp_path / "other", extra=extra)
        other.must("pull", "-q", name)
        assert other.must("inspect", "-f", "{{.Id}}", name).out.strip() == made
        if trust == "certificate":
            settings.write_text(f'["{address}"]\n{lines["ca"]}\n')
            assert "TLS failed" in other.fails(1, "pull", name).err


def test_the_policy_of_a_pull(registry: Registry, fresh: CommandLine) -> None:
    name = f"{registry.address}/policy:1"
    make(fresh, name)
    fresh.must("push", "-q", name)
    fresh.must("rmi", name)
    absent = fresh.fails(1, "pull", "--policy", "never", name)
    assert f"No such image: {name}" in absent.err
    start = len(registry.requests())
    fresh.must("pull", "--policy=missing", name)
    asked = len(registry.requests())
    assert asked > start
    assert fresh.must("pull", "--policy=missing", name).out == f"{name}\n"
    assert fresh.must("pull", "--policy=never", name).out == f"{name}\n"
    assert len(registry.requests()) == asked
    fresh.must("pull", name)
    assert len(registry.requests()) > asked
    assert "must be one of always, missing, never" in fresh.call("pull", "--policy=x", name).err


def test_an_image_is_looked_at_where_it_is(
    registry: Registry, fresh: CommandLine, tmp_path: Path
) -> None:
    name = f"{registry.address}/looked/at"
    made = make(fresh, f"{name}:1")
    for tag in ("1", "2", "3"):
        fresh.must("tag", f"{name}:1", f"{name}:{tag}")
        fresh.must("push", "-q", f"{name}:{tag}")
    other = CommandLine(tmp_path / "other")
    start = len(registry.requests())
    (document,) = json.loads(other.must("inspect", f"docker://{name}:1").out)
    (local,) = json.loads(fresh.must("inspect", f"{name}:1").out)
    assert document["Id"] == made
    for key in ("Config", "RootFS", "Architecture", "Os", "Created", "RepoDigests"):
        assert document[key] == local[key], key
    assert document["RepoTags"] == [f"{name}:1"] and 0 < document["Size"] < local["Size"]
    history = other.must("history", "--no-trunc", "--format", "{{.ID}} {{.CreatedBy}}",
                         f"docker://{name}:1").lines  # fmt: skip
    assert history[0].startswith(made) and len(history) == 2
    assert other.must("images", "-aq").out == ""
    assert all("/blobs/" not in r.path or document["Id"] in r.path
               for r in registry.requests()[start:])  # fmt: skip
    assert sorted(other.must("list-tags", name).lines) == ["1", "2", "3"]
    shown = json.loads(other.must("list-tags", "--format", "json", f"docker://{name}").out)
    assert (shown["Repository"], sorted(shown["Tags"])) == (name, ["1", "2", "3"])
    other.must("copy", "-q", f"docker://{name}:1", f"oci:{tmp_path}/layout:x")
    (copied,) = json.loads(other.must("inspect", f"oci:{tmp_path}/layout:x").out)
    assert copied["Id"] == made and copied["RepoTags"] == []
    for words in (["inspect", f"docker://{name}:9"], ["history", f"docker://{name}:9"],
                  ["list-tags", f"{name}/absent"], ["inspect", "oci:absent"]):  # fmt: skip
        assert other.fails(1, *words).err


def test_tags_come_page_by_page(fresh: CommandLine) -> None:
    with FakeRegistry().running() as many:
        pages = {"": (["a", "b"], "b"), "b": (["c"], "c"), "c": (["d"], "")}

        def page(request: Request) -> Answer | None:
            if "/tags/list" not in request.path:
                return None
            last = dict(parse_qsl(urlsplit(request.path).query)).get("last", "")
            tags, following = pages[last]
            link = {"Link": f'</v2/app/tags/list?n=2&last={following}>; rel="next"'}
            body = json.dumps({"name": "app", "tags": tags}).encode()
            return Answer(body=body, headers=link if following else {})

        many.hooks.append(page)
        assert fresh.must("list-tags", f"{many.host}/app").lines == ["a", "b", "c", "d"]
        pages["c"] = (["d"], "b")  # round in circles
        assert fresh.must("list-tags", f"{many.host}/app").lines == ["a", "b", "c", "d"]
