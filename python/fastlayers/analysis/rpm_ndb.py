"""rpm's database as SUSE keeps it: ndb's Packages.db (rpm's lib/backend/ndb/rpmpkg.c).

Pages of slots, the first two of which are the file's head, say where in the file a package lies;
there its header is between a head and a tail. All numbers are little-endian, and count blocks.
The checksum of the tail is not looked at: rpm does not when it reads either.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"RpmP"
_HEAD = struct.Struct("<4sIII16x")  # magic, version, generation, pages of slots
_SLOT = np.dtype([("magic", "S4"), ("package", "<u4"), ("block", "<u4"), ("blocks", "<u4")])
_BLOB_HEAD = struct.Struct("<4sIII")  # magic, package, generation, length
_BLOB_TAIL = struct.Struct("<4xI4s")  # checksum, length, magic
_PAGE, _BLOCK = 4096, 16


def headers(data: bytes | memoryview) -> Iterator[bytes]:
    """Those of a Packages.db. ValueError if it is none, or breaks a bound."""
    if len(data) < _HEAD.size:
        raise ValueError("it is cut off")
    _, version, _, pages = _HEAD.unpack_from(data)
    if version:
        raise ValueError(f"it is an ndb of version {version}, and only version 0 is known")
    if not 0 < pages <= len(data) // _PAGE:
        raise ValueError("its slots lie outside of it")
    slots = np.frombuffer(bytes(data[_HEAD.size : pages * _PAGE]), _SLOT)
    if (slots["magic"] != b"Slot").any():
        raise ValueError("a slot of it is none")
    used = slots[slots["block"] != 0]
    if int(used["blocks"].sum(dtype=np.uint64)) > len(data) // _BLOCK:
        raise ValueError("its packages are larger than it is")
    for _, package, block, blocks in used.tolist():
        yield _header(data, package, block * _BLOCK, (block + blocks) * _BLOCK)


def _header(data: bytes | memoryview, package: int, start: int, end: int) -> bytes:
    """The header of a package that lies from start to end."""
    if end > len(data) or end - start < _BLOB_HEAD.size + _BLOB_TAIL.size:
        raise ValueError("a package lies outside of it")
    magic, owner, _, length = _BLOB_HEAD.unpack_from(data, start)
    length_again, magic_again = _BLOB_TAIL.unpack_from(data, end - _BLOB_TAIL.size)
    filling = end - start - (_BLOB_HEAD.size + length + _BLOB_TAIL.size)
    if (
        (magic, magic_again, owner, length_again) != (b"BlbS", b"BlbE", package, length)
        or not 0 <= filling < _BLOCK
    ):  # fmt: skip
        raise ValueError("a package is not where a slot says")
    return bytes(data[start + _BLOB_HEAD.size : start + _BLOB_HEAD.size + length])
