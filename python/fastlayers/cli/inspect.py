"""`inspect`, and that of `container`, `image` and `volume`: everything there is to say, as JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from fastlayers.cli import one_line
from fastlayers.cli.command import Call, Command, CommandError
from fastlayers.cli.elsewhere import image_or_remote
from fastlayers.cli.flags import Flag
from fastlayers.cli.template import (
    NO_LIST,
    NO_MAP,
    EmptyStruct,
    StringMap,
    Template,
    TemplateError,
    in_utf8,
    to_json,
)
from fastlayers.cli.template.errors import TemplateSyntaxError
from fastlayers.errors import FastlayersError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastlayers.store import Store

    _Find = Callable[[Store, str, bool], dict[str, object]]

COMMAND = Command(
    "[OPTIONS] NAME|ID [NAME|ID...]",
    "Return low-level information on containers, images and volumes",
    (
        Flag(
            "format",
            "f",
            "string",
            "How to print each object:\n"
            "'json':             JSON, on one line\n"
            "'TEMPLATE':         The given Go template",
        ),
        Flag("size", "s", "bool", "Display total file sizes if the type is container"),
        Flag("type", "", "string", "Only inspect objects of the given type"),
    ),
    arguments=(1, None),
)

_TYPES = ("container", "image", "volume")
# Fields that are lists and maps even when there is nothing in them: templates print them as such.
_LISTS = frozenset(
    (
        "Binds",
        "Cmd",
        "Entrypoint",
        "Env",
        "ExtraHosts",
        "Mounts",
        "OnBuild",
        "RepoDigests",
        "RepoTags",
        "Shell",
    )
)
_MAPS = frozenset(("ExposedPorts", "Labels", "Ports", "Volumes"))
_SETS = frozenset(("ExposedPorts", "Volumes"))


def run(call: Call) -> int:
    group = call.path.partition(" ")[0]
    wanted = group if group in _TYPES else call.flags.text("type")
    if wanted and wanted not in _TYPES:
        names = ", ".join(f'"{name}"' for name in _TYPES)
        raise CommandError(f'unknown type: "{wanted}": must be one of {names}')
    format = call.flags.text("format")
    template = _template(format)
    find = {"": _any, "container": _container, "image": _image, "volume": _volume}[wanted]
    found, errors = _find_all(call, find)
    if template is not None:
        for about in found:
            try:
                print(template.render(shaped(about)))
            except TemplateError:
                print()
                raise
        if not found:
            print()  # a line, as docker has it
    elif format.strip() == "json":
        print(to_json(found))
    else:
        print(in_utf8(json.dumps(found, indent=4, ensure_ascii=False)))
    sys.stdout.flush()
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


def _template(format: str) -> Template | None:
    if format.strip() in ("", "json"):
        return None
    try:
        return Template(format)
    except TemplateSyntaxError as error:
        error.exit_code = 64
        raise


def _find_all(call: Call, find: _Find) -> tuple[list[dict[str, object]], list[str]]:
    found: list[dict[str, object]] = []
    errors: list[str] = []
    for name in call.args:
        try:
            found.append(find(call.store, name, call.flags.enabled("size")))
        except TemplateError:
            raise
        except FastlayersError as error:
            before = "" if isinstance(error, CommandError) else "Error: "
            errors.append(before + one_line(str(error)))
    return found, errors


def _container(store: Store, name: str, with_size: bool) -> dict[str, object]:
    container = store.container(name)
    about: dict[str, object] = container.inspect()
    if with_size:
        image = store.try_image(container.image_id)
        about["SizeRw"] = container.size()
        about["SizeRootFs"] = container.size() + (0 if image is None else image.size)
    return about


def _image(store: Store, name: str, with_size: bool) -> dict[str, object]:
    return image_or_remote(store, name).inspect()


def _volume(store: Store, name: str, with_size: bool) -> dict[str, object]:
    return store.volume(name).inspect()


def _any(store: Store, name: str, with_size: bool) -> dict[str, object]:
    if name.startswith("docker://"):  # no container's name, and the registry says why not
        return _image(store, name, with_size)
    for find in (_container, _image, _volume):
        try:
            return find(store, name, with_size)
        except NotFoundError:
            continue
    raise CommandError(f"error: no such object: {name}")


def shaped(value: object, name: str = "") -> object:
    """The same, as templates want it.

    Nulls that are really empty lists and maps are marked as such, and so are maps of labels.
    """
    if value is None:
        return NO_LIST if name in _LISTS else NO_MAP if name in _MAPS else None
    if isinstance(value, dict):
        if "RootFS" in value:
            value = {"Variant": "", **value}  # which JSON leaves out as well
        if name == "Labels":
            return StringMap({key: value[key] for key in sorted(value)})
        if name in _SETS:
            return {key: EmptyStruct() for key in value}
        return {key: shaped(item, key) for key, item in value.items()}
    if name == "Mounts" and isinstance(value, list):
        # What JSON leaves out where it is empty, templates can ask for.
        return [shaped({"Name": "", "Driver": "", **mount}) for mount in value]
    if isinstance(value, list | tuple):
        return [shaped(item) for item in value]
    return value
