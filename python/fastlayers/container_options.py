"""ContainerOptions: how a container is to be run, as a person asked for it."""

from __future__ import annotations

import os

from fastlayers.confinement import security_options
from fastlayers.container_mount import Mount, absolute
from fastlayers.errors import InvalidError, UnsupportedError
from fastlayers.limits import Limits
from fastlayers.names import check_name
from fastlayers.oci import fields
from fastlayers.oci.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastlayers.oci.fields import Json

NETWORKS = ("host", "none", "pasta")
PEER = "container:"  # and the container whose network it is
RUNTIMES = ("crun", "runc", "youki")
_LONGEST_HOST_NAME = 64  # the kernel's limit
_WHAT = "container options"


class ContainerOptions(Frozen):
    """Immutable; InvalidError names the option that makes no sense.

    name         None: a random one is chosen
    cap_add      capabilities besides Docker's default ones: "SYS_TIME", "CAP_SYS_TIME", "ALL"
    cap_drop     capabilities less
    command      None: the image's
    entrypoint   None: the image's; empty: none, and the image's command is dropped as well
    env          a mapping, or "NAME=value" entries; "NAME" alone takes the value from this
                 process's environment, or removes the image's variable if it is not set there
    user         a name or number, perhaps with ":group"; None: the image's
    workdir      an absolute path; None: the image's, or "/"
    hostname     None: the container's short ID
    limits       how much of the host it may use; None: all of it
    tty          a terminal inside;  interactive: standard input stays open
    network      "host", "none" for a network namespace of its own with nothing in it, "pasta" for
                 one from which pasta(1) leads out, or "container:NAME" for another container's;
                 None: "pasta" if ports are to be published, else "host"
    publish      "[ADDRESS:][PORT[-PORT]:]PORT[-PORT][/PROTOCOL]", ports of pasta's network that
                 are reached at the host;  publish_all: also all of `expose` and of the image
    expose       "PORT[-PORT][/PROTOCOL]", ports that the container is said to listen at
    add_hosts    "NAME:ADDRESS", more lines of /etc/hosts; the address host-gateway is the host's
    dns          addresses of name servers;  dns_search: domains ("." for none);  dns_options:
                 options of the resolver; each instead of the host's
    volumes      "SOURCE:TARGET[:ro]" or "TARGET"; a source that is no path is a volume's name
    mounts       what --mount takes: "type=tmpfs,dst=/x,tmpfs-size=1m"
    tmpfs        "TARGET" or "TARGET:OPTIONS", new file systems in memory
    shm_size     bytes of /dev/shm; 0: 64 MiB
    privileged   all capabilities, all the host's devices, no seccomp filter, nothing hidden
    security_opt "no-new-privileges", "seccomp=unconfined" or "seccomp=FILE" (read now),
                 "systempaths=unconfined"
    runtime      the OCI runtime that starts it: "crun", "runc", "youki", or the path of a
                 program; "": this engine itself
    auto_remove  the container is removed when it ends
    stop_signal  what stop() sends, by name or number; None: the image's, or TERM
    stop_timeout seconds until stop() kills it, -1 for never; None: 10
    init         a first process of ours that forwards signals and reaps orphans
    ulimits      "NAME=SOFT[:HARD]";  sysctls: "NAME=VALUE", of namespaces of its own
    devices      "HOST[:CONTAINER[:rwm]]", paths of a device, or of a directory of them
    group_add    names or numbers of more groups of the user
    oom_score_adj  -1000 to 1000, higher is ended sooner for want of memory; 0: as this process
    pid, uts     "host" for the host's processes, or its name; "" for a namespace of its own
    ipc          "private", "none" (and no /dev/shm) or "host"
    annotations  kept and shown;  detached: made by `run -d`, so that no stream was attached
    attach       "stdin", "stdout", "stderr": the streams `run` attaches; (): all. Input is
                 attached as well if it stays open
    no_healthcheck  the image's health check is dropped
    """

    __slots__ = (
        "add_hosts",
        "annotations",
        "attach",
        "auto_remove",
        "cap_add",
        "cap_drop",
        "command",
        "detached",
        "devices",
        "dns",
        "dns_options",
        "dns_search",
        "domainname",
        "entrypoint",
        "env",
        "expose",
        "group_add",
        "hostname",
        "init",
        "interactive",
        "ipc",
        "labels",
        "limits",
        "mounts",
        "name",
        "network",
        "no_healthcheck",
        "oom_score_adj",
        "pid",
        "privileged",
        "publish",
        "publish_all",
        "read_only",
        "runtime",
        "security_opt",
        "shm_size",
        "stop_signal",
        "stop_timeout",
        "sysctls",
        "tmpfs",
        "tty",
        "ulimits",
        "user",
        "uts",
        "volumes",
        "workdir",
    )

    name: str | None
    command: tuple[str, ...] | None
    entrypoint: tuple[str, ...] | None
    env: tuple[str, ...]
    user: str | None
    workdir: str | None
    hostname: str | None
    tty: bool
    interactive: bool
    read_only: bool
    network: str
    publish: tuple[str, ...]
    publish_all: bool
    expose: tuple[str, ...]
    add_hosts: tuple[str, ...]
    dns: tuple[str, ...]
    dns_search: tuple[str, ...]
    dns_options: tuple[str, ...]
    volumes: tuple[str, ...]
    mounts: tuple[str, ...]
    tmpfs: tuple[str, ...]
    shm_size: int
    cap_add: tuple[str, ...]
    cap_drop: tuple[str, ...]
    privileged: bool
    security_opt: tuple[str, ...]
    runtime: str
    auto_remove: bool
    labels: dict[str, str]
    limits: Limits
    stop_signal: str | None
    stop_timeout: int | None
    init: bool
    ulimits: tuple[str, ...]
    sysctls: tuple[str, ...]
    devices: tuple[str, ...]
    group_add: tuple[str, ...]
    attach: tuple[str, ...]
    oom_score_adj: int
    domainname: str
    pid: str
    uts: str
    ipc: str
    annotations: dict[str, str]
    no_healthcheck: bool
    detached: bool

    def __init__(
        self,
        *,
        name: str | None = None,
        command: Sequence[str] | None = None,
        entrypoint: Sequence[str] | None = None,
        env: Mapping[str, str] | Sequence[str] = (),
        user: str | None = None,
        workdir: str | None = None,
        hostname: str | None = None,
        tty: bool = False,
        interactive: bool = False,
        read_only: bool = False,
        network: str | None = None,
        publish: Sequence[str] = (),
        publish_all: bool = False,
        expose: Sequence[str] = (),
        add_hosts: Sequence[str] = (),
        dns: Sequence[str] = (),
        dns_search: Sequence[str] = (),
        dns_options: Sequence[str] = (),
        volumes: Sequence[str] = (),
        mounts: Sequence[str] = (),
        tmpfs: Sequence[str] = (),
        shm_size: int = 0,
        cap_add: Sequence[str] = (),
        cap_drop: Sequence[str] = (),
        privileged: bool = False,
        security_opt: Sequence[str] = (),
        runtime: str = "",
        auto_remove: bool = False,
        labels: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        stop_signal: str | None = None,
        stop_timeout: int | None = None,
        init: bool = False,
        ulimits: Sequence[str] = (),
        sysctls: Sequence[str] = (),
        devices: Sequence[str] = (),
        group_add: Sequence[str] = (),
        oom_score_adj: int = 0,
        domainname: str = "",
        pid: str = "",
        uts: str = "",
        ipc: str = "private",
        annotations: Mapping[str, str] | None = None,
        no_healthcheck: bool = False,
        detached: bool = False,
        attach: Sequence[str] = (),
    ) -> None:
        entrypoint = None if entrypoint is None else _words("entrypoint", entrypoint)
        if network is None:
            network = "pasta" if publish or publish_all else "host"
        self._set(
            name=None if name is None else check_name(name),
            command=None if command is None else _words("command", command),
            # Docker's command line writes an entrypoint that is cleared as one empty word.
            entrypoint=() if entrypoint == ("",) else entrypoint,
            env=env_entries(env),
            user=None if user is None else _text("user", user),
            workdir=None if workdir is None else check_workdir(workdir),
            hostname=None if hostname is None else _check_hostname(hostname),
            tty=tty,
            interactive=interactive,
            read_only=read_only,
            network=_check_network(network),
            publish=_ports("publish", publish),
            publish_all=publish_all,
            expose=_ports("expose", expose),
            add_hosts=_names("add_hosts", add_hosts),
            dns=_names("dns", dns),
            dns_search=_names("dns_search", dns_search),
            dns_options=_names("dns_options", dns_options),
            volumes=tuple(absolute(volume) for volume in _words("volumes", volumes)),
            mounts=_mounts(_words("mounts", mounts)),
            tmpfs=_words("tmpfs", tmpfs),
            shm_size=_check_shm_size(shm_size),
            cap_add=_capabilities("CapAdd", _words("cap_add", cap_add)),
            cap_drop=_capabilities("CapDrop", _words("cap_drop", cap_drop)),
            privileged=privileged,
            security_opt=security_options(_words("security_opt", security_opt)),
            runtime=_check_runtime(runtime),
            auto_remove=auto_remove,
            labels={_text("label", k): _text("label", v) for k, v in (labels or {}).items()},
            limits=limits or Limits(),
            stop_signal=None if stop_signal is None else _check_signal(stop_signal),
            stop_timeout=stop_timeout,
            init=init,
            ulimits=_of_kernel("ulimits", ulimits),
            sysctls=_of_kernel("sysctls", sysctls),
            devices=_of_kernel("devices", devices),
            group_add=_words("group_add", group_add),
            oom_score_adj=_check_oom_score(oom_score_adj),
            domainname=_text("domainname", domainname),
            pid=_check_mode("PID", pid, ("", "host")),
            uts=_check_mode("UTS", uts, ("", "host")),
            ipc=_check_mode("IPC", ipc, ("private", "none", "host")),
            annotations={
                _text("annotation", k): _text("annotation", v)
                for k, v in (annotations or {}).items()
            },
            no_healthcheck=no_healthcheck,
            detached=detached,
            attach=_words("attach", attach),
        )
        self.asked_mounts()
        if uts == "host" and (hostname is not None or domainname):
            raise InvalidError("conflicting options: hostname and the UTS mode")
        if self.sysctls:
            from fastlayers.kernel_option import check_sysctls

            check_sysctls(self.sysctls, network, ipc)

    def attaches(self, stream: str) -> bool:
        """Whether `run` attaches that one of its streams."""
        if self.detached:
            return False
        if stream == "stdin" and self.interactive:
            return True
        return stream in self.attach if self.attach else stream != "stdin"

    def asked_mounts(self) -> list[Mount]:
        """What is to be mounted, besides the image's volumes."""
        found = [Mount.parse(volume) for volume in self.volumes]
        if self.mounts or self.tmpfs:
            from fastlayers.mount_option import parse_mount, tmpfs_mounts

            found += [parse_mount(mount) for mount in self.mounts]
            found += tmpfs_mounts(self.tmpfs)
        return found

    def to_json(self) -> Json:
        """The options as a JSON object."""
        document: Json = {}
        for key in self.__slots__:
            value = getattr(self, key)
            if isinstance(value, Limits):
                value = value.to_json()
            document[key] = list(value) if isinstance(value, tuple) else value
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> ContainerOptions:
        """Reads what to_json() wrote."""
        return cls(
            name=fields.text(document, "name", _WHAT) or None,
            command=fields.strings(document, "command", _WHAT),
            entrypoint=fields.strings(document, "entrypoint", _WHAT),
            env=fields.strings(document, "env", _WHAT) or (),
            user=_optional(document, "user"),
            workdir=_optional(document, "workdir"),
            hostname=_optional(document, "hostname"),
            tty=fields.flag(document, "tty", _WHAT),
            interactive=fields.flag(document, "interactive", _WHAT),
            read_only=fields.flag(document, "read_only", _WHAT),
            network=fields.text(document, "network", _WHAT) or "host",
            publish=fields.strings(document, "publish", _WHAT) or (),
            publish_all=fields.flag(document, "publish_all", _WHAT),
            expose=fields.strings(document, "expose", _WHAT) or (),
            add_hosts=fields.strings(document, "add_hosts", _WHAT) or (),
            dns=fields.strings(document, "dns", _WHAT) or (),
            dns_search=fields.strings(document, "dns_search", _WHAT) or (),
            dns_options=fields.strings(document, "dns_options", _WHAT) or (),
            volumes=fields.strings(document, "volumes", _WHAT) or (),
            mounts=fields.strings(document, "mounts", _WHAT) or (),
            tmpfs=fields.strings(document, "tmpfs", _WHAT) or (),
            shm_size=fields.size(document, "shm_size", _WHAT) if "shm_size" in document else 0,
            cap_add=fields.strings(document, "cap_add", _WHAT) or (),
            cap_drop=fields.strings(document, "cap_drop", _WHAT) or (),
            privileged=fields.flag(document, "privileged", _WHAT),
            security_opt=fields.strings(document, "security_opt", _WHAT) or (),
            runtime=fields.text(document, "runtime", _WHAT),
            auto_remove=fields.flag(document, "auto_remove", _WHAT),
            labels=fields.string_map(document, "labels", _WHAT),
            limits=Limits.from_json(fields.mapping(document, "limits", _WHAT)),
            stop_signal=_optional(document, "stop_signal"),
            stop_timeout=_number(document, "stop_timeout"),
            init=fields.flag(document, "init", _WHAT),
            ulimits=fields.strings(document, "ulimits", _WHAT) or (),
            sysctls=fields.strings(document, "sysctls", _WHAT) or (),
            devices=fields.strings(document, "devices", _WHAT) or (),
            group_add=fields.strings(document, "group_add", _WHAT) or (),
            oom_score_adj=_number(document, "oom_score_adj") or 0,
            domainname=fields.text(document, "domainname", _WHAT),
            pid=fields.text(document, "pid", _WHAT),
            uts=fields.text(document, "uts", _WHAT),
            ipc=fields.text(document, "ipc", _WHAT) or "private",
            annotations=fields.string_map(document, "annotations", _WHAT),
            no_healthcheck=fields.flag(document, "no_healthcheck", _WHAT),
            detached=fields.flag(document, "detached", _WHAT),
            attach=fields.strings(document, "attach", _WHAT) or (),
        )


def env_entries(env: Mapping[str, str] | Sequence[str]) -> tuple[str, ...]:
    """Environment entries from either form, checked."""
    if isinstance(env, (str, bytes)):
        raise InvalidError("env is a mapping or a list of NAME=value, not one text")
    if hasattr(env, "items"):
        entries: Sequence[str] = [f"{name}={value}" for name, value in env.items()]
    else:
        entries = env
    for entry in entries:
        if entry[:1] in ("", "="):
            raise InvalidError(f"invalid environment variable: {entry[:100]!r}")
    return _words("env", entries)


def check_workdir(path: str) -> str:
    """The working directory, if it can be one."""
    if not os.path.isabs(path):
        raise InvalidError(
            f"the working directory '{path[:200]}' is invalid, it needs to be an absolute path"
        )
    return _text("workdir", path)


def _names(option: str, texts: Sequence[str]) -> tuple[str, ...]:
    if not texts:
        return ()
    from fastlayers import name_service

    check = name_service.CHECKS[option]
    return tuple(check(text) for text in _words(option, texts))


def _ports(option: str, texts: Sequence[str]) -> tuple[str, ...]:
    words = _words(option, texts)
    if words:
        from fastlayers import port_option

        read = port_option.parse_expose if option == "expose" else port_option.parse_publish
        for word in words:
            read(word)
    return words


def _mounts(texts: tuple[str, ...]) -> tuple[str, ...]:
    if not texts:
        return ()
    from fastlayers.mount_option import absolute_mount

    return tuple(absolute_mount(text) for text in texts)


def _check_shm_size(size: int) -> int:
    if size < 0:
        raise InvalidError("SHM size can not be less than 0")
    return size


def _capabilities(option: str, names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        return ()
    from fastlayers.capabilities import normalized

    return normalized(option, names)


def _of_kernel(option: str, texts: Sequence[str]) -> tuple[str, ...]:
    if not texts:
        return ()
    from fastlayers import kernel_option

    checks = {
        "ulimits": kernel_option.parse_ulimit,
        "sysctls": kernel_option.parse_sysctl,
        "devices": kernel_option.parse_device,
    }
    words = _words(option, texts)
    for word in words:
        checks[option](word)
    return words


def _check_signal(name: str) -> str:
    from fastlayers.oci.stop_signal import signal_number

    signal_number(name)
    return name


def _check_oom_score(value: int) -> int:
    if not -1000 <= value <= 1000:
        raise InvalidError(f"Invalid value {value}, range for oom score adj is [-1000, 1000]")
    return value


def _check_mode(kind: str, mode: str, modes: tuple[str, ...]) -> str:
    if mode in modes:
        return mode
    if mode.startswith("container:") or mode in ("private", "shareable"):
        raise UnsupportedError(f"{kind} mode {mode[:100]} is not supported")
    raise InvalidError(f"invalid {kind} mode: {mode[:100]}")


def _number(document: Mapping[str, object], key: str) -> int | None:
    value = document.get(key)
    if value is not None and type(value) is not int:
        raise InvalidError(f"{_WHAT}: {key} is {str(value)[:40]}")
    return value


def _optional(document: Mapping[str, object], key: str) -> str | None:
    return None if document.get(key) is None else fields.text(document, key, _WHAT)


def _text(option: str, value: str) -> str:
    if "\0" in value:
        raise InvalidError(f"{option} contains a NUL byte: {value[:100]!r}")
    if not value.isascii():
        try:
            value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise InvalidError(f"{option} is not Unicode text: {value[:100]!r}") from None
    return value


def _words(option: str, values: Sequence[str]) -> tuple[str, ...]:
    if isinstance(values, (str, bytes)):
        raise InvalidError(f"{option} is a list of words, not one text: {values[:100]!r}")
    return tuple(_text(option, value) for value in values)


def _check_hostname(name: str) -> str:
    labels = name.removesuffix(".").split(".")
    good = len(name) <= _LONGEST_HOST_NAME and all(
        label
        and label.isascii()
        and label.replace("-", "").replace("_", "").isalnum()
        and "-" not in (label[0], label[-1])
        for label in labels
    )
    if not good:
        raise InvalidError(f"invalid hostname format: {name[:100]}")
    return name


def _check_network(name: str) -> str:
    if name == PEER:
        raise InvalidError("invalid network mode: invalid container format container:<name|id>")
    if name not in NETWORKS and not name.startswith(PEER):
        raise UnsupportedError(
            f"network {name[:100]} not found: there are host, none, pasta and container:NAME"
        )
    return name


def _check_runtime(name: str) -> str:
    if name not in ("", *RUNTIMES) and not os.path.isabs(name):
        raise InvalidError(
            f"unknown or invalid runtime name: {name[:100]}: there are {', '.join(RUNTIMES)}, and "
            "absolute paths of such programs"
        )
    return _text("runtime", name)
