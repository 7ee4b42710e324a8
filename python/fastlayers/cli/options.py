"""The flags that `run` and `create` share, and the container they describe."""

from __future__ import annotations

import os

from fastlayers.cli.command import Call, CommandError, VerbError
from fastlayers.cli.flags import Flag
from fastlayers.errors import FastlayersError, InvalidError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fastlayers.container_options import ContainerOptions
    from fastlayers.limits import Limits

_PULL_POLICIES = ("always", "missing", "never")


def _check_env(text: str) -> str:
    return f"invalid environment variable: {text}" if text[:1] in ("", "=") else ""


def _check_attach(text: str) -> str:
    known = text.lower() in ("stdin", "stdout", "stderr")
    return "" if known else "valid streams are STDIN, STDOUT and STDERR"


def _check_label(text: str) -> str:
    return f"invalid label '{text}': empty name" if text[:1] in ("", "=") else ""


def _complaint(read: Callable[[str], object], text: str) -> str:
    try:
        read(text)
    except UnsupportedError:
        return ""  # said later, as it stands
    except FastlayersError as error:
        return str(error)
    return ""


def _checked(module: str, name: str) -> Callable[[str], str]:
    """What is wrong with a value, by a function that reads it; its module is loaded when there is
    one to be read."""

    def check(text: str) -> str:
        import importlib

        return _complaint(getattr(importlib.import_module(f"fastlayers.{module}"), name), text)

    return check


def _check_size(text: str) -> str:
    return _complaint(_size, text)


def _check_swap(text: str) -> str:
    return "" if text == "-1" else _check_size(text)


def _size(text: str) -> int:
    if not text:
        return 0
    from fastlayers.limits import parse_bytes

    return parse_bytes(text)


ENV_FLAGS = (
    Flag("env", "e", "list", "Set environment variables", check=_check_env),
    Flag("env-file", "", "list", "Read in a file of environment variables"),
)
FLAGS = (
    Flag(
        "add-host",
        "",
        "list",
        "Add a custom host-to-IP mapping (host:ip)",
        check=_checked("name_service", "check_host"),
    ),
    Flag("annotation", "", "list", "Add an annotation to the container", value_name="map"),
    Flag("attach", "a", "list", "Attach to STDIN, STDOUT or STDERR", check=_check_attach),
    Flag(
        "blkio-weight",
        "",
        "int",
        "Block IO (relative weight), between 10 and 1000, or 0 to disable",
        default=0,
    ),
    Flag("cap-add", "", "list", "Add Linux capabilities"),
    Flag("cap-drop", "", "list", "Drop Linux capabilities"),
    Flag("cidfile", "", "string", "Write the container ID to the file"),
    Flag("cpu-period", "", "int", "Limit CPU CFS (Completely Fair Scheduler) period", default=0),
    Flag("cpu-quota", "", "int", "Limit CPU CFS (Completely Fair Scheduler) quota", default=0),
    Flag("cpu-shares", "c", "int", "CPU shares (relative weight)", default=0),
    Flag(
        "cpus",
        "",
        "string",
        "Number of CPUs",
        value_name="decimal",
        check=_checked("limits", "parse_cpus"),
    ),
    Flag("cpuset-cpus", "", "string", "CPUs in which to allow execution (0-3, 0,1)"),
    Flag("cpuset-mems", "", "string", "MEMs in which to allow execution (0-3, 0,1)"),
    Flag(
        "device",
        "",
        "list",
        "Add a host device to the container",
        check=_checked("kernel_option", "parse_device"),
    ),
    Flag(
        "dns", "", "list", "Set custom DNS servers", check=_checked("name_service", "check_address")
    ),
    Flag(
        "dns-option", "", "list", "Set DNS options", check=_checked("name_service", "check_option")
    ),
    Flag(
        "dns-search",
        "",
        "list",
        "Set custom DNS search domains",
        check=_checked("name_service", "check_domain"),
    ),
    Flag("domainname", "", "string", "Container NIS domain name"),
    Flag("entrypoint", "", "string", "Overwrite the default ENTRYPOINT of the image"),
    *ENV_FLAGS,
    Flag("expose", "", "list", "Expose a port or a range of ports"),
    Flag("group-add", "", "list", "Add additional groups to join"),
    Flag("hostname", "h", "string", "Container host name"),
    Flag(
        "init",
        "",
        "bool",
        "Run an init inside the container that forwards signals and reaps processes",
    ),
    Flag("interactive", "i", "bool", "Keep STDIN open even if not attached"),
    Flag("ipc", "", "string", 'IPC mode to use ("private", "none", "host")'),
    Flag("label", "l", "list", "Set meta data on a container", check=_check_label),
    Flag("label-file", "", "list", "Read in a line delimited file of labels"),
    Flag("memory", "m", "string", "Memory limit", value_name="bytes", check=_check_size),
    Flag(
        "memory-reservation",
        "",
        "string",
        "Memory soft limit",
        value_name="bytes",
        check=_check_size,
    ),
    Flag(
        "memory-swap",
        "",
        "string",
        "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
        value_name="bytes",
        check=_check_swap,
    ),
    Flag(
        "mount",
        "",
        "list",
        "Attach a filesystem mount to the container",
        value_name="mount",
        check=_checked("mount_option", "read_fields"),
    ),
    Flag("name", "", "string", "Assign a name to the container"),
    Flag(
        "network",
        "",
        "string",
        'Network of the container ("host", "none", "pasta", "container:NAME")',
        default="host",
    ),
    Flag("no-healthcheck", "", "bool", "Disable any container-specified HEALTHCHECK"),
    Flag("oom-kill-disable", "", "bool", "Disable OOM Killer"),
    Flag("oom-score-adj", "", "int", "Tune host's OOM preferences (-1000 to 1000)", default=0),
    Flag("pid", "", "string", 'PID namespace to use ("host")'),
    Flag("pids-limit", "", "int", "Tune container pids limit (set -1 for unlimited)", default=0),
    Flag("platform", "", "string", "Platform of the image, if there are several"),
    Flag("privileged", "", "bool", "Give extended privileges to this container"),
    Flag("publish", "p", "list", "Publish a container's port(s) to the host"),
    Flag("publish-all", "P", "bool", "Publish all exposed ports to random ports"),
    Flag(
        "pull",
        "",
        "string",
        'Pull image before running ("always", "missing", "never")',
        default="missing",
    ),
    Flag("quiet", "q", "bool", "Suppress the pull output"),
    Flag("read-only", "", "bool", "Mount the container's root filesystem as read only"),
    Flag("rm", "", "bool", "Remove the container and its anonymous volumes when it exits"),
    Flag("runtime", "", "string", 'Runtime to use for this container ("crun", "runc", "youki")'),
    Flag("security-opt", "", "list", "Security Options"),
    Flag("shm-size", "", "string", "Size of /dev/shm", value_name="bytes", check=_check_size),
    Flag("stop-signal", "", "string", "Signal to stop the container"),
    Flag("stop-timeout", "", "int", "Timeout (in seconds) to stop a container"),
    Flag(
        "sysctl",
        "",
        "list",
        "Sysctl options",
        value_name="map",
        check=_checked("kernel_option", "parse_sysctl"),
    ),
    Flag("tmpfs", "", "list", "Mount a tmpfs directory"),
    Flag("tty", "t", "bool", "Allocate a pseudo-TTY"),
    Flag(
        "ulimit",
        "",
        "list",
        "Ulimit options",
        value_name="ulimit",
        check=_checked("kernel_option", "parse_ulimit"),
    ),
    Flag("user", "u", "string", "Username or UID (format: <name|uid>[:<group|gid>])"),
    Flag("uts", "", "string", 'UTS namespace to use ("host")'),
    Flag("volume", "v", "list", "Bind mount a volume"),
    Flag("workdir", "w", "string", "Working directory inside the container"),
)


DETACH_KEYS = Flag(
    "detach-keys", "", "string", "Override the key sequence for detaching a container"
)
SIGNAL_PROXY = Flag("sig-proxy", "", "bool", "Proxy received signals to the process", default=True)


def detach_keys(call: Call) -> str | None:
    """The keys of --detach-keys, checked; None for the usual ones. Raises CommandError."""
    text = call.flags.text("detach-keys")
    if not text:
        return None
    from fastlayers.attachment import parse_keys

    try:
        parse_keys(text)
    except InvalidError as error:
        raise CommandError(str(error)) from None
    return text


def flags_with(*more: Flag) -> tuple[Flag, ...]:
    """The shared flags and some more, in the order of their names."""
    return tuple(sorted(FLAGS + more, key=lambda flag: flag.name))


def container_options(call: Call, *, detached: bool = False) -> ContainerOptions:
    """The options of the container that the command line describes. Raises VerbError."""
    from fastlayers.container_options import ContainerOptions

    flags = call.flags
    entrypoint = None
    if flags.given("entrypoint"):
        entrypoint = [flags.text("entrypoint")] if flags.text("entrypoint") else []
    label_lines = _named("--label-file", _label_files, call)
    env = _named("--env-file", env_of, call)
    labels = (label.partition("=") for label in [*label_lines, *flags.all("label")])
    annotations = (text.partition("=") for text in flags.all("annotation"))
    return ContainerOptions(
        name=flags.text("name") or None,
        command=call.args[1:] or None,
        entrypoint=entrypoint,
        env=env,
        user=flags.text("user") or None,
        workdir=flags.text("workdir") or None,
        hostname=flags.text("hostname") or None,
        tty=flags.enabled("tty"),
        interactive=flags.enabled("interactive"),
        read_only=flags.enabled("read-only"),
        network=flags.text("network") if flags.given("network") else None,
        publish=_ports(flags.all("publish"), "parse_publish"),
        publish_all=flags.enabled("publish-all"),
        expose=_ports(flags.all("expose"), "parse_expose"),
        add_hosts=flags.all("add-host"),
        dns=flags.all("dns"),
        dns_search=flags.all("dns-search"),
        dns_options=flags.all("dns-option"),
        volumes=list(dict.fromkeys(flags.all("volume"))),  # the same text twice is one
        mounts=flags.all("mount"),
        tmpfs=flags.all("tmpfs"),
        shm_size=_size(flags.text("shm-size")),
        cap_add=flags.all("cap-add"),
        cap_drop=flags.all("cap-drop"),
        privileged=flags.enabled("privileged"),
        security_opt=flags.all("security-opt"),
        runtime=flags.text("runtime"),
        auto_remove=flags.enabled("rm"),
        labels={key: value for key, _, value in labels},
        limits=_limits(call),
        stop_signal=flags.text("stop-signal") or None,
        stop_timeout=flags.number("stop-timeout") if flags.given("stop-timeout") else None,
        init=flags.enabled("init"),
        ulimits=flags.all("ulimit"),
        sysctls=flags.all("sysctl"),
        devices=flags.all("device"),
        group_add=flags.all("group-add"),
        oom_score_adj=flags.number("oom-score-adj"),
        domainname=flags.text("domainname"),
        pid=flags.text("pid"),
        uts=flags.text("uts"),
        ipc=flags.text("ipc") or "private",
        annotations={key: value for key, _, value in annotations},
        no_healthcheck=flags.enabled("no-healthcheck"),
        detached=detached,
        attach=[name.lower() for name in flags.all("attach")],
    )


def warn_of(options: ContainerOptions) -> None:
    """Says what of the options has no effect."""
    if options.network == "host" and options.publish:
        import sys

        text = "WARNING: Published ports are discarded when using host network mode"
        print(text, file=sys.stderr, flush=True)


def _ports(texts: list[str], reader: str) -> list[str]:
    check = _checked("port_option", reader)
    for text in texts:
        complaint = check(text)
        if complaint:
            raise VerbError(complaint)
    return texts


def _limits(call: Call) -> Limits:
    from fastlayers.limits import Limits, parse_bytes, parse_cpus

    flags = call.flags
    memory, swap, cpus = flags.text("memory"), flags.text("memory-swap"), flags.text("cpus")
    return Limits(
        memory=parse_bytes(memory) if memory else 0,
        memory_swap=-1 if swap == "-1" else parse_bytes(swap) if swap else 0,
        nano_cpus=parse_cpus(cpus) if cpus else 0,
        cpu_shares=flags.number("cpu-shares"),
        cpuset_cpus=flags.text("cpuset-cpus"),
        pids=flags.number("pids-limit"),
        memory_reservation=_size(flags.text("memory-reservation")),
        oom_kill_disable=flags.enabled("oom-kill-disable"),
        cpu_period=flags.number("cpu-period"),
        cpu_quota=flags.number("cpu-quota"),
        cpuset_mems=flags.text("cpuset-mems"),
        blkio_weight=flags.number("blkio-weight"),
    )


def env_of(call: Call) -> list[str]:
    """The variables of --env-file and --env, these last. Raises CommandError."""
    return [*_env_from_files(call.flags.all("env-file")), *call.flags.all("env")]


def check_pull_policy(call: Call) -> None:
    policy = call.flags.text("pull")
    if policy not in _PULL_POLICIES:
        one_of = 'must be one of "always", "missing" or "never"'
        raise VerbError(f"invalid pull option: '{policy}': {one_of}")


class CidFile:
    """The file of --cidfile: claimed before the container is made, gone again if none was made."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._written = False
        if not path:
            return
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        except FileExistsError:
            raise VerbError(
                "container ID file found, make sure the other container isn't running or "
                f"delete {path}"
            ) from None
        except OSError as error:
            text = f"failed to create the container ID file: open {_why(error)}"
            raise VerbError(text) from None

    def __enter__(self) -> CidFile:
        return self

    def write(self, container_id: str) -> None:
        if self._path:
            with open(self._path, "w", encoding="ascii") as file:
                file.write(container_id)
            self._written = True

    def __exit__(self, *_: object) -> None:
        if self._path and not self._written:
            import contextlib

            with contextlib.suppress(OSError):  # someone else took it away: what we wanted
                os.unlink(self._path)


def _named(flag: str, read: Callable[[Call], list[str]], call: Call) -> list[str]:
    """What a flag's files hold; the complaint names the flag, as docker's do of a container's."""
    try:
        return read(call)
    except CommandError as error:
        raise VerbError(f"{flag}: {error}") from None


def _env_from_files(paths: list[str]) -> list[str]:
    variables = []
    for line in (line for path in paths for line in _read_lines(path, "env", "variable")):
        if "=" in line:
            variables.append(line)
        elif line in os.environ:
            variables.append(f"{line}={os.environ[line]}")
    return variables


def _label_files(call: Call) -> list[str]:
    paths = call.flags.all("label-file")
    return [line for path in paths for line in _read_lines(path, "label", "label")]


def _read_lines(path: str, kind: str, what: str) -> list[str]:
    """`K=V` and `K` lines as they stand; # starts a comment line."""
    try:
        with open(path, "rb") as file:
            lines = file.read().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise CommandError(f"open {_why(error)}") from None
    found = []
    for number, raw in enumerate(lines, 1):
        try:
            line = raw.removesuffix(b"\r").decode().lstrip()
        except UnicodeDecodeError:
            octets = " ".join(str(octet) for octet in raw[:100])
            text = f"invalid utf8 bytes at line {number}: [{octets}]"
            raise _poorly_formatted(path, kind, text) from None
        if not line or line.startswith("#"):
            continue
        name = line.partition("=")[0]
        if not name:
            raise _poorly_formatted(path, kind, f"no {what} name on line '{line}'")
        if any(letter.isspace() for letter in name):
            raise _poorly_formatted(path, kind, f"{what} '{name}' contains whitespaces")
        found.append(line)
    return found


def _poorly_formatted(path: str, kind: str, complaint: str) -> CommandError:
    return CommandError(f"invalid {kind} file ({path}): {complaint}")


def _why(error: OSError) -> str:
    """ "PATH: no such file or directory": as Go words what the system said."""
    return f"{error.filename}: {(error.strerror or str(error)).lower()}"
