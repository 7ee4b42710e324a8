"""SeccompProfile: a profile as Docker takes it from a file, with its conditions.

The form is the OCI runtime specification's, and Docker's additions to it: archMap, names beside
name, and includes and excludes that depend on capabilities, machine and kernel. It is read
strictly: a rule that is misread would open what it is to close.
"""

from __future__ import annotations

from fastlayers.errors import CorruptError, InvalidError, LimitError
from fastlayers.oci import fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fastlayers.oci.fields import Json

    Condition = tuple[int, str, int, int]  # argument, operator, value, second value
    Rule = tuple[list[str], int, list[Condition]]  # names, the kernel's answer, all of which hold

_WHAT = "seccomp profile"
_LIMIT_BYTES = 4 << 20
_EPERM = 1
_LARGEST_ERRNO = 0xFFFF
_ACTIONS = {
    "SCMP_ACT_KILL": 0,
    "SCMP_ACT_KILL_THREAD": 0,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_WITH_NUMBER = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
_OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
_FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
}
_ARCHITECTURES = frozenset(
    "SCMP_ARCH_" + name
    for name in [
        "X86",
        "X86_64",
        "X32",
        "ARM",
        "AARCH64",
        "LOONGARCH64",
        "M68K",
        "MIPS",
        "MIPS64",
        "MIPS64N32",
        "MIPSEL",
        "MIPSEL64",
        "MIPSEL64N32",
        "PPC",
        "PPC64",
        "PPC64LE",
        "RISCV64",
        "S390",
        "S390X",
        "PARISC",
        "PARISC64",
        "SH",
        "SHEB",
    ]
)
_MACHINES = {"x86_64": ("amd64", "SCMP_ARCH_X86_64"), "aarch64": ("arm64", "SCMP_ARCH_AARCH64")}
_TOP = {"defaultAction", "defaultErrnoRet", "architectures", "archMap", "flags", "syscalls",
        "listenerPath", "listenerMetadata"}  # fmt: skip
_RULE = {"name", "names", "action", "errnoRet", "args", "comment", "includes", "excludes"}
_ARGUMENT = {"index", "value", "valueTwo", "op"}
_FILTER = {"caps", "arches", "minKernel"}


class SeccompProfile:
    """A profile that has been checked as a whole. Raises InvalidError for whatever of it does not
    have a meaning: an unknown key, action, architecture, operator or flag."""

    def __init__(self, text: str) -> None:
        try:
            document = fields.parse_object(
                text.encode("utf-8", "surrogateescape"), _WHAT, unique=True, limit=_LIMIT_BYTES
            )
            self._read(document)
        except (CorruptError, LimitError) as error:
            raise InvalidError(str(error)) from None

    def _read(self, document: Json) -> None:
        _only(document, _TOP, "")
        if document.get("listenerPath") or document.get("listenerMetadata"):
            raise InvalidError(f"{_WHAT}: a listener is not supported")
        self.default = _action(document, "defaultAction", "defaultErrnoRet")
        self.flags = 0
        flags = fields.strings(document, "flags", _WHAT)
        for name in _FLAGS_BY_DEFAULT if flags is None else flags:
            if name not in _FLAGS:
                raise InvalidError(f"{_WHAT}: unknown flag {name[:100]!r}")
            self.flags |= _FLAGS[name]
        self._architectures = _architectures(document, "architectures")
        self._arch_map = [
            (_one_architecture(entry), _architectures(entry, "subArchitectures"))
            for entry in fields.objects(document, "archMap", _WHAT)
        ]
        if self._architectures and self._arch_map:
            raise InvalidError(f"{_WHAT}: use either 'architectures' or 'archMap'")
        self._rules = [
            (
                rules,
                fields.mapping(rule, "includes", _WHAT),
                fields.mapping(rule, "excludes", _WHAT),
            )
            for rule in fields.objects(document, "syscalls", _WHAT)
            for rules in [_rules(rule)]
        ]

    def architectures(self, machine: str) -> list[str]:
        """The binary interfaces that it covers on a machine, as uname(2) names that."""
        native = _MACHINES.get(machine, ("", ""))[1]
        mapped = [n for arch, subs in self._arch_map if arch == native for n in (arch, *subs)]
        return [*self._architectures, *mapped]

    def rules(
        self, capabilities: Collection[str], machine: str, kernel: tuple[int, int]
    ) -> list[Rule]:
        """The rules whose conditions hold for a container with these capabilities, there."""
        here = _MACHINES.get(machine, ("", ""))[0]
        found: list[Rule] = []
        for rules, includes, excludes in self._rules:
            arches, caps, since = _conditions(includes)
            if arches and here not in arches:
                continue
            if any(name not in capabilities for name in caps) or kernel < since:
                continue
            arches, caps, since = _conditions(excludes)
            if here in arches or any(name in capabilities for name in caps):
                continue
            if since != (0, 0) and kernel >= since:
                continue
            found += rules
        return found


_FLAGS_BY_DEFAULT = ("SECCOMP_FILTER_FLAG_SPEC_ALLOW",)  # as runc's


def _only(document: Mapping[str, object], known: set[str], where: str) -> None:
    for key in document:
        if key not in known:
            raise InvalidError(f"{_WHAT}: {where}unknown key {key[:100]!r}")


def _number(document: Mapping[str, object], key: str, largest: int) -> int | None:
    value = document.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        raise InvalidError(f"{_WHAT}: {key} is no number from 0 to {largest}: {str(value)[:40]}")
    return value


def _action(document: Mapping[str, object], key: str, number_key: str) -> int:
    name = fields.text(document, key, _WHAT)
    if name == "SCMP_ACT_NOTIFY":
        raise InvalidError(f"{_WHAT}: SCMP_ACT_NOTIFY is not supported")
    if name not in _ACTIONS:
        raise InvalidError(f"{_WHAT}: unknown {key} {name[:100]!r}")
    number = _number(document, number_key, _LARGEST_ERRNO)
    if name not in _WITH_NUMBER:
        if number:
            raise InvalidError(f"{_WHAT}: {number_key} has no meaning with {name}")
        return _ACTIONS[name]
    return _ACTIONS[name] | (_EPERM if number is None else number)


def _known_architecture(name: str) -> str:
    if name not in _ARCHITECTURES:
        raise InvalidError(f"{_WHAT}: unknown architecture {name[:100]!r}")
    return name


def _architectures(document: Mapping[str, object], key: str) -> list[str]:
    return [_known_architecture(name) for name in fields.strings(document, key, _WHAT) or ()]


def _one_architecture(entry: Json) -> str:
    _only(entry, {"architecture", "subArchitectures"}, "archMap: ")
    return _known_architecture(fields.text(entry, "architecture", _WHAT))


def _rules(rule: Json) -> list[Rule]:
    """What one entry says; several rules if it asks for one argument twice (as runc reads it)."""
    _only(rule, _RULE, "syscalls: ")
    fields.text(rule, "comment", _WHAT)
    name, names = fields.text(rule, "name", _WHAT), fields.strings(rule, "names", _WHAT) or ()
    if name and names:
        raise InvalidError(f"{_WHAT}: use either 'name' or 'names'")
    called = list(names or ([name] if name else []))
    if not all(called) or not called:
        raise InvalidError(f"{_WHAT}: a rule without the name of a system call")
    for key in ("includes", "excludes"):
        _conditions(fields.mapping(rule, key, _WHAT))
    answer = _action(rule, "action", "errnoRet")
    conditions = [_condition(argument) for argument in fields.objects(rule, "args", _WHAT)]
    if len({condition[0] for condition in conditions}) == len(conditions):
        return [(called, answer, conditions)]
    return [(called, answer, [condition]) for condition in conditions]


def _condition(argument: Json) -> Condition:
    _only(argument, _ARGUMENT, "args: ")
    index = _number(argument, "index", 5)
    value = _number(argument, "value", (1 << 64) - 1)
    second = _number(argument, "valueTwo", (1 << 64) - 1)
    operator = fields.text(argument, "op", _WHAT)
    if operator.removeprefix("SCMP_CMP_") not in _OPERATORS or not operator.startswith("SCMP_CMP_"):
        raise InvalidError(f"{_WHAT}: unknown operator {operator[:100]!r}")
    if index is None or value is None:
        raise InvalidError(f"{_WHAT}: an argument without index or value")
    return (index, operator.removeprefix("SCMP_CMP_"), value, second or 0)


def _conditions(document: Json) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, int]]:
    """Architectures, capabilities, and the kernel it begins with."""
    _only(document, _FILTER, "includes and excludes: ")
    kernel = fields.text(document, "minKernel", _WHAT)
    since = (0, 0)
    if kernel:
        parts = kernel.split(".")
        good = len(parts) == 2 and all(p.isascii() and p.isdigit() and len(p) < 4 for p in parts)
        if not good:
            raise InvalidError(f"{_WHAT}: invalid kernel version {kernel[:100]!r}")
        since = (int(parts[0]), int(parts[1]))
    return (
        fields.strings(document, "arches", _WHAT) or (),
        fields.strings(document, "caps", _WHAT) or (),
        since,
    )


def document(default: int, architectures: list[str], rules: list[Rule], flags: int) -> Json:
    """Rules whose conditions are decided, as "linux.seccomp" of the OCI runtime specification."""
    result: Json = {
        **_said(default, "defaultAction", "defaultErrnoRet"),
        "syscalls": [_said_rule(rule) for rule in rules],
    }
    names = [name for name, bit in _FLAGS.items() if flags & bit]
    if names != list(_FLAGS_BY_DEFAULT):  # runc before 1.2 refuses a list, be it of these
        result["flags"] = names
    if architectures:
        result["architectures"] = list(architectures)
    return result


def _said(answer: int, key: str, number_key: str) -> Json:
    number = answer & _LARGEST_ERRNO
    # Of two names for one answer (KILL, KILL_THREAD) the one that says more.
    name = [name for name, value in _ACTIONS.items() if value == answer & ~_LARGEST_ERRNO][-1]
    return {key: name, number_key: number} if name in _WITH_NUMBER else {key: name}


def _said_rule(rule: Rule) -> Json:
    names, answer, conditions = rule
    told = {"names": list(names), **_said(answer, "action", "errnoRet")}
    if conditions:  # to youki 0.6 an empty list means that the rule never holds
        told["args"] = [
            {"index": index, "value": value, "valueTwo": second, "op": f"SCMP_CMP_{operator}"}
            for index, operator, value, second in conditions
        ]
    return told
