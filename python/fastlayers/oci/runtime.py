"""RuntimeConfig: how containers of an image are run (the "config" of OCI image-spec, config.md)."""

from __future__ import annotations

from fastlayers.oci import fields
from fastlayers.oci.fields import Json
from fastlayers.oci.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_WHAT = "image config"


class RuntimeConfig(Frozen):
    """Command, environment, user and the like. Fields that are not known are kept as they came.

    `entrypoint`, `cmd` and `shell` are None where the document has none, which is not the same as
    an empty list.
    """

    __slots__ = (
        "_document",
        "cmd",
        "entrypoint",
        "env",
        "exposed_ports",
        "labels",
        "on_build",
        "shell",
        "stop_signal",
        "user",
        "volumes",
        "working_dir",
    )

    _document: Json
    cmd: tuple[str, ...] | None
    entrypoint: tuple[str, ...] | None
    shell: tuple[str, ...] | None
    env: tuple[str, ...]  # "NAME=value"
    exposed_ports: tuple[str, ...]  # "80/tcp"
    labels: dict[str, str]
    on_build: tuple[str, ...]
    stop_signal: str
    user: str
    volumes: tuple[str, ...]
    working_dir: str

    def __init__(self, document: Mapping[str, object] | None = None) -> None:
        document = dict(document or {})
        self._set(
            _document=document,
            cmd=fields.strings(document, "Cmd", _WHAT, or_string=True),
            entrypoint=fields.strings(document, "Entrypoint", _WHAT, or_string=True),
            shell=fields.strings(document, "Shell", _WHAT, or_string=True),
            env=fields.strings(document, "Env", _WHAT) or (),
            exposed_ports=tuple(fields.mapping(document, "ExposedPorts", _WHAT)),
            labels=fields.string_map(document, "Labels", _WHAT),
            on_build=fields.strings(document, "OnBuild", _WHAT) or (),
            stop_signal=fields.text(document, "StopSignal", _WHAT),
            user=fields.text(document, "User", _WHAT),
            volumes=tuple(fields.mapping(document, "Volumes", _WHAT)),
            working_dir=fields.text(document, "WorkingDir", _WHAT),
        )

    @property
    def healthcheck(self) -> Json:
        """The health check as Docker writes it; empty if there is none."""
        return dict(fields.mapping(self._document, "Healthcheck", _WHAT))

    def to_json(self) -> Json:
        """The config as a JSON object: a copy."""
        return dict(self._document)

    def replace(self, values: Mapping[str, object]) -> RuntimeConfig:
        """The same config with these fields ("Cmd", "Env", ...) set; None removes a field."""
        document = {**self._document, **values}
        return RuntimeConfig({key: value for key, value in document.items() if value is not None})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RuntimeConfig) and self._document == other._document

    __hash__ = None  # type: ignore[assignment]


def split_env(entry: str) -> tuple[str, str]:
    """The name and the value of an "NAME=value"; a name may begin with '='."""
    name, _, value = entry[1:].partition("=") if entry.startswith("=") else entry.partition("=")
    return ("=" + name, value) if entry.startswith("=") else (name, value)
