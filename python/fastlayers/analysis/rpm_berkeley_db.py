"""rpm's database as rpm kept it until 4.16: Packages, a hash of Berkeley DB (its db_page.h).

A hash is a list of buckets, each a chain of pages with keys and values; what is long lies in a
chain of pages of its own. The numbers are in the byte order of the machine that wrote it. Every
page is taken once: so all chains end, and what is found cannot be larger than the file.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGICS = (b"\x61\x15\x06\x00", b"\x00\x06\x15\x61")  # from byte 12: little-endian, big-endian
# After the magic: version, size of a page, encryption, type, flags.
_META, _META_OFFSET = "IIBBB", 16
_MAX_BUCKET_OFFSET, _SPARES, _SPARES_OFFSET, _META_SIZE = 72, "32I", 96, 512
_PAGE = "8xI4xIHHxB"  # number, next, entries, bytes (of an overflow page), type
_PAGE_SIZE = 26
_UNSORTED, _OVERFLOW, _HASH_META, _SORTED = 2, 7, 8, 13  # types of pages
_ON_PAGE, _OFF_PAGE = 1, 3  # types of items
_COUNTER = bytes(4)  # the key whose value is the number of the last package


def headers(data: bytes | memoryview) -> Iterator[bytes]:
    """Those of a Packages. ValueError if it is none, or breaks a bound."""
    items = _Hash(data).items()
    is_counted = False
    for key, value in zip(items, items, strict=True):
        if key == _COUNTER and not is_counted:
            is_counted = True
        else:
            yield value


class _Hash:
    """A hash in bytes that are all there."""

    def __init__(self, data: bytes | memoryview) -> None:
        if len(data) < _META_SIZE:
            raise ValueError("it is cut off")
        self._data = data
        self._order = "<" if data[12:16] == MAGICS[0] else ">"
        version, self._size, encryption, kind, flags = self._unpack(_META, _META_OFFSET)
        if kind != _HASH_META or version not in (8, 9, 10):
            raise ValueError("it is no hash of Berkeley DB of version 8, 9 or 10")
        if encryption or flags:
            raise ValueError("it is encrypted, has checksums or is in parts, as rpm makes none")
        if self._size not in (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536):
            raise ValueError(f"its pages have {self._size} bytes")
        (self._max_bucket,) = self._unpack("I", _MAX_BUCKET_OFFSET)
        self._spares = self._unpack(_SPARES, _SPARES_OFFSET)
        self._page_head = struct.Struct(self._order + _PAGE)
        self._place = struct.Struct(self._order + "4xII")  # of an item: page, length
        self._is_taken = bytearray(len(data) // self._size)
        if self._max_bucket >= len(self._is_taken):
            raise ValueError("it is cut off")
        self._is_taken[0] = True

    def _unpack(self, form: str, offset: int) -> tuple[int, ...]:
        return struct.unpack_from(self._order + form, self._data, offset)

    def items(self) -> Iterator[bytes]:
        """A key, its value, the next key, ..."""
        for bucket in range(self._max_bucket + 1):
            # Where a bucket's first page is: each doubling of the table has pages of its own.
            page = bucket + self._spares[bucket.bit_length()]
            while page:
                start, page, entries, _, kind = self._take(page)
                if kind not in (_UNSORTED, _SORTED):
                    raise ValueError("a page of it is none of a hash")
                yield from self._items_of(start, entries)

    def _take(self, page: int) -> tuple[int, int, int, int, int]:
        """Where a page starts, the next one, and the rest of its head."""
        if page >= len(self._is_taken) or self._is_taken[page]:
            raise ValueError("its pages lead out of it or in circles")
        self._is_taken[page] = True
        start = page * self._size
        head = self._page_head.unpack_from(self._data, start)
        if not any(head):  # of a bucket that nothing was put in
            return start, 0, 0, 0, _SORTED
        number, following, entries, used, kind = head
        if number != page:
            raise ValueError("a page of it has the number of another")
        return start, following, entries, used, kind

    def _items_of(self, start: int, entries: int) -> Iterator[bytes]:
        """Those of a page: the first lies at its end, each after it before the last."""
        floor = start + _PAGE_SIZE + 2 * entries
        if entries % 2 or floor > start + self._size:
            raise ValueError("a page of it has too many entries, or a key without a value")
        offsets = self._unpack(f"{entries}H", start + _PAGE_SIZE)
        for end, begin in pairwise((self._size, *offsets)):
            if not floor <= start + begin < start + end:
                raise ValueError("an entry lies outside of its page")
            yield self._item(start + begin, start + end)

    def _item(self, begin: int, end: int) -> bytes:
        kind = self._data[begin]
        if kind == _ON_PAGE:
            return bytes(self._data[begin + 1 : end])
        if kind != _OFF_PAGE or end - begin != self._place.size:
            raise ValueError("an entry is of no kind that rpm writes")
        page, length = self._place.unpack_from(self._data, begin)
        parts = []
        while page:
            start, page, _, used, kind = self._take(page)
            if kind != _OVERFLOW or used > self._size - _PAGE_SIZE:
                raise ValueError("a page of it holds no part of a long value")
            parts.append(self._data[start + _PAGE_SIZE : start + _PAGE_SIZE + used])
        value = b"".join(parts)
        if len(value) != length:
            raise ValueError("a long value is not as long as it says")
        return value
