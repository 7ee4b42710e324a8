"""Archives of Docker before 1.10: no manifest.json, layers chained by their `parent`.

`repositories` names the top layer of each tag; `<id>/json` describes a layer and what was run to
make it, `<id>/layer.tar` holds it. Such an image has no config document: it is written here.
"""

from __future__ import annotations

from typing import Any

from fastlayers.errors import CorruptError
from fastlayers.oci.document import History, ImageConfig, RuntimeConfig

from .docker_archive import full_name, load_json
from .file_layer import FileLayer, Files
from .source import ImageSource, LayerSource

_LAYER_LIMIT = 1000


def read_legacy_archive(files: Files) -> list[ImageSource]:
    """The images that `repositories` names, in its order."""
    repositories = load_json(files, "repositories")
    names_by_top: dict[str, list[str]] = {}
    if not isinstance(repositories, dict):
        raise CorruptError(f"{files.label}: repositories is not a JSON object")
    for repository, tags in repositories.items():
        if not isinstance(tags, dict):
            raise CorruptError(f"{files.label}: the tags of {repository!r} are not a JSON object")
        for tag, top in tags.items():
            name = full_name(files, f"{repository}:{tag}")
            names_by_top.setdefault(_checked_id(files, top), []).append(name)
    if not names_by_top:
        raise CorruptError(f"{files.label}: repositories names no image")
    return [_image(files, top, names) for top, names in names_by_top.items()]


def _checked_id(files: Files, value: object) -> str:
    if not isinstance(value, str) or not value.isascii() or not value.isalnum():
        raise CorruptError(f"{files.label}: {value!r} is not a layer id")
    return value


def _image(files: Files, top: str, names: list[str]) -> ImageSource:
    chain = _chain(files, top)
    layers: list[LayerSource] = []
    for identity, _ in chain:
        path = f"{identity}/layer.tar"
        with files.open(path) as part:
            layers.append(FileLayer(files, path, size=part.size))
    documents = [document for _, document in chain]
    return ImageSource(
        names[0],
        layers=layers,
        names=names,
        build_config=lambda diff_ids: _config(documents, diff_ids),
    )


def _chain(files: Files, top: str) -> list[tuple[str, dict[str, Any]]]:
    """The ids and documents of an image's layers, base first."""
    chain: list[tuple[str, dict[str, Any]]] = []
    seen: set[str] = set()
    identity = top
    while identity:
        if identity in seen or len(chain) >= _LAYER_LIMIT:
            raise CorruptError(f"{files.label}: the parents of layer {top} do not end")
        seen.add(identity)
        document = load_json(files, f"{identity}/json")
        if not isinstance(document, dict):
            raise CorruptError(f"{files.label}: {identity}/json is not a JSON object")
        chain.append((identity, document))
        parent = document.get("parent")
        identity = _checked_id(files, parent) if parent else ""
    return chain[::-1]


def _text(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""


def _created_by(document: dict[str, Any]) -> str:
    container = document.get("container_config")
    command = container.get("Cmd") if isinstance(container, dict) else None
    return " ".join(map(str, command)) if isinstance(command, list) else ""


def _config(documents: list[dict[str, Any]], diff_ids: list[str]) -> bytes:
    top = documents[-1]
    runtime = top.get("config")
    return ImageConfig.build(
        architecture=_text(top, "architecture") or "amd64",
        os=_text(top, "os") or "linux",
        created=_text(top, "created"),
        author=_text(top, "author"),
        runtime=RuntimeConfig(runtime if isinstance(runtime, dict) else {}),
        diff_ids=diff_ids,
        history=[
            History(
                created=_text(document, "created"),
                created_by=_created_by(document),
                author=_text(document, "author"),
                comment=_text(document, "comment"),
            )
            for document in documents
        ],
    ).raw
