"""The shapes that image archives have had, as lists of members."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from fastlayers.store import Store
from tests.image_parts import Member, config_of, docker_json, index_of, layer_tar
from tests.oci_layout import digest_of

A, B = layer_tar("a"), layer_tar("b", 100_000)


def hex_of(data: bytes) -> str:
    """The hex digits of some bytes' digest."""
    return digest_of(data).partition(":")[2]


def classic(*, names: object = ("app:1",), layers: tuple[bytes, ...] = (A, B)) -> list[Member]:
    """What `docker save` wrote from 1.10 to 24: folders named by layer ids."""
    members: list[Member] = []
    for number, tar in enumerate(layers):
        members += [
            Member(f"{number:064x}/VERSION", b"1.0"),
            Member(f"{number:064x}/json", b"{}"),
            Member(f"{number:064x}/layer.tar", tar),
        ]
    config = config_of(layers)
    members.append(Member(f"{hex_of(config)}.json", config))
    members.append(
        docker_json(
            {
                "Config": f"{hex_of(config)}.json",
                "RepoTags": list(names) if isinstance(names, tuple) else names,
                "Layers": [f"{number:064x}/layer.tar" for number in range(len(layers))],
            }
        )
    )
    return members


def legacy() -> list[Member]:
    """What `docker save` wrote before 1.10."""
    base = {"id": "aa", "created": "2014-01-01T00:00:00Z", "container_config": {"Cmd": ["/bin/sh"]}}
    top = {
        "id": "bb", "parent": "aa", "architecture": "amd64", "os": "linux", "author": "me",
        "created": "2015-01-01T00:00:00Z", "config": {"Cmd": ["sh"], "Env": ["A=b"]},
        "container_config": {"Cmd": ["/bin/sh", "-c", "#(nop) ADD x"]}, "comment": "note",
    }  # fmt: skip
    return [
        Member("aa/json", json.dumps(base).encode()),
        Member("aa/layer.tar", A),
        Member("bb/json", json.dumps(top).encode()),
        Member("bb/layer.tar", B),
        Member("repositories", b'{"app":{"1":"bb","2":"bb"}}'),
    ]


def blob_member(data: bytes) -> Member:
    """A blob of a layout."""
    return Member(f"blobs/sha256/{hex_of(data)}", data)


def index_member(*rows: dict[str, object]) -> Member:
    """The index.json of a layout."""
    return Member("index.json", index_of(rows))


def unpack(path: Path, members: list[Member]) -> None:
    """Writes members as the files of a folder."""
    for member in members:
        (path / member.name).parent.mkdir(parents=True, exist_ok=True)
        (path / member.name).write_bytes(member.data)


def leftovers(store: Store) -> list[str]:
    """What lies in a store that no part of it explains: spool files, unfinished blobs."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Store(os.path.join(folder, "store"))
        fresh.prepare()
        known = {*os.listdir(fresh.root), "probe.json"}
    found = [name for name in os.listdir(store.root) if name not in known]
    for folder in ("blobs/sha256", "layers", "chains"):
        path = os.path.join(store.root, folder)
        found += [name for name in os.listdir(path) if len(name) != 64]
    found += [f"partial/{name}" for name in os.listdir(os.path.join(store.root, "partial"))]
    return sorted(found)
