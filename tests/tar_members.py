"""The members of a tar stream, in plain Python and with the whole stream in memory.

The slow truth for the reader. Python's `tarfile` is an oracle of its own in the property tests,
but it is too lenient to be this one: it takes a damaged header for the end of the archive, cuts
PAX times to floats and lets a PAX size reach the extension header behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.refusal import Refusal

BLOCK = 512
EXTENSION_LIMIT = 1 << 20  # bytes of one PAX header, long name or sparse map
MAX_ID = 2**32 - 2
TYPES = {
    b"0": "file", b"\0": "file", b"7": "file", b"S": "file", b"1": "hardlink", b"2": "symlink",
    b"3": "char", b"4": "block", b"5": "dir", b"6": "fifo",
}  # fmt: skip


@dataclass(slots=True)
class Member:
    """One entry, after its extension headers have been applied; names exactly as written."""

    path: bytes
    type: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    content: bytes = b""
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: dict[bytes, bytes] = field(default_factory=dict)


def _refuse(message: str) -> Refusal:
    return Refusal("corrupt", message)


def _number(raw: bytes) -> int:
    """A numeric header field: octal in any of its spellings, or base-256."""
    if raw[0] & 0x80:
        value = int.from_bytes(raw, "big") & ((1 << (8 * len(raw) - 1)) - 1)
        negative = bool(raw[0] & 0x40)
        return value - (1 << (8 * len(raw) - 1)) if negative else value
    text = raw.split(b"\0")[0].strip(b" ")
    if not text:
        return 0
    if not re.fullmatch(rb"[0-7]+", text):
        raise _refuse(f"not an octal number: {raw!r}")
    return int(text, 8)


def _text(raw: bytes) -> bytes:
    return raw.split(b"\0")[0]


def _check_sum(block: bytes) -> None:
    stored = _number(block[148:156])
    plain = block[:148] + b" " * 8 + block[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in plain)
    if stored not in (sum(plain), signed):
        raise _refuse("header checksum does not match")


def _time_ns(text: bytes) -> int:
    """A PAX time, cut (towards the past) to nanoseconds."""
    match = re.fullmatch(rb"(-?)(\d+)(?:\.(\d*))?", text)
    if not match:
        raise _refuse(f"not a time: {text!r}")
    if int(match[2]) >= 2**63:
        raise _refuse(f"not a time that a computer can hold: {text!r}")
    whole = int(match[2]) * 10**9
    fraction = int((match[3] or b"").ljust(9, b"0")[:9])
    return -(whole + fraction) if match[1] else whole + fraction


def _decimal(text: bytes, limit: int) -> int:
    if not re.fullmatch(rb"\d+", text) or int(text) > limit:
        raise _refuse(f"not a usable number: {text!r}")
    return int(text)


def _records(body: bytes) -> list[tuple[bytes, bytes]]:
    """The records of a PAX header, in order, duplicates included."""
    records = []
    at = 0
    while at < len(body):
        match = re.match(rb"([1-9]\d{0,9}) ", body[at:])
        if not match:
            raise _refuse("PAX record without a length")
        end = at + int(match[1])
        record = body[at + match.end() : end]
        if end > len(body) or not record.endswith(b"\n") or b"=" not in record:
            raise _refuse("PAX record whose length is wrong")
        key, _, value = record[:-1].partition(b"=")
        is_text = key in (b"path", b"linkpath") or key.startswith(b"GNU.sparse.")
        if is_text and b"\0" in value:
            raise _refuse("NUL in a PAX path")
        if value and key in _JUDGED:  # also where a later record replaces this one
            _JUDGED[key](value)
        records.append((key, value))
        at = end
    return records


_JUDGED: dict[bytes, Callable[[bytes], int]] = {
    b"size": lambda value: _decimal(value, 2**63 - 1),
    b"uid": lambda value: _decimal(value, 2**63 - 1),
    b"gid": lambda value: _decimal(value, 2**63 - 1),
    b"mtime": _time_ns,
}


class _Stream:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def header(self) -> bytes | None:
        block = self.data[self.at : self.at + BLOCK]
        if not block.strip(b"\0"):
            if self.data[self.at + BLOCK : self.at + 2 * BLOCK].strip(b"\0"):
                raise _refuse("more data behind a single zero block")
            return None
        if len(block) < BLOCK:
            raise _refuse("truncated inside a header")
        self.at += BLOCK
        return block

    def body(self, size: int) -> bytes:
        end = self.at + size
        if size < 0 or end > len(self.data):
            raise _refuse(f"a body of {size} bytes is not there")
        body = self.data[self.at : end]
        self.at = end + -size % BLOCK  # the stream may end within this padding
        return body

    def extension(self, size: int) -> bytes:
        if size > EXTENSION_LIMIT:
            raise _refuse(f"an extension header of {size} bytes")
        return self.body(size)


def _expand(extents: list[tuple[int, int]], body: bytes, size: int) -> bytes:
    if sum(length for _, length in extents) > len(body):
        raise _refuse("a sparse file has less data than its map")
    out = bytearray(size)
    taken = 0
    for offset, length in extents:
        if offset + length > size:
            raise _refuse("a sparse extent beyond the end of its file")
        out[offset : offset + length] = body[taken : taken + length]
        taken += length
    return bytes(out)


def _old_sparse(block: bytes, stream: _Stream) -> tuple[list[tuple[int, int]], int]:
    """The map in a GNU header of type S and in the extension blocks that follow it."""
    extents = []

    def take(area: bytes, count: int) -> None:
        for i in range(count):
            raw = area[24 * i : 24 * i + 24]
            if raw[0]:
                extents.append((_number(raw[:12]), _number(raw[12:])))

    take(block[386:482], 4)
    more = block[482]
    while more:
        extra = stream.body(BLOCK)
        take(extra, 21)
        more = extra[504]
    return extents, _number(block[483:495])


def _pax_sparse(
    pax: dict[bytes, bytes], records: list[tuple[bytes, bytes]], body: bytes
) -> bytes | None:
    """The expanded contents of a PAX sparse file; None if it is not one."""
    if pax.get(b"GNU.sparse.major") == b"1":
        lines = iter(body.split(b"\n"))
        count = int(next(lines))
        numbers = [int(next(lines)) for _ in range(2 * count)]
        used = sum(len(str(n)) + 1 for n in [count, *numbers])
        body = body[used + -used % BLOCK :]
    elif b"GNU.sparse.map" in pax:
        numbers = (
            [int(n) for n in pax[b"GNU.sparse.map"].split(b",")] if pax[b"GNU.sparse.map"] else []
        )
    elif b"GNU.sparse.size" in pax:
        keys = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
        numbers = [int(value) for key, value in records if key in keys]
    elif b"GNU.sparse.offset" in pax or b"GNU.sparse.numbytes" in pax:
        raise _refuse("a sparse map without a size")
    else:
        return None
    size = int(pax.get(b"GNU.sparse.realsize") or pax[b"GNU.sparse.size"])
    return _expand(list(zip(numbers[::2], numbers[1::2], strict=True)), body, size)


def _member(block: bytes, stream: _Stream, extension: dict[bytes, bytes],
            records: list[tuple[bytes, bytes]]) -> Member | None:  # fmt: skip
    typeflag = block[156:157]
    name = _text(block[:100])
    if block[257:265] in (b"ustar\x0000", b"ustar\x00\x00\x00") and block[345]:
        name = _text(block[345:500]) + b"/" + name
    size = (
        _decimal(extension[b"size"], 2**63 - 1) if b"size" in extension else _number(block[124:136])
    )
    if size < 0:
        raise _refuse(f"a size of {size} bytes")
    if typeflag == b"V":
        stream.body(size)
        return None
    if typeflag not in TYPES:
        raise Refusal("unsupported", f"entry {name!r} of unknown type {typeflag!r}")
    member = Member(path=extension.get(b"GNU.sparse.name", extension.get(b"path", name)),
                    type=TYPES[typeflag],
                    mode=_number(block[100:108]) & 0o7777,
                    link=extension.get(b"linkpath", _text(block[157:257])))  # fmt: skip
    for key, raw in ((b"uid", block[108:116]), (b"gid", block[116:124])):
        value = _decimal(extension[key], MAX_ID) if key in extension else _number(raw)
        if not 0 <= value <= MAX_ID:
            raise _refuse(f"{key!r} out of range: {value}")
        setattr(member, key.decode(), value)
    member.mtime_ns = (
        _time_ns(extension[b"mtime"])
        if b"mtime" in extension
        else (_number(block[136:148]) * 10**9)
    )
    prefix = b"SCHILY.xattr."
    member.xattrs = {k[len(prefix) :]: v for k, v in extension.items() if k.startswith(prefix)}
    if member.type in ("char", "block"):
        member.device = (_number(block[329:337]), _number(block[337:345]))
    if member.type == "file":
        if member.path.endswith(b"/"):
            member.type = "dir"
        extents, real = _old_sparse(block, stream) if typeflag == b"S" else ([], 0)
        body = stream.body(size)
        try:
            sparse = _pax_sparse(extension, records, body)
        except (KeyError, ValueError, StopIteration) as error:
            raise _refuse(f"sparse records that make no sense: {error!r}") from error
        if typeflag == b"S":
            sparse = _expand(extents, body, real)
        member.content = (body if sparse is None else sparse) if member.type == "file" else b""
    return member


def members(data: bytes) -> Iterator[Member]:
    """Yields the members of a tar; raises Refusal where the stream is damaged."""
    stream = _Stream(data)
    common: dict[bytes, bytes] = {}
    local: list[tuple[bytes, bytes]] = []
    long_names: dict[bytes, bytes] = {}
    while (block := stream.header()) is not None:
        _check_sum(block)
        typeflag = block[156:157]
        if typeflag in b"xgLK":
            body = stream.extension(_number(block[124:136]))
            if typeflag in b"LK":
                long_names[b"path" if typeflag == b"L" else b"linkpath"] = _text(body)
            elif typeflag == b"g":
                common.update(_records(body))
            else:
                local = _records(body)
            continue
        # PAX beats GNU's long names, which beat the header; an empty value deletes a record.
        extension = {**common, **long_names}
        for key, value in local:
            extension[key] = value
        extension = {key: value for key, value in extension.items() if value}
        member = _member(block, stream, extension, local)
        local, long_names = [], {}
        if member is not None:
            yield member
    if local or long_names:
        raise _refuse("the archive ends behind an extension header")
