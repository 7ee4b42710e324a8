"""The choice of a backend: how this machine can mount the images of this store, and why so.

The kernel is asked by trying, which takes a few milliseconds; its answers are kept in
ROOT/probe.json for as long as nothing they depend on has changed.
"""

from __future__ import annotations

import os

from fastlayers import _core
from fastlayers.errors import CorruptError, FastlayersError, InvalidError, UnsupportedError
from fastlayers.host import read_file, write_file
from fastlayers.oci import fields
from fastlayers.oci.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastlayers.oci.fields import Json

    Answers = dict[str, tuple[bool, str]]

# What --backend and FASTLAYERS_BACKEND take. "erofs-loop" is erofs, always through loop devices.
NAMES = ("erofs", "erofs-loop", "overlay", "copy")
_ANSWERS = ("erofs_file", "erofs_loop", "overlay")
_FILE = "probe.json"


class Backend(Frozen):
    """A backend that works here. `name` is "erofs", "overlay" or "copy", `mount_name` the word the
    core knows it by (with loop devices "erofs-loop"), `reason` a sentence for people."""

    __slots__ = ("mount_name", "name", "reason")

    name: str
    mount_name: str
    reason: str

    def __init__(self, mount_name: str, reason: str) -> None:
        self._set(name=mount_name.partition("-")[0], mount_name=mount_name, reason=reason)


def choose(root: str, wanted: str, chosen_by: str) -> Backend:
    """The backend for a store. `wanted` is "" where nobody chose; `chosen_by` says who did.

    UnsupportedError says what the kernel refused.
    """
    if wanted and wanted not in NAMES:
        raise InvalidError(
            f"unknown backend {wanted[:40]!r} ({chosen_by}): use erofs, overlay or copy"
        )
    answers = probe(root)
    overlay, why_not = answers["overlay"]
    if wanted == "copy":
        return Backend("copy", f"chosen by {chosen_by}")
    if not overlay and not wanted and not _core.in_initial_user_namespace():
        return Backend("copy", f"every container has a copy, because of overlayfs: {why_not}")
    if not overlay:
        raise UnsupportedError(
            f"overlayfs does not work in {root}: {why_not}. Containers need it: "
            "use a --root on another file system, or --backend copy"
        )
    if wanted:
        return _explicit(root, wanted, chosen_by, answers)
    return _automatic(answers)


def _explicit(root: str, wanted: str, chosen_by: str, answers: Answers) -> Backend:
    file, why_no_file = answers["erofs_file"]
    loop, why_no_loop = answers["erofs_loop"]
    reason = f"chosen by {chosen_by}"
    if wanted == "overlay" or (wanted == "erofs" and file) or (wanted == "erofs-loop" and loop):
        return Backend(wanted, reason)
    if wanted == "erofs" and loop:
        return Backend("erofs-loop", f"{reason}; through loop devices, because {why_no_file}")
    refused = f"loop devices: {why_no_loop}"
    if wanted == "erofs":
        refused = f"from files: {why_no_file}; through {refused}"
    raise UnsupportedError(
        f"the backend {wanted} ({chosen_by}) does not work in {root}: {refused}. "
        "Use --backend overlay"
    )


def _automatic(answers: Answers) -> Backend:
    file, file_reason = answers["erofs_file"]
    if file:
        return Backend("erofs", "the kernel mounts EROFS images from files in this store")
    loop, loop_reason = answers["erofs_loop"]
    if loop:
        return Backend("erofs-loop", f"EROFS through loop devices, because {file_reason}")
    return Backend(
        "overlay", f"EROFS from files: {file_reason}; EROFS through loop devices: {loop_reason}"
    )


def probe(root: str) -> Answers:
    """What works in a store, and why: erofs_file, erofs_loop, overlay. Cached."""
    path = os.path.join(root, _FILE)
    circumstances = _circumstances(root)
    known = _read(path, circumstances)
    if known is not None:
        return known
    answers = _core.probe(root)
    document: Json = {
        "circumstances": circumstances,
        "answers": {name: [works, why] for name, (works, why) in answers.items()},
    }
    try:
        write_file(path, fields.dump(document), sync=False, mode=0o600)
    except FastlayersError:
        return answers  # a store that is read-only is asked anew each time
    return answers


def _circumstances(root: str) -> str:
    """All that the answers depend on: kernel, boot, file system, rights, and what is forbidden."""
    rights = ""
    for line in _lines("/proc/self/status"):
        if line.startswith("CapEff:"):
            rights = line.split()[1]
    boot = _lines("/proc/sys/kernel/random/boot_id")[0]
    parts = (
        os.uname().release,
        boot,
        os.stat(root).st_dev,
        " ".join(" ".join(_lines("/proc/self/uid_map")).split()),
        os.geteuid(),
        rights,
        os.environ.get("FASTLAYERS_FORBID", ""),
    )
    return " ".join(str(part) for part in parts)


def _lines(path: str) -> list[str]:
    return (read_file(path) or b"").decode("utf-8", "replace").splitlines() or [""]


def _read(path: str, circumstances: str) -> Answers | None:
    raw = read_file(path)
    if raw is None:
        return None
    try:
        document = fields.parse_object(raw, path)
        if document.get("circumstances") != circumstances:
            return None
        answers = fields.mapping(document, "answers", path)
    except CorruptError:
        return None  # a cache: asking again mends it
    found: Answers = {}
    for name in _ANSWERS:
        answer = answers.get(name)
        if not isinstance(answer, list) or len(answer) != 2:
            return None
        found[name] = (answer[0] is True, str(answer[1]))
    return found
