"""A container as config.json of an OCI runtime bundle (runtime-spec 1.1, config.md and
config-linux.md): what of it this engine does itself, said in the specification's words."""

from __future__ import annotations

import os
import stat

from fastlayers import _core, capabilities, confinement
from fastlayers.errors import InvalidError, UnsupportedError
from fastlayers.kernel_option import (
    ALLOWED_DEVICES,
    HARMLESS_DEVICES,
    allowed_devices,
    devices,
    parse_sysctl,
    parse_ulimit,
)
from fastlayers.oci import fields, seccomp
from fastlayers.process import has_only_version_2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fastlayers.container_options import ContainerOptions
    from fastlayers.container_record import ContainerRecord
    from fastlayers.oci.fields import Json

VERSION = "1.1.0"
# The options that have a place in a bundle, or are no concern of it. One that is not among them is
# refused: it must not be without effect.
_OPTIONS = frozenset(
    (
        "add_hosts", "annotations", "auto_remove", "cap_add", "cap_drop", "command", "detached",
        "devices", "dns", "dns_options", "dns_search", "domainname", "entrypoint", "env", "expose",
        "group_add", "hostname", "init", "interactive", "ipc", "labels", "limits", "mounts", "name",
        "network", "no_healthcheck", "oom_score_adj", "pid", "privileged", "publish",
        "publish_all", "read_only", "runtime", "security_opt", "shm_size", "stop_signal",
        "stop_timeout", "sysctls", "tmpfs", "tty", "ulimits", "user", "uts", "volumes", "workdir",
    )
)  # fmt: skip
_PERIOD_US = 100_000
_UNLIMITED = (1 << 64) - 1
_FILE_MASK = 0o022
_INIT = "/dev/init"  # in a file system that is new with each start
_BARE = ["nosuid", "noexec", "nodev"]
_GENERATED = ("resolv.conf", "hosts", "hostname")
# Of the host's /dev these have a file system or a meaning of their own in a container.
_OWN_DEVICES = ("pts", "shm", "fd", "mqueue", "console", ".lxc", ".lxd-mounts")


class Account:
    """Who a container's process is, its environment and, if they were looked for, the paths that
    its command may have; what _core.prepare_for_runtime finds."""

    __slots__ = ("candidates", "environment", "gid", "groups", "uid")

    def __init__(
        self,
        uid: int,
        gid: int,
        groups: list[int],
        environment: list[str],
        candidates: list[str],
    ) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.environment = environment
        self.candidates = candidates


def refuse_what_it_cannot(options: ContainerOptions) -> None:
    """UnsupportedError for an option that has no place in a bundle."""
    if options.limits.oom_kill_disable and os.path.basename(options.runtime) == "youki":
        raise UnsupportedError("--oom-kill-disable is not supported with youki, which ignores it")
    for name in options.__slots__:
        value = getattr(options, name)
        if name not in _OPTIONS and value and value != _default(options, name):
            raise UnsupportedError(
                f"--{name.replace('_', '-')} is not supported with an OCI runtime"
            )


def _default(options: ContainerOptions, name: str) -> object:
    return getattr(type(options)(), name)


def bundle_config(
    container: ContainerRecord,
    spec: _core.LaunchSpec,
    account: Account,
    *,
    root: str,
    folder: str,
) -> Json:
    """The config of a container that this engine would start by `spec`. `root` is where its root
    will be, `folder` the bundle's, which has `images/N` for what it mounts of images, `network` for
    the network it joins, and `init` for the first process, if there is to be one."""
    options = container.options
    of_container, no_new_privileges, profile = confinement.asked(options)
    names = capabilities.names_of(of_container & _available())
    # execve(2) would take them from another user, but a runtime would still use them to find and
    # execute what that user may not.
    own = names if account.uid == 0 else []
    hidden = confinement.hides_system(options)
    has_own = {
        "pid": options.pid != "host",
        "ipc": options.ipc != "host",
        "uts": options.uts != "host",
        "mount": True,
        "network": spec.network == "none" or spec.network_fd >= 0,
        "cgroup": has_only_version_2(),
    }
    namespaces: dict[str, Json] = {name: {"type": name} for name, own in has_own.items() if own}
    if spec.network_fd >= 0:
        namespaces["network"]["path"] = f"{folder}/network"
    linux: Json = {
        **_control_group(container, spec.cgroups),
        "namespaces": list(namespaces.values()),
        "maskedPaths": list(confinement.MASKED_PATHS) if hidden else [],
        "readonlyPaths": [
            *(confinement.READ_ONLY_PATHS if hidden else ()),
            *([] if options.privileged else _control_groups_shown()),
        ],
    }
    if options.sysctls:
        linux["sysctl"] = dict(parse_sysctl(text) for text in options.sysctls)
    given = _given_devices(options.devices)
    nodes = {node["path"]: node for node in [*_host_devices(options.privileged), *given]}
    if nodes and _core.in_initial_user_namespace():
        linux["devices"] = list(nodes.values())
    if profile != "unconfined" and not (options.privileged and not profile):
        linux["seccomp"] = _seccomp(profile, of_container)
    process: Json = {
        "terminal": spec.tty,
        "user": {
            "uid": account.uid,
            "gid": account.gid,
            "umask": _FILE_MASK,
            "additionalGids": [] if _core.has_single_id() else account.groups,
        },
        "args": [_INIT, *account.candidates, "", *spec.argv] if options.init else spec.argv,
        "env": account.environment,
        "cwd": spec.cwd,
        "capabilities": {"bounding": names, "effective": own, "permitted": own},
        # Not said if it is false: to youki whatever is said means that it is set.
        **({"noNewPrivileges": True} if no_new_privileges else {}),
    }
    if options.ulimits:
        process["rlimits"] = list(_rlimits(options.ulimits))
    if options.oom_score_adj:
        process["oomScoreAdj"] = options.oom_score_adj
    return {
        "ociVersion": VERSION,
        "process": process,
        "root": {"path": root, "readonly": options.read_only},
        **({"hostname": spec.hostname} if has_own["uts"] else {}),
        **({"domainname": options.domainname} if options.domainname else {}),
        **({"annotations": dict(options.annotations)} if options.annotations else {}),
        "mounts": [
            *_system_mounts(options, spec.shm_bytes, has_own["network"]),
            *([_bind(f"{folder}/init", _INIT, True, False)] if options.init else []),
            *_mounts(container, spec, f"{folder}/images"),
        ],
        "linux": linux,
    }


def _available() -> int:
    """The capabilities that this process could hand on, as a mask: a runtime fails for others."""
    found = capabilities.everything()
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("CapPrm:"):
                found &= int(line.split()[1], 16)
    return found


def config_text(config: Json) -> bytes:
    """The config as the file's bytes. InvalidError if it has what JSON has no way to say."""
    text = fields.dump(config)
    if b"\\ud" in text.lower():  # half of a pair, or of the pairs that stand for one character
        for value in _texts(config):
            try:
                value.encode()
            except UnicodeEncodeError:
                raise InvalidError(
                    f"an OCI runtime cannot be given what is not UTF-8: {value[:100]!r}"
                ) from None
    return text


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _mount(target: str, kind: str, source: str, *options: str) -> Json:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}


def _system_mounts(options: ContainerOptions, shm_bytes: int, has_own_network: bool) -> list[Json]:
    access = "rw" if options.privileged else "ro"
    shm = {
        "private": [_mount("/dev/shm", "tmpfs", "shm", *_BARE, "mode=1777", f"size={shm_bytes}")],
        "host": [_mount("/dev/shm", "bind", "/dev/shm", "rbind", "rprivate", *_BARE)],
        "none": [],
    }
    return [
        _mount_of_proc(options.pid),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666",
               "mode=0620", *([] if _core.has_single_id() else ["gid=5"])),
        *_mounts_of_sys(has_own_network, access),
        _mount("/dev/mqueue", "mqueue", "mqueue", *_BARE),
        *shm[options.ipc],
    ]  # fmt: skip


def _mount_of_proc(pid: str) -> Json:
    """A user namespace has none of the host's processes to show, but may show what is shown."""
    if pid == "host" and not _core.in_initial_user_namespace():
        return _mount("/proc", "bind", "/proc", "rbind", "rprivate", *_BARE)
    return _mount("/proc", "proc", "proc", *_BARE)


def _mounts_of_sys(has_own_network: bool, access: str) -> list[Json]:
    """A user namespace shows no network but its own, and no control groups of version 1."""
    system = _mount("/sys", "sysfs", "sysfs", *_BARE, access)
    groups = _mount("/sys/fs/cgroup", "cgroup", "cgroup", *_BARE, access)
    if _core.in_initial_user_namespace():
        return [system, groups]
    if not has_own_network:
        below = ["rro"] if access == "ro" else []
        system = _mount("/sys", "bind", "/sys", "rbind", "rprivate", *_BARE, access, *below)
    return [system, groups] if has_only_version_2() else [system]


def _control_groups_shown() -> list[str]:
    """Where a container sees its control groups of version 1: youki mounts these for writing,
    whatever is asked of the mount that they are in."""
    if not _core.in_initial_user_namespace():
        return []
    from fastlayers.cgroup import Hierarchies

    places = dict.fromkeys(Hierarchies().version_1.values())
    return [place for place in places if place.startswith("/sys/fs/cgroup/")]


def _mounts(container: ContainerRecord, spec: _core.LaunchSpec, images: str) -> list[Json]:
    """Volumes, images, tmpfs and the files that tell a container where it is; what lies in another
    comes after that."""
    options = container.options
    found = []
    for source, target, read_only, _ in spec.binds:
        found.append(_bind(source, target, read_only, options.privileged))
    for number, (_, target) in enumerate(spec.images):
        source = os.path.join(images, str(number))
        found.append(_bind(source, target, True, options.privileged))
    for target, settings, read_only, executable, set_uid in spec.tmpfs:
        flags = ["nodev"]
        flags += [] if executable else ["noexec"]
        flags += [] if set_uid else ["nosuid"]
        flags += ["ro"] if read_only else []
        words = (f"{key}={value}" for key, value in settings)
        found.append(_mount(os.path.normpath(target), "tmpfs", "tmpfs", *flags, *words))
    taken = {mount["destination"] for mount in found}
    for name in _GENERATED:
        if f"/etc/{name}" not in taken:
            source = os.path.join(container.directory, name)
            found.append(_bind(source, f"/etc/{name}", False, options.privileged))
    if not _core.in_initial_user_namespace():
        found += _lent_devices(options)
    return sorted(found, key=lambda mount: str(mount["destination"]).count("/"))


def _lent_devices(options: ContainerOptions) -> Iterator[Json]:
    """Where no device can be made, the host's own are lent."""
    lent = [(source, target) for source, target, *_ in devices(options.devices)]
    for node in _host_devices(options.privileged):
        if (node["major"], node["minor"]) not in ALLOWED_DEVICES:  # these the runtime has made
            lent.append((str(node["path"]), str(node["path"])))
    for source, target in lent:
        flags = ("bind", "rprivate", "nosuid", "noexec", "ro")
        yield _mount(os.path.normpath(target), "bind", source, *flags)


def _bind(source: str, target: str, read_only: bool, privileged: bool) -> Json:
    options = ["rbind", "rprivate"]
    if not (privileged or _is_harmless_device(source)):
        options.append("nodev")
    if read_only:
        # "rro" is for what is mounted below it; below a file there is nothing, and crun looks.
        options += ["ro", "rro"] if os.path.isdir(source) else ["ro"]
    return _mount(os.path.normpath(target), "bind", source, *options)


def _is_harmless_device(path: str) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    number = (os.major(status.st_rdev), os.minor(status.st_rdev))
    return stat.S_ISCHR(status.st_mode) and number in HARMLESS_DEVICES


def _rlimits(texts: Sequence[str]) -> Iterator[Json]:
    """Of two for one resource the later: the specification allows one."""
    for name, (soft, hard) in {name: limits for name, *limits in map(parse_ulimit, texts)}.items():
        yield {
            "type": f"RLIMIT_{name.upper()}",
            "soft": soft & _UNLIMITED,
            "hard": hard & _UNLIMITED,
        }


def _control_group(container: ContainerRecord, groups: Sequence[str]) -> Json:
    """Where it is and what it limits. In a user namespace a runtime makes none: there are `groups`,
    that limit already."""
    if _core.in_initial_user_namespace():
        resources = _resources(container.options)
        return {"cgroupsPath": f"/fastlayers/{container.id}", "resources": resources}
    if not groups:
        return {}
    from fastlayers.cgroup import Hierarchies

    # Of version 2, which is what it sees then; and it is in it before it is in a namespace of them.
    unified = Hierarchies().unified + "/"
    paths = [group.removeprefix(unified) for group in groups if group.startswith(unified)]
    return {"cgroupsPath": f"/{paths[0]}"} if unified != "/" and paths else {}


def _resources(options: ContainerOptions) -> Json:
    limits = options.limits
    rules: list[Json] = [{"allow": options.privileged, "access": "rwm"}]
    if not options.privileged:
        for is_block, major, minor, access in allowed_devices(options.devices):
            kind = "b" if is_block else "c"
            rule: Json = {"allow": True, "type": kind, "major": major, "access": access}
            rules.append(rule if minor < 0 else {**rule, "minor": minor})
    resources: Json = {"devices": rules}
    memory: Json = {}
    if limits.memory:
        memory["limit"] = limits.memory
        if limits.memory_swap or _swap_is_counted():
            memory["swap"] = limits.memory_and_swap
    if limits.memory_reservation:
        memory["reservation"] = limits.memory_reservation
    if limits.oom_kill_disable:
        memory["disableOOMKiller"] = True
    if memory:
        resources["memory"] = memory
    cpu: Json = {}
    if limits.cpu_period:
        cpu["period"] = limits.cpu_period
    if limits.cpu_quota:
        cpu["quota"] = limits.cpu_quota
    if limits.nano_cpus:
        cpu["quota"] = limits.nano_cpus * _PERIOD_US // 1_000_000_000
        cpu["period"] = _PERIOD_US
    if limits.cpu_shares:
        cpu["shares"] = limits.cpu_shares
    if limits.cpuset_cpus:
        cpu["cpus"] = limits.cpuset_cpus
    if limits.cpuset_mems:
        cpu["mems"] = limits.cpuset_mems
    if limits.blkio_weight:
        resources["blockIO"] = {"weight": limits.blkio_weight}
    if cpu:
        resources["cpu"] = cpu
    if limits.pids:
        resources["pids"] = {"limit": limits.pids}
    return resources


def _swap_is_counted() -> bool:
    from fastlayers.cgroup import Hierarchies

    return Hierarchies().limits_swap()


def _given_devices(texts: Sequence[str]) -> Iterator[Json]:
    for _, path, is_block, major, minor, mode, uid, gid in devices(texts):
        yield _device(path, is_block, (major, minor), mode, uid, gid)


def _device(
    path: str, is_block: bool, number: tuple[int, int], mode: int, uid: int, gid: int
) -> Json:
    return {
        "path": os.path.normpath(path),
        "type": "b" if is_block else "c",
        "major": number[0],
        "minor": number[1],
        "fileMode": mode,
        "uid": uid,
        "gid": gid,
    }


def _host_devices(privileged: bool) -> Iterator[Json]:
    return _devices("/dev") if privileged else iter(())


def _devices(folder: str) -> Iterator[Json]:
    """The device nodes of the host."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if folder == "/dev" and entry.name in _OWN_DEVICES:
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from _devices(entry.path)
        elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            number = (os.major(status.st_rdev), os.minor(status.st_rdev))
            mode = stat.S_IMODE(status.st_mode)
            is_block = stat.S_ISBLK(status.st_mode)
            yield _device(entry.path, is_block, number, mode, status.st_uid, status.st_gid)


def _seccomp(profile: str, of_container: int) -> Json:
    if profile in ("", "builtin"):
        default, architectures, rules = _core.default_profile(of_container)
        flags = confinement.SPEC_ALLOW
    else:
        default, architectures, rules, flags = confinement.rules_of(profile, of_container)
    return seccomp.document(
        default,
        architectures,
        [
            (names, answer, [(index, op.name, one, two) for index, op, one, two in conditions])
            for names, answer, conditions in rules
        ],
        flags,
    )
