"""What `inspect` shows of images and containers, in Docker's shape."""

from __future__ import annotations

import os

from fastlayers.container_mount import ANONYMOUS, BIND, TMPFS, VOLUME, Mount, source_path
from fastlayers.container_options import PEER
from fastlayers.container_state import CREATED, RUNNING
from fastlayers.kernel_option import parse_device, parse_sysctl, parse_ulimit
from fastlayers.mount_option import parse_mount, tmpfs_mounts
from fastlayers.network_file import HOSTNAME, HOSTS, RESOLV_CONF
from fastlayers.oci.timestamp import ZERO
from fastlayers.port_option import Published, bindings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from fastlayers.container import Container
    from fastlayers.container_options import ContainerOptions
    from fastlayers.image import Image
    from fastlayers.oci.document import Descriptor, ImageConfig
    from fastlayers.oci.runtime import RuntimeConfig


def inspect_image(image: Image) -> dict[str, Any]:
    """An image as `docker image inspect` shows it."""
    return image_document(
        image.config,
        image.descriptor,
        image.tags,
        image.repo_digests,
        image.size,
        {"Data": None, "Name": image.store.known_backend},
    )


def image_document(
    config: ImageConfig,
    descriptor: Descriptor,
    tags: Sequence[str],
    repo_digests: Sequence[str],
    size: int,
    graph_driver: dict[str, Any] | None,
) -> dict[str, Any]:
    """What an image's own documents say of it. `descriptor` is of its manifest."""
    history = config.history
    about: dict[str, Any] = {
        "Id": config.digest,
        "RepoTags": list(tags),
        "RepoDigests": list(repo_digests),
        "Parent": "",
        "Comment": config.comment or (history[-1].comment if history else ""),
        "Created": config.created,
        "DockerVersion": config.docker_version,
        "Author": config.author,
        "Config": _shown_config(config.runtime),
        "Architecture": config.architecture,
        "Os": config.os,
        "Size": size,
        "GraphDriver": graph_driver,
        "RootFS": {"Type": "layers", "Layers": list(config.diff_ids)},
        "Metadata": {"LastTagTime": ZERO},
        "Descriptor": descriptor.to_json(),
    }
    if config.variant:
        about["Variant"] = config.variant
    return about


def _shown_config(runtime: RuntimeConfig) -> dict[str, Any]:
    """The runtime config with the fields that scripts expect to find in any case."""
    always: dict[str, Any] = {
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": None,
        "Cmd": None,
        "Image": "",
        "Volumes": None,
        "WorkingDir": "",
        "Entrypoint": None,
        "OnBuild": None,
        "Labels": None,
    }
    return {**always, **runtime.to_json()}


def inspect_container(container: Container) -> dict[str, Any]:
    """A container as `docker container inspect` shows it."""
    directory, options = container.directory, container.options
    return {
        "Id": container.id,
        "Created": container.created,
        "Path": container.path,
        "Args": list(container.args),
        "State": _state(container),
        "Image": container.image_id,
        "ResolvConfPath": os.path.join(directory, RESOLV_CONF),
        "HostnamePath": os.path.join(directory, HOSTNAME),
        "HostsPath": os.path.join(directory, HOSTS),
        "LogPath": container.logs_path,
        "Name": f"/{container.name}",
        "RestartCount": 0,
        "Driver": container.store.known_backend,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": None,
        "HostConfig": {
            "Binds": [text for text in options.volumes if ":" in text] or None,
            "Dns": list(options.dns),
            "DnsOptions": list(options.dns_options),
            "DnsSearch": list(options.dns_search),
            "ExtraHosts": list(options.add_hosts) or None,
            "Mounts": _asked_mounts(options),
            "NetworkMode": options.network,
            "ShmSize": options.shm_size or 64 << 20,
            "Tmpfs": dict(text.partition(":")[::2] for text in options.tmpfs) or None,
            "AutoRemove": options.auto_remove,
            "Runtime": options.runtime or "fastlayers",
            "Memory": options.limits.memory,
            "MemorySwap": options.limits.memory_and_swap,
            "NanoCpus": options.limits.nano_cpus,
            "CpuShares": options.limits.cpu_shares,
            "CpusetCpus": options.limits.cpuset_cpus,
            "PidsLimit": options.limits.pids or None,
            "CapAdd": list(options.cap_add) or None,
            "CapDrop": list(options.cap_drop) or None,
            "SecurityOpt": _security_options(options),
            "Privileged": options.privileged,
            **_system_paths(options),
            "ReadonlyRootfs": options.read_only,
            **_of_kernel(options),
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "LogConfig": {"Type": "raw", "Config": {}},
            "PortBindings": _port_bindings(options),
            "PublishAllPorts": options.publish_all,
        },
        "GraphDriver": {
            "Data": {
                **_lower_directories(container),
                "UpperDir": container.upper,
                "WorkDir": os.path.join(directory, "work"),
                "MergedDir": os.path.join(directory, "merged"),
            },
            "Name": container.store.known_backend,
        },
        "Mounts": _mounts(container),
        "Config": {
            **_shown_config(container.runtime),
            "Hostname": container.hostname,
            "Domainname": options.domainname,
            "AttachStdin": options.attaches("stdin"),
            "AttachStdout": options.attaches("stdout"),
            "AttachStderr": options.attaches("stderr"),
            "Tty": options.tty,
            "OpenStdin": options.interactive,
            "StdinOnce": options.interactive and not options.detached,
            **({} if options.stop_timeout is None else {"StopTimeout": options.stop_timeout}),
            "Image": container.image_name,
            "Labels": dict(container.labels),
        },
        "NetworkSettings": {
            "Ports": _ports(container),
            "IPAddress": "",
            "Networks": _networks(options),
        },
    }


def _networks(options: ContainerOptions) -> dict[str, Any]:
    if options.network.startswith(PEER):
        return {}
    return {options.network: {"IPAddress": "", "Gateway": "", "MacAddress": ""}}


def _port_bindings(options: ContainerOptions) -> dict[str, list[dict[str, str]]]:
    """What -p asked for, by the container's port."""
    found: dict[str, list[dict[str, str]]] = {}
    for binding in bindings(options.publish, False, ()):
        place = {"HostIp": binding.address, "HostPort": binding.host_ports}
        found.setdefault(binding.name, []).append(place)
    return {name: found[name] for name in sorted(found)}


def _ports(container: Container) -> dict[str, list[dict[str, str]] | None]:
    """What is published while it runs, and what is exposed."""
    state, options = container.state(), container.options
    if state.status != RUNNING or options.network != "pasta":
        return {}
    found: dict[str, list[dict[str, str]] | None] = dict.fromkeys(container.runtime.exposed_ports)
    for port in map(Published.parse, state.ports):
        place = {"HostIp": port.address, "HostPort": str(port.host_port)}
        found[port.name] = [*(found.get(port.name) or []), place]
    return {name: found[name] for name in sorted(found)}


def _of_kernel(options: ContainerOptions) -> dict[str, Any]:
    """Of the host configuration what is about namespaces and other settings of the kernel."""
    limits = options.limits
    return {
        "Annotations": dict(options.annotations) or None,
        "BlkioWeight": limits.blkio_weight,
        "CpuPeriod": limits.cpu_period,
        "CpuQuota": limits.cpu_quota,
        "CpusetMems": limits.cpuset_mems,
        "Devices": [
            {"PathOnHost": source, "PathInContainer": target, "CgroupPermissions": access}
            for source, target, access in map(parse_device, options.devices)
        ],
        "GroupAdd": list(options.group_add) or None,
        "Init": options.init or None,
        "IpcMode": options.ipc,
        "MemoryReservation": limits.memory_reservation,
        "OomKillDisable": limits.oom_kill_disable,
        "OomScoreAdj": options.oom_score_adj,
        "PidMode": options.pid,
        "Sysctls": dict(map(parse_sysctl, options.sysctls)) or None,
        "Ulimits": [
            {"Name": name, "Hard": hard, "Soft": soft}
            for name, soft, hard in map(parse_ulimit, options.ulimits)
        ],
        "UTSMode": options.uts,
    }


def _lower_directories(container: Container) -> dict[str, str]:
    """What it shares with its forks or keeps for its checkpoints, the topmost first, as overlayfs
    has it; what is below that is the image."""
    frozen = container.uppers[-2::-1]
    return {"LowerDir": ":".join(frozen)} if frozen else {}


def _security_options(options: ContainerOptions) -> list[str] | None:
    # Docker says of a privileged container that SELinux leaves it alone, and keeps of
    # systempaths=unconfined only what it does.
    shown = [text for text in options.security_opt if text != "systempaths=unconfined"]
    if options.privileged and "label=disable" not in shown:
        shown.append("label=disable")
    return shown or None


def _system_paths(options: ContainerOptions) -> dict[str, Any]:
    from fastlayers import confinement

    if confinement.hides_system(options):
        masked = list(confinement.MASKED_PATHS)
        return {"MaskedPaths": masked, "ReadonlyPaths": list(confinement.READ_ONLY_PATHS)}
    none: list[str] | None = None if options.privileged else []
    return {"MaskedPaths": none, "ReadonlyPaths": none}


def _state(container: Container) -> dict[str, Any]:
    state = container.state()
    return {
        "Status": state.word,
        "Running": state.status == RUNNING,
        "Paused": state.paused,
        "Restarting": False,
        "OOMKilled": state.out_of_memory,
        "Dead": False,
        "Pid": state.pid,
        "ExitCode": state.exit_code if state.status != CREATED or state.error else 0,
        "Error": state.error,
        "StartedAt": state.started or ZERO,
        "FinishedAt": state.finished or ZERO,
    }


def _mounts(container: Container) -> list[dict[str, Any]]:
    """Those of --tmpfs are not among them, as in Docker's."""
    mounts = []
    of_tmpfs_flag = {mount.target for mount in tmpfs_mounts(container.options.tmpfs)}
    modes = _modes(container.options)
    for mount in container.mounts:
        if mount.target in of_tmpfs_flag:
            continue
        about: dict[str, Any] = {
            "Type": mount.kind,
            "Source": source_path(mount, container.store.root) or mount.source,
            "Destination": mount.target,
            "Mode": modes.get(mount.target, ""),
            "RW": not mount.read_only,
            "Propagation": "rprivate" if mount.kind == BIND else "",
        }
        if mount.kind == VOLUME:
            about["Name"] = mount.source
            about["Driver"] = "local"
        mounts.append(about)
    return mounts


def _modes(options: ContainerOptions) -> dict[str, str]:
    """What -v says after its second colon, by target; Docker has "z" for volumes that do not."""
    modes = {}
    for text in options.volumes:
        mount = Mount.parse(text)
        said = ":".join(text.split(":")[2:])
        modes[mount.target] = said or ("z" if mount.kind == VOLUME else "")
    for mount in map(parse_mount, options.mounts):
        modes[mount.target] = "z" if mount.kind in (ANONYMOUS, VOLUME) else ""
    return modes


def _asked_mounts(options: ContainerOptions) -> list[dict[str, Any]] | None:
    """What --mount asked for, as the API has it."""
    return [_asked_mount(parse_mount(text)) for text in options.mounts] or None


def _asked_mount(mount: Mount) -> dict[str, Any]:
    about: dict[str, Any] = {"Type": "volume" if mount.kind == ANONYMOUS else mount.kind}
    if mount.source:
        about["Source"] = mount.source
    about["Target"] = mount.target
    if mount.read_only:
        about["ReadOnly"] = True
    if mount.kind in (ANONYMOUS, VOLUME) and not mount.copy_up:
        about["VolumeOptions"] = {"NoCopy": True}
    if mount.kind == TMPFS and mount.options:
        size, mode = mount.options.get("size"), mount.options.get("mode")
        about["TmpfsOptions"] = {
            **({"SizeBytes": int(size)} if size else {}),
            **({"Mode": int(mode, 8)} if mode else {}),
        }
    return about
