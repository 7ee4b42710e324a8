"""Writes tars by hand, in any of the dialects that a reader meets.

`archive` takes members and how each is to be written. What Python's tarfile cannot be made to
write (base-256 numbers, old GNU sparse files, PAX sparse maps, doubled extension headers) is the
reason for this file; test_tar_dialects proves it against tarfile and GNU tar.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from tests.tar_members import BLOCK, Member

Dialect = Literal["pax", "pax-always", "gnu"]
Sparse = Literal["", "0.0", "0.1", "1.0", "old"]
TYPEFLAGS = {"file": b"0", "hardlink": b"1", "symlink": b"2", "char": b"3", "block": b"4",
             "dir": b"5", "fifo": b"6"}  # fmt: skip
END = bytes(2 * BLOCK)


def pad(data: bytes) -> bytes:
    """The data, filled with zeros to a whole number of blocks."""
    return data + bytes(-len(data) % BLOCK)


def record(key: bytes, value: bytes) -> bytes:
    """One PAX record: its length counts itself."""
    bare = len(key) + len(value) + 3
    length = bare + len(str(bare))
    if len(str(length)) != len(str(bare)):
        length += 1
    return b"%d %s=%s\n" % (length, key, value)


def number(value: int, width: int) -> bytes:
    """A numeric field: octal if it fits, else base-256 (GNU)."""
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    return ((1 << (8 * width - 1)) | (value & ((1 << (8 * width - 1)) - 1))).to_bytes(width, "big")


def header(name: bytes, typeflag: bytes, size: int, *, mode: int = 0o644, uid: int = 0,
           gid: int = 0, mtime: int = 0, link: bytes = b"", device: tuple[int, int] = (0, 0),
           magic: bytes = b"ustar\x0000", tail: bytes = b"") -> bytes:  # fmt: skip
    """One header block; names longer than their field are cut. `tail` goes to offset 345."""
    block = bytearray(BLOCK)
    block[0:100] = name[:100].ljust(100, b"\0")
    block[100:108] = number(mode, 8)
    block[108:116] = number(uid, 8)
    block[116:124] = number(gid, 8)
    block[124:136] = number(size, 12)
    block[136:148] = number(mtime, 12)
    block[148:156] = b" " * 8
    block[156:157] = typeflag
    block[157:257] = link[:100].ljust(100, b"\0")
    block[257:265] = magic
    if device != (0, 0):
        block[329:337] = number(device[0], 8)
        block[337:345] = number(device[1], 8)
    block[345 : 345 + len(tail)] = tail
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def extension(typeflag: bytes, body: bytes) -> bytes:
    """An extension header (x, g, L or K) with its body."""
    name = b"././@LongLink" if typeflag in b"LK" else b"PaxHeaders/x"
    return header(name, typeflag, len(body)) + pad(body)


def extents_of(content: bytes) -> list[tuple[int, int]]:
    """The runs of blocks that are not zero; ends with an empty run at the end if that is a hole."""
    extents: list[tuple[int, int]] = []
    for at in range(0, len(content), BLOCK):
        piece = content[at : at + BLOCK]
        if not piece.strip(b"\0"):
            continue
        if extents and sum(extents[-1]) == at:
            extents[-1] = (extents[-1][0], extents[-1][1] + len(piece))
        else:
            extents.append((at, len(piece)))
    if not extents or sum(extents[-1]) < len(content):
        extents.append((len(content), 0))
    return extents


def _pax_time(mtime_ns: int) -> bytes:
    sign = b"-" if mtime_ns < 0 else b""
    seconds, nanoseconds = divmod(abs(mtime_ns), 10**9)
    fraction = b".%09d" % nanoseconds if nanoseconds else b""
    return b"%s%d%s" % (sign, seconds, fraction)


def _sparse_records(
    member: Member, style: Sparse, extents: list[tuple[int, int]]
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """PAX records of a sparse member, and the map that stands before its data (1.0)."""
    flat = [n for extent in extents for n in extent]
    size = b"%d" % len(member.content)
    if style == "1.0":
        records = [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
                   (b"GNU.sparse.name", member.path), (b"GNU.sparse.realsize", size)]  # fmt: skip
        return records, pad(b"".join(b"%d\n" % n for n in [len(extents), *flat]))
    records = [(b"GNU.sparse.size", size), (b"GNU.sparse.numblocks", b"%d" % len(extents))]
    if style == "0.1":
        records += [(b"GNU.sparse.name", member.path),
                    (b"GNU.sparse.map", b",".join(b"%d" % n for n in flat))]  # fmt: skip
        return records, b""
    for offset, length in extents:
        records += [
            (b"GNU.sparse.offset", b"%d" % offset),
            (b"GNU.sparse.numbytes", b"%d" % length),
        ]
    return records, b""


def _old_sparse(member: Member, extents: list[tuple[int, int]], common: dict[str, object]) -> bytes:
    """The header of a GNU type S member and its extension blocks."""
    cells = [b"%011o\0%011o\0" % extent for extent in extents]
    tail = bytes(41) + b"".join(cells[:4]).ljust(96, b"\0")
    tail += bytes([len(cells) > 4]) + b"%011o\0" % len(member.content)
    stored = sum(length for _, length in extents)
    out = header(member.path, b"S", stored, magic=b"ustar  \0", tail=tail, **common)  # type: ignore[arg-type]
    rest = cells[4:]
    while rest:
        out += b"".join(rest[:21]).ljust(504, b"\0") + bytes([len(rest) > 21]) + bytes(7)
        rest = rest[21:]
    return out


def entry(member: Member, dialect: Dialect = "pax", sparse: Sparse = "") -> bytes:
    """All blocks of one member."""
    if member.type != "file" or not member.content:
        sparse = ""
    gnu = dialect == "gnu" and sparse in ("", "old")  # PAX sparse maps need the POSIX magic
    extents = extents_of(member.content) if sparse else []
    data = b"".join(member.content[a : a + n] for a, n in extents) if sparse else member.content
    records: list[tuple[bytes, bytes]] = []
    if sparse and sparse != "old":
        records, sparse_map = _sparse_records(member, sparse, extents)
        data = sparse_map + data
    whole_seconds = member.mtime_ns % 10**9 == 0
    mtime = member.mtime_ns // 10**9
    if dialect == "pax-always" or not whole_seconds or (not gnu and not 0 <= mtime < 8**11):
        records.append((b"mtime", _pax_time(member.mtime_ns)))
        mtime = mtime if 0 <= mtime < 8**11 else 0
    ids = {"uid": member.uid, "gid": member.gid}
    for which, number_of in ids.items():
        if dialect == "pax-always" or (not gnu and number_of >= 8**7):
            records.append((which.encode(), b"%d" % number_of))
            ids[which] = min(number_of, 8**7 - 1)
    out = b""
    for name, flag, key in ((member.path, b"L", b"path"), (member.link, b"K", b"linkpath")):
        if len(name) > 100 or (name and dialect == "pax-always"):
            if gnu:
                out += extension(flag, name + b"\0")
            else:
                records.append((key, name))
    records += [(b"SCHILY.xattr." + key, value) for key, value in member.xattrs.items()]
    if records:
        out = extension(b"x", b"".join(record(key, value) for key, value in records)) + out
    common: dict[str, object] = {"mode": member.mode, "mtime": mtime, **ids}
    if sparse == "old":
        return out + _old_sparse(member, extents, common) + pad(data)
    magic = b"ustar  \0" if gnu else b"ustar\x0000"
    size = len(data) if member.type == "file" else 0
    out += header(member.path, TYPEFLAGS[member.type], size, link=member.link, magic=magic,
                  device=member.device, **common)  # type: ignore[arg-type]  # fmt: skip
    return out + (pad(data) if member.type == "file" else b"")


def archive(entries: Iterable[tuple[Member, Dialect, Sparse]]) -> bytes:
    """A whole tar, with its end mark."""
    return b"".join(entry(*each) for each in entries) + END


def plain(members: Iterable[Member]) -> bytes:
    """A whole tar in the PAX dialect."""
    return archive((member, "pax", "") for member in members)
