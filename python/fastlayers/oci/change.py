"""Changes: the Dockerfile instructions that `commit -c` and `import -c` take.

CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR, in
the forms a Dockerfile knows. They are applied in order, each to what the one before it left.
"""

from __future__ import annotations

from fastlayers.errors import InvalidError
from fastlayers.oci import healthcheck, json_text, shell_words
from fastlayers.oci.runtime import RuntimeConfig, split_env
from fastlayers.oci.stop_signal import signal_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fastlayers.oci.config import ImageConfig
    from fastlayers.oci.fields import Json

    Instruction = Callable[[RuntimeConfig, str], Json]

_DEFAULT_SHELL = ("/bin/sh", "-c")
_PROTOCOLS = ("tcp", "udp", "sctp")
_LARGEST_PORT = 65535


def apply(config: ImageConfig, changes: Iterable[str]) -> ImageConfig:
    """The config with the instructions carried out."""
    return config.replace(runtime=apply_to_runtime(config.runtime, changes))


def apply_to_runtime(runtime: RuntimeConfig, changes: Iterable[str]) -> RuntimeConfig:
    """The runtime config with the instructions carried out."""
    for line in _lines(changes):
        word, _, rest = line.replace("\t", " ", 1).partition(" ")
        instruction = _INSTRUCTIONS.get(word.upper())
        if instruction is None:
            raise InvalidError(f"{word[:100]} is not a valid change command")
        runtime = runtime.replace(instruction(runtime, rest.strip()))
    return runtime


def _lines(changes: Iterable[str]) -> Iterator[str]:
    """The instructions: comments and blank lines are dropped, lines ending in '\\' continued."""
    for change in changes:
        pending = ""
        for line in change.splitlines():
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            stripped = line.rstrip()
            if stripped.endswith("\\"):
                pending += stripped[:-1]
                continue
            yield (pending + line).strip()
            pending = ""
        if pending.strip():
            yield pending.strip()


def _variables(runtime: RuntimeConfig) -> dict[str, str]:
    return dict(split_env(entry) for entry in runtime.env)


def _words(runtime: RuntimeConfig, rest: str) -> list[str]:
    variables = _variables(runtime)
    return [shell_words.expand(word, variables) for word in shell_words.split(rest)]


def _json_list(rest: str) -> list[str] | None:
    """The strings of the JSON form; None if it is the shell form."""
    if not rest.startswith("["):
        return None
    try:
        values = json_text.loads(rest)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list):
        return None
    if not all(isinstance(value, str) for value in values):
        raise InvalidError(
            f"when using JSON array syntax, arrays must be comprised of strings only: {rest[:100]}"
        )
    return values


def _command(name: str, runtime: RuntimeConfig, rest: str) -> list[str]:
    if not rest:
        raise InvalidError(f"{name} requires at least one argument")
    words = _json_list(rest)
    if words is not None:
        return words
    shell = _DEFAULT_SHELL if runtime.shell is None else runtime.shell
    return [*shell, rest]


def _cmd(runtime: RuntimeConfig, rest: str) -> Json:
    return {"Cmd": _command("CMD", runtime, rest), "ArgsEscaped": None}


def _entrypoint(runtime: RuntimeConfig, rest: str) -> Json:
    return {"Entrypoint": _command("ENTRYPOINT", runtime, rest)}


def _pairs(name: str, runtime: RuntimeConfig, rest: str) -> list[tuple[str, str]]:
    """Both forms: NAME=value ..., and NAME and the rest of the line."""
    if not rest:
        raise InvalidError(f"{name} requires at least one argument")
    variables = _variables(runtime)
    words = shell_words.split(rest)
    if "=" not in words[0]:
        key, blank, value = rest.replace("\t", " ", 1).partition(" ")
        if not blank:
            raise InvalidError(f"{name} must have two arguments")
        pairs = [(key, value.strip())]
    else:
        pairs = []
        for word in words:
            key, equals, value = word.partition("=")
            if not equals:
                raise InvalidError(
                    f"Syntax error - can't find = in {word[:100]!r}. "
                    "Must be of the form: name=value"
                )
            pairs.append((key, value))
    expanded = [
        (shell_words.expand(key, variables), shell_words.expand(value, variables))
        for key, value in pairs
    ]
    if not all(key for key, _ in expanded):
        raise InvalidError(f"{name} names can not be blank")
    return expanded


def _env(runtime: RuntimeConfig, rest: str) -> Json:
    env = list(runtime.env)
    for key, value in _pairs("ENV", runtime, rest):
        entry = f"{key}={value}"
        places = [i for i, old in enumerate(env) if split_env(old)[0] == key]
        if places:
            env[places[0]] = entry
        else:
            env.append(entry)
    return {"Env": env}


def _label(runtime: RuntimeConfig, rest: str) -> Json:
    return {"Labels": {**runtime.labels, **dict(_pairs("LABEL", runtime, rest))}}


def _expose(runtime: RuntimeConfig, rest: str) -> Json:
    ports = dict.fromkeys(runtime.exposed_ports)
    words = _words(runtime, rest)
    if not words:
        raise InvalidError("EXPOSE requires at least one argument")
    for word in words:
        for part in word.split():  # a variable may hold several
            ports.update(dict.fromkeys(_ports(part)))
    return {"ExposedPorts": {port: {} for port in ports}}


def _ports(text: str) -> list[str]:
    numbers, slash, protocol = text.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol not in _PROTOCOLS:
        raise InvalidError(f"invalid proto: {protocol[:40]} (EXPOSE {text[:80]})")
    first, dash, last = numbers.partition("-")
    bounds = [first, last] if dash else [first, first]
    if not all(bound.isascii() and bound.isdigit() and len(bound) <= 5 for bound in bounds):
        raise InvalidError(f"invalid containerPort: {text[:80]}")
    low, high = int(bounds[0]), int(bounds[1])
    if not low <= high <= _LARGEST_PORT:
        raise InvalidError(f"invalid containerPort: {text[:80]}")
    return [f"{port}/{protocol}" for port in range(low, high + 1)]


def _volume(runtime: RuntimeConfig, rest: str) -> Json:
    words = _json_list(rest)
    if words is None:
        words = _words(runtime, rest)
    else:
        words = [shell_words.expand(word, _variables(runtime)) for word in words]
    if not words:
        raise InvalidError("VOLUME requires at least one argument")
    if not all(word.strip() for word in words):
        raise InvalidError("VOLUME specified can not be an empty string")
    volumes = dict.fromkeys((*runtime.volumes, *(word.strip() for word in words)))
    return {"Volumes": {volume: {} for volume in volumes}}


def _one(name: str, runtime: RuntimeConfig, rest: str) -> str:
    value = shell_words.expand(rest, _variables(runtime))
    if not value:
        raise InvalidError(f"{name} requires exactly one argument")
    return value


def _user(runtime: RuntimeConfig, rest: str) -> Json:
    return {"User": _one("USER", runtime, rest)}


def _workdir(runtime: RuntimeConfig, rest: str) -> Json:
    from posixpath import join, normpath

    path = normpath(join("/", runtime.working_dir, _one("WORKDIR", runtime, rest)))
    return {"WorkingDir": "/" + path.lstrip("/")}


def _stop_signal(runtime: RuntimeConfig, rest: str) -> Json:
    text = _one("STOPSIGNAL", runtime, rest)
    signal_number(text)
    return {"StopSignal": text}


def _on_build(runtime: RuntimeConfig, rest: str) -> Json:
    word = rest.split(None, 1)[0].upper() if rest else ""
    if not word:
        raise InvalidError("ONBUILD requires at least one argument")
    if word == "ONBUILD":
        raise InvalidError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if word in ("FROM", "MAINTAINER"):
        raise InvalidError(f"{word} isn't allowed as an ONBUILD trigger")
    return {"OnBuild": [*runtime.on_build, rest]}


def _healthcheck(runtime: RuntimeConfig, rest: str) -> Json:
    return {"Healthcheck": healthcheck.parse(rest, _json_list)}


_INSTRUCTIONS: dict[str, Instruction] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _on_build,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
