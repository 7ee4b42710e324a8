"""What `inspect` shows of images and containers, in Docker's shape."""

from __future__ import annotations

import os

from fastlayers.container_state import CREATED, RUNNING
from fastlayers.network_file import HOSTNAME, HOSTS, RESOLV_CONF
from fastlayers.oci.timestamp import ZERO
from fastlayers.volume import source_path

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
            "NetworkMode": options.network,
            "AutoRemove": options.auto_remove,
            "Memory": options.limits.memory,
            "MemorySwap": options.limits.memory_swap or 2 * options.limits.memory,
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
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "LogConfig": {"Type": "raw", "Config": {}},
            "PortBindings": {},
        },
        "GraphDriver": {
            "Data": {
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
            "AttachStdin": options.interactive,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": options.tty,
            "OpenStdin": options.interactive,
            "StdinOnce": options.interactive,
            "Image": container.image_name,
            "Labels": dict(container.labels),
        },
        "NetworkSettings": {
            "Ports": {},
            "IPAddress": "",
            "Networks": {options.network: {"IPAddress": "", "Gateway": "", "MacAddress": ""}},
        },
    }


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
    mounts = []
    for number, volume in enumerate(container.volumes):
        source = source_path(volume, number, container.store.root, container.directory)
        mount: dict[str, Any] = {
            "Type": "bind" if volume.kind == "bind" else "volume",
            "Source": source,
            "Destination": volume.target,
            "Mode": "ro" if volume.read_only else "",
            "RW": not volume.read_only,
            "Propagation": "rprivate" if volume.kind == "bind" else "",
        }
        if volume.kind != "bind":
            mount["Name"] = volume.source or f"{container.id}-{number}"
            mount["Driver"] = "local"
        mounts.append(mount)
    return mounts
