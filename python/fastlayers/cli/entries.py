"""Names and modes of what is in images, as lists print them."""

from __future__ import annotations

import os
import stat

from fastlayers.cli import one_line

_TYPES = {
    "file": stat.S_IFREG,
    "directory": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "character": stat.S_IFCHR,
    "block": stat.S_IFBLK,
    "fifo": stat.S_IFIFO,
}
KINDS = tuple(_TYPES)  # as in fastlayers.analysis.files, which a list of names need not import


def name_fields(name: str, key: str = "Path") -> dict[str, object]:
    """A name as text on one line, and where that is not exact (bytes that are not UTF-8, line
    breaks) its bytes in base64; else ""."""
    text = one_line(name)
    exact = ""
    if text != name:
        from base64 import b64encode

        exact = b64encode(os.fsencode(name)).decode()
    return {key: text, f"{key}Base64": exact}


def mode_text(kind: str, mode: int) -> str:
    """A mode as ls prints it: "drwxr-xr-x"."""
    return stat.filemode(_TYPES[kind] | mode)


def owner_cells(kind: int, mode: int, uid: int, gid: int) -> tuple[str, str]:
    """The cells of a list that say what something is and whose. `kind`: an index into KINDS."""
    return mode_text(KINDS[kind], mode), f"{uid}:{gid}"
