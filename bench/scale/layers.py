"""Layers of any size for the curves, made as fast as they can be written."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

from ..layout import LAYER, complete_layout, put_blob

PIECE_BYTES = 8 << 20
FILES_PER_FOLDER = 1000
_TIME = 1_700_000_000


def _member(name: str, kind: bytes, size: int = 0, mode: int = 0o755) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.mode, member.mtime = kind, size, mode, _TIME
    return member


def box() -> bytes:
    """The members of a busybox root, without the end of an archive: more may follow."""
    program = shutil.which("busybox")
    if program is None:
        raise SystemExit("bench: install busybox-static (apt-get install busybox-static)")
    content = Path(os.path.realpath(program)).read_bytes()
    result = bytearray()
    for folder in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        result += _member(folder, tarfile.DIRTYPE).tobuf()
    result += _member("bin/busybox", tarfile.REGTYPE, len(content)).tobuf()
    result += content + bytes(-len(content) % tarfile.BLOCKSIZE)
    for applet in ("sh", "true", "find", "wc", "ls", "sleep", "stat", "touch"):
        link = _member(f"bin/{applet}", tarfile.SYMTYPE)
        link.linkname = "busybox"
        result += link.tobuf()
    for name in ("hosts", "hostname", "resolv.conf"):
        result += _member(f"etc/{name}", tarfile.REGTYPE).tobuf()
    return bytes(result)


END = bytes(2 * tarfile.BLOCKSIZE)


def _write_gzip(path: Path, pieces: Iterator[bytes]) -> None:
    """One gzip member for each piece."""
    with path.open("wb") as out:
        for piece in pieces:
            out.write(gzip.compress(piece, 1, mtime=0))


def write_big_file(path: Path, size: int) -> None:
    """A layer with one file, /big, of `size` bytes (a multiple of PIECE_BYTES)."""
    noise = random.Random(7).randbytes(PIECE_BYTES // 2).hex().encode()  # deflates to a half
    piece = gzip.compress(noise, 1, mtime=0)
    with path.open("wb") as out:
        head = box() + _member("big", tarfile.REGTYPE, size, 0o644).tobuf()
        out.write(gzip.compress(head, 1, mtime=0))
        for _ in range(size // PIECE_BYTES):
            out.write(piece)
        out.write(gzip.compress(END, 1, mtime=0))


def write_empty_files(path: Path, count: int) -> None:
    """A layer with `count` empty files below /files, a thousand in each folder."""

    def pieces() -> Iterator[bytes]:
        yield box() + _member("files", tarfile.DIRTYPE).tobuf()
        plain = bytearray(_member("files/00000/file-000", tarfile.REGTYPE, 0, 0o644).tobuf())
        blank_sum = sum(plain) - sum(plain[148:156]) + 8 * ord(" ")
        zeros = sum(b"00000") + sum(b"000")
        for start in range(0, count, FILES_PER_FOLDER):
            folder = b"%05d" % (start // FILES_PER_FOLDER)
            piece = bytearray(_member(f"files/{folder.decode()}", tarfile.DIRTYPE).tobuf())
            for number in range(min(FILES_PER_FOLDER, count - start)):
                name = b"%03d" % number
                plain[6:11], plain[17:20] = folder, name
                plain[148:154] = b"%06o" % (blank_sum - zeros + sum(folder) + sum(name))
                piece += plain
            yield bytes(piece)
        yield END

    _write_gzip(path, pieces())


def write_layers(folder: Path, count: int) -> None:
    """An OCI layout of `count` layers, base first: the n-th adds /layers/n."""
    layers = []
    for number in range(count):
        start = box() if number == 0 else b""
        added = _member("layers", tarfile.DIRTYPE).tobuf()
        added += _member(f"layers/{number}", tarfile.REGTYPE, 0, 0o644).tobuf()
        layers.append(put_blob(folder, LAYER, start + added + END))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    complete_layout(folder, json.dumps(config).encode(), layers, "scale")
