"""What package managers write down of a package: bytes of a file to (name, version, architecture).

Everything here comes from strangers: what breaks its format raises ValueError.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from fastlayers.oci import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    Named = tuple[str, str, str]

_BLANK_LINES = re.compile(rb"\n[ \t\r]*\n")
_FIELD = re.compile(rb"^(Package|Name|Version|Architecture|Status):(.*)$", re.MULTILINE | re.I)
_APK_FIELD = re.compile(rb"^([PVA]):(.*)$", re.MULTILINE)


def deb(data: bytes) -> Iterator[Named]:
    """dpkg's status file (deb822): what has files, so neither "not-installed" nor "config-files".
    A package of distroless' status.d says nothing of its status."""
    for fields in _paragraphs(data):
        if fields.get("status", "").endswith((" not-installed", " config-files")):
            continue
        yield _named(fields, "package")


def pypi(data: bytes) -> Iterator[Named]:
    """METADATA of a dist-info, PKG-INFO of an egg-info: fields to the first blank line."""
    yield _named(next(_paragraphs(data), {}), "name")


def _paragraphs(data: bytes) -> Iterator[dict[str, str]]:
    start = 0
    while start < len(data):
        gap = _BLANK_LINES.search(data, start)
        end = gap.start() if gap else len(data)
        fields: dict[str, str] = {}
        for name, value in _FIELD.findall(data, start, end):
            fields.setdefault(name.decode().lower(), os.fsdecode(value.strip()))
        if fields:
            yield fields
        start = gap.end() if gap else len(data)


def _named(fields: dict[str, str], name: str) -> Named:
    if not fields.get(name):
        raise ValueError("it names no package")
    return fields[name], fields.get("version", ""), fields.get("architecture", "")


def apk(data: bytes) -> Iterator[Named]:
    """apk's installed file: P, V and A of each paragraph."""
    for paragraph in data.split(b"\n\n"):
        fields = {key: os.fsdecode(value) for key, value in _APK_FIELD.findall(paragraph)}
        if fields:
            if not fields.get(b"P"):
                raise ValueError("it names no package")
            yield fields[b"P"], fields.get(b"V", ""), fields.get(b"A", "")


def npm(data: bytes) -> Iterator[Named]:
    """A package.json: "" for the name and version that it does not say."""
    try:
        # As npm reads it: a mark of the byte order may come first.
        document = json_text.loads(data.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    name, version = document.get("name"), document.get("version")
    yield name if isinstance(name, str) else "", version if isinstance(version, str) else "", ""
