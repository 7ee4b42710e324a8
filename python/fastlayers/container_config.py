"""The config of a container: what its image says, overridden by what was asked for.

The keys are Docker's ("Env", "Cmd", ...), so `inspect` shows it and `commit` takes it as it is.
"""

from __future__ import annotations

import os

from fastlayers.container_options import check_workdir, env_entries
from fastlayers.errors import InvalidError
from fastlayers.oci.runtime import RuntimeConfig, split_env

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fastlayers.container_options import ContainerOptions

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def merge(image: RuntimeConfig, options: ContainerOptions) -> RuntimeConfig:
    """The runtime config of a container of this image."""
    command, entrypoint = options.command, options.entrypoint
    if entrypoint is None:
        entrypoint = image.entrypoint
        command = command or image.cmd
    labels = {**image.labels, **options.labels}
    own_volumes = [volume for volume in options.volumes if ":" not in volume]
    volumes = dict.fromkeys((*image.volumes, *own_volumes))
    ports = _exposed(image, options)
    values: dict[str, object] = {
        "Cmd": None if command is None else list(command),
        "Entrypoint": list(entrypoint) if entrypoint else None,
        "Env": override_env(image.env, options.env),
        "ExposedPorts": {port: {} for port in ports} or None,
        "Labels": labels or None,
        "Volumes": {volume: {} for volume in volumes} or None,
    }
    if options.user is not None:
        values["User"] = options.user
    if options.workdir is not None:
        values["WorkingDir"] = options.workdir
    if options.stop_signal is not None:
        values["StopSignal"] = options.stop_signal
    if options.no_healthcheck:
        values["Healthcheck"] = {"Test": ["NONE"]}
    return image.replace(values)


def _exposed(image: RuntimeConfig, options: ContainerOptions) -> list[str]:
    """The image's ports, those of --expose and those that are published."""
    ports = list(image.exposed_ports)
    if options.expose or options.publish:
        from fastlayers.port_option import parse_expose, parse_publish

        ports += [port for text in options.expose for port in parse_expose(text)]
        ports += [one.name for text in options.publish for one in parse_publish(text)]
    return sorted(set(ports))


def override(
    runtime: RuntimeConfig,
    *,
    env: Mapping[str, str] | Sequence[str],
    user: str | None,
    workdir: str | None,
) -> RuntimeConfig:
    """A container's config for one command: None is for what stays."""
    values: dict[str, object] = {"Env": override_env(runtime.env, env_entries(env))}
    if user is not None:
        values["User"] = user
    if workdir is not None:
        values["WorkingDir"] = check_workdir(workdir)
    return runtime.replace(values)


def override_env(below: Iterable[str], entries: Iterable[str]) -> list[str]:
    """Environment entries with others laid over them; the later of two with one name counts.

    An entry that is a name alone takes its value from this process, or removes the variable.
    """
    merged = {split_env(entry)[0]: entry for entry in below}
    for entry in entries:
        name, _ = split_env(entry)
        if "=" in entry[1:]:
            merged[name] = entry
        elif name in os.environ:
            merged[name] = f"{name}={os.environ[name]}"
        else:
            merged.pop(name, None)
    return list(merged.values())


def command_line(runtime: RuntimeConfig) -> tuple[str, ...]:
    """What is executed: entrypoint and command; empty if neither is there."""
    return (*(runtime.entrypoint or ()), *(runtime.cmd or ()))


def require_command(words: Sequence[str]) -> Sequence[str]:
    """The words, if there are any."""
    if not words:
        raise InvalidError("no command specified")
    return words


def process_env(runtime: RuntimeConfig, hostname: str, tty: bool) -> list[str]:
    """The environment of the process: the container's over the defaults."""
    defaults = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={hostname}"]
    if tty:
        defaults.append("TERM=xterm")
    return override_env(defaults, (entry for entry in runtime.env if "=" in entry[1:]))
