"""Confinement: what a container's processes are kept from, of what a person asked for."""

from __future__ import annotations

import os

from fastlayers import _core
from fastlayers.errors import InvalidError, UnsupportedError
from fastlayers.oci.go_value import parse_bool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastlayers.container_options import ContainerOptions

    Rule = tuple[list[str], int, list[tuple[int, _core.SeccompOperator, int, int]]]

_SYS_ADMIN = 21  # CAP_SYS_ADMIN
SPEC_ALLOW = 4  # SECCOMP_FILTER_FLAG_SPEC_ALLOW
MASKED_PATHS = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
    "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
    "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
)  # fmt: skip
READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def security_options(options: Sequence[str]) -> tuple[str, ...]:
    """The options of --security-opt as they are kept: a profile's file is read and stands in its
    name's place. Raises InvalidError for one that has no meaning, UnsupportedError for what this
    engine does not do."""
    return tuple(_kept(option) for option in options)


def _kept(option: str) -> str:
    if option == "no-new-privileges":
        return option
    name, equals, value = option.partition("=")
    if not equals:
        raise InvalidError(f'invalid --security-opt: "{option[:100]}"')
    if name == "no-new-privileges" and parse_bool(value) is not None:
        return option
    if option in ("apparmor=unconfined", "label=disable", "systempaths=unconfined"):
        return option
    if name in ("apparmor", "label"):
        only = "apparmor=unconfined" if name == "apparmor" else "label=disable"
        raise UnsupportedError(f"--security-opt {option[:100]} is not supported: there is {only}")
    if name == "writable-cgroups":
        raise UnsupportedError("--security-opt writable-cgroups is not supported")
    if name != "seccomp":
        raise InvalidError(f'invalid --security-opt 2: "{option[:100]}"')
    if value in ("unconfined", "builtin"):
        return option
    from fastlayers.oci import fields
    from fastlayers.oci.seccomp import SeccompProfile

    text = value if value.startswith("{") else _read(value)
    SeccompProfile(text)
    return "seccomp=" + fields.dump(fields.parse_object(text.encode(), "seccomp profile")).decode()


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or "it is no text").lower()
        raise InvalidError(
            f"opening seccomp profile ({path[:200]}) failed: open {path[:200]}: {why}"
        ) from None


def hides_system(options: ContainerOptions) -> bool:
    """Whether paths of /proc and /sys are masked or read-only."""
    return not options.privileged and "systempaths=unconfined" not in options.security_opt


def asked(options: ContainerOptions) -> tuple[int, bool, str]:
    """The capabilities of a container, whether it gets no new privileges, and its seccomp profile:
    "" or "builtin", "unconfined", or the text of one."""
    from fastlayers import capabilities

    of_container = (
        capabilities.everything()
        if options.privileged
        else capabilities.mask(options.cap_add, options.cap_drop)
    )
    no_new_privileges, profile = False, ""
    for option in options.security_opt:
        name, _, value = option.partition("=")
        if name == "no-new-privileges":
            no_new_privileges = parse_bool(value) is not False
        elif name == "seccomp":
            profile = value
    return of_container, no_new_privileges, profile


def may_make_devices(options: ContainerOptions, *, privileged_exec: bool = False) -> bool:
    """Whether its processes could open devices that they have made themselves, which is for
    privileged containers. Others have no file system without `nodev`, but CAP_SYS_ADMIN mounts
    one; of a user namespace the kernel itself takes none."""
    if options.privileged or not (options.cap_add or privileged_exec):
        return False
    given = privileged_exec or asked(options)[0] >> _SYS_ADMIN & 1
    return bool(given) and _core.in_initial_user_namespace()


def confine(
    spec: _core.LaunchSpec, options: ContainerOptions, *, privileged_exec: bool = False
) -> None:
    """Writes it into what the core is to start. The default is what is there already."""
    spec.privileged = options.privileged
    spec.hide_system = hides_system(options)
    given = options.cap_add or options.cap_drop or options.security_opt
    if not (given or options.privileged or privileged_exec):
        return
    from fastlayers import capabilities

    of_container, no_new_privileges, profile = asked(options)
    # As Docker's, a command that is executed as privileged has the container's filter.
    program, flags = _filter(profile, of_container, options.privileged)
    own = capabilities.everything() if privileged_exec else of_container
    spec.set_confinement(own, no_new_privileges, program, flags)


def _filter(profile: str, of_container: int, privileged: bool) -> tuple[bytes, int]:
    """The seccomp filter, empty for none, and the flags it is installed with."""
    if profile == "unconfined" or (privileged and not profile):
        return b"", 0
    if profile in ("", "builtin"):
        return _core.default_filter(of_container), SPEC_ALLOW
    default, architectures, rules, flags = rules_of(profile, of_container)
    return _core.compile_filter(default, architectures, rules), flags


def rules_of(profile: str, of_container: int) -> tuple[int, list[str], list[Rule], int]:
    """A profile that was given, for a container with these capabilities, here: the answer to what
    no rule names, the binary interfaces, the rules and the flags."""
    from fastlayers import capabilities
    from fastlayers.oci.seccomp import SeccompProfile

    parsed, host = SeccompProfile(profile), os.uname()
    major, minor = (int("".join(filter(str.isdigit, p)) or 0) for p in host.release.split(".")[:2])
    operators = _core.SeccompOperator.__members__
    rules = [
        (
            names,
            answer,
            [(index, operators[op], value, two) for index, op, value, two in conditions],
        )
        for names, answer, conditions in parsed.rules(
            capabilities.names_of(of_container), host.machine, (major, minor)
        )
    ]
    return parsed.default, parsed.architectures(host.machine), rules, parsed.flags
