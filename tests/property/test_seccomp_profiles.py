"""Seccomp profiles: whatever the file says, it is read as a whole or refused with one message."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers import _core
from fastlayers.errors import FastlayersError, InvalidError
from fastlayers.oci.seccomp import SeccompProfile
from tests.strategies import changed, json_values

PROFILE: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 1,
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
    ],
    "flags": ["SECCOMP_FILTER_FLAG_LOG"],
    "syscalls": [
        {"names": ["read", "write", "no_such_call"], "action": "SCMP_ACT_ALLOW", "comment": "x"},
        {
            "name": "socket",
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}],
        },
        {
            "names": ["mount"],
            "action": "SCMP_ACT_ALLOW",
            "includes": {"caps": ["CAP_SYS_ADMIN"], "minKernel": "4.8"},
            "excludes": {"arches": ["s390x"]},
        },
    ],
}


def _compile(profile: SeccompProfile) -> bytes:
    operators = _core.SeccompOperator.__members__
    rules = [
        (names, answer, [(i, operators[op], value, two) for i, op, value, two in conditions])
        for names, answer, conditions in profile.rules(["CAP_SYS_ADMIN"], "x86_64", (6, 1))
    ]
    return _core.compile_filter(profile.default, profile.architectures("x86_64"), rules)


@given(json_values() | changed(PROFILE))
def test_any_document_makes_a_filter_or_is_refused(document: Any) -> None:
    with contextlib.suppress(FastlayersError):
        program = _compile(SeccompProfile(json.dumps(document)))
        assert 0 < len(program) <= 4096 * 8


@given(st.text(max_size=200))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        SeccompProfile("{" + text + "!")


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (("defaultAction",), "SCMP_ACT_PERHAPS", "unknown defaultAction 'SCMP_ACT_PERHAPS'"),
        (("defaultAction",), "SCMP_ACT_NOTIFY", "SCMP_ACT_NOTIFY is not supported"),
        (("defaultErrnoRet",), 1 << 16, "defaultErrnoRet is no number"),
        (("archMap", 0, "architecture"), "SCMP_ARCH_VAX", "unknown architecture 'SCMP_ARCH_VAX'"),
        (("architectures",), ["SCMP_ARCH_X86"], "use either 'architectures' or 'archMap'"),
        (("flags", 0), "SECCOMP_FILTER_FLAG_X", "unknown flag 'SECCOMP_FILTER_FLAG_X'"),
        (("syscalls", 0, "action"), "ALLOW", "unknown action 'ALLOW'"),
        (("syscalls", 0, "errnoRet"), 5, "errnoRet has no meaning with SCMP_ACT_ALLOW"),
        (("syscalls", 0, "names"), [], "a rule without the name of a system call"),
        (("syscalls", 0, "surprise"), 1, "unknown key 'surprise'"),
        (("syscalls", 1, "names"), ["read"], "use either 'name' or 'names'"),
        (("syscalls", 1, "args", 0, "op"), "SCMP_CMP_LIKE", "unknown operator 'SCMP_CMP_LIKE'"),
        (("syscalls", 1, "args", 0, "op"), "NE", "unknown operator 'NE'"),
        (("syscalls", 1, "args", 0, "index"), 6, "index is no number from 0 to 5"),
        (("syscalls", 1, "args", 0, "value"), -1, "value is no number"),
        (("syscalls", 2, "includes", "minKernel"), "4", "invalid kernel version '4'"),
        (("syscalls", 2, "includes", "kernels"), [], "unknown key 'kernels'"),
    ],
)
def test_what_has_no_meaning_is_named(where: tuple[Any, ...], value: Any, message: str) -> None:
    document = json.loads(json.dumps(PROFILE))
    place = document
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    with pytest.raises(InvalidError) as caught:
        SeccompProfile(json.dumps(document))
    assert message in str(caught.value)


def test_conditions_on_capability_machine_and_kernel() -> None:
    profile = SeccompProfile(json.dumps(PROFILE))

    def opens_mount(caps: list[str], machine: str, kernel: tuple[int, int]) -> bool:
        return any("mount" in names for names, _, _ in profile.rules(caps, machine, kernel))

    admin = ["CAP_SYS_ADMIN"]
    assert opens_mount(admin, "x86_64", (6, 1))
    assert not opens_mount([], "x86_64", (6, 1))
    assert not opens_mount(admin, "x86_64", (4, 7))
    assert profile.architectures("aarch64") == ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]


def test_an_argument_that_is_asked_for_twice_may_be_either() -> None:
    """As runc reads it."""
    args = [{"index": 0, "value": n, "op": "SCMP_CMP_EQ"} for n in (1, 2)]
    rule = {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": args}
    text = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]})
    assert len(SeccompProfile(text).rules([], "x86_64", (6, 1))) == 2
