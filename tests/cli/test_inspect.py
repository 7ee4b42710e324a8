"""`inspect`: containers before images, JSON, templates, and what is not there."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from fastlayers.cli import flags, verb_module
from fastlayers.cli.command import Call, CommandError
from fastlayers.errors import NotFoundError

IMAGE = {
    "Id": "sha256:" + "a" * 64,
    "Config": {"Cmd": ["/bin/sh"], "Labels": None},
    "Comment": "<ü>",
}
CONTAINER = {"Id": "c" * 64, "Name": "/box", "Config": {"Entrypoint": None}}


VOLUME: dict[str, Any] = {"Name": "data", "Driver": "local", "Labels": None}


class FakeStore:
    def image(self, name: str) -> Any:
        if name not in ("ubuntu", "both"):
            raise NotFoundError(f"No such image: {name}:latest")
        return SimpleNamespace(inspect=lambda: dict(IMAGE), size=100)

    def try_image(self, name: str) -> Any:
        return self.image("ubuntu")

    def container(self, name: str) -> Any:
        if name not in ("box", "both"):
            raise NotFoundError(f"No such container: {name}")
        return SimpleNamespace(inspect=lambda: dict(CONTAINER), size=lambda: 7, image_id="x")

    def volume(self, name: str) -> Any:
        if name not in ("data", "both"):
            raise NotFoundError(f"get {name}: no such volume")
        return SimpleNamespace(inspect=lambda: dict(VOLUME))


def inspect(*argv: str, path: str = "inspect") -> int:
    module = verb_module("inspect")
    values = flags.parse(module.COMMAND.flags, list(argv))
    call = Call(path, values, None, None)
    call._store = FakeStore()  # type: ignore[assignment]
    code: int = module.run(call)
    return code


def test_objects_are_an_indented_array(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect("box", "ubuntu", "both") == 0
    out = capsys.readouterr().out
    assert json.loads(out) == [CONTAINER, IMAGE, CONTAINER]
    assert out.startswith('[\n    {\n        "Id": "ccc') and '"Comment": "<ü>"' in out


def test_types_and_groups_choose(capsys: pytest.CaptureFixture[str]) -> None:
    for path, argv in (("image inspect", ("both",)), ("inspect", ("--type", "image", "both"))):
        assert inspect(*argv, path=path) == 0
        assert json.loads(capsys.readouterr().out) == [IMAGE]
    assert inspect("both", path="volume inspect") == 0
    assert json.loads(capsys.readouterr().out) == [VOLUME]
    assert inspect("data") == 0
    assert json.loads(capsys.readouterr().out) == [VOLUME]
    with pytest.raises(CommandError, match='unknown type: "foo": must be one of "container"'):
        inspect("--type", "foo", "x")


def test_what_is_not_there_is_said_after_what_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect("nope", "box") == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == [CONTAINER]
    assert captured.err == "error: no such object: nope\n"
    assert inspect("nope", path="image inspect") == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("[]\n", "Error: No such image: nope:latest\n")
    assert inspect("-f", "{{.Name}}", "nope", "box") == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("/box\n", "error: no such object: nope\n")


def test_templates_see_empty_lists_and_maps(capsys: pytest.CaptureFixture[str]) -> None:
    inspect("-f", "{{.Config.Labels}} {{.Config.Cmd}} {{json .Config.Labels}}", "ubuntu")
    inspect("-f", "{{.Config.Entrypoint}}", "box")
    inspect("-f", "json", "box")
    assert capsys.readouterr().out.splitlines() == [
        "map[] [/bin/sh] null",
        "[]",
        json.dumps([CONTAINER], separators=(",", ":")),
    ]


def test_an_unreadable_template_is_64() -> None:
    with pytest.raises(CommandError) as error:
        inspect("-f", "{{.Id", "box")
    assert error.value.exit_code == 64


def test_sizes_of_containers(capsys: pytest.CaptureFixture[str]) -> None:
    inspect("-s", "-f", "{{.SizeRw}} {{.SizeRootFs}}", "box")
    assert capsys.readouterr().out == "7 107\n"
