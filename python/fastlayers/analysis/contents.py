"""The contents of many files of one image, where they lie in its layers' tars."""

from __future__ import annotations

import mmap
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from fastlayers.errors import CorruptError
from fastlayers.file_reader import Entry, open_data

if TYPE_CHECKING:
    from types import TracebackType

    from fastlayers import _core
    from fastlayers.image import Image


class Contents:
    """A context in which the tars that are asked for are mapped, each once."""

    def __init__(self, image: Image, table: _core.Table) -> None:
        self._image, self._table = image, table
        self._stack = ExitStack()
        self._maps: dict[tuple[int, int], memoryview] = {}

    def __enter__(self) -> Contents:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._maps.clear()
        self._stack.close()

    def of(self, row: int) -> memoryview:
        """The bytes of the regular file in a row of the table; to be released before the context
        ends. CorruptError if its layer has become shorter."""
        entry = Entry(self._table, row)
        if not entry.size:
            return memoryview(b"")
        place = (entry.layer, entry.flags)
        if place not in self._maps:
            descriptor = open_data(self._image, self._table, entry)
            try:
                mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            finally:
                os.close(descriptor)
            self._stack.callback(mapped.close)
            self._maps[place] = self._stack.enter_context(memoryview(mapped))
        data = self._maps[place][entry.data_offset : entry.data_offset + entry.size]
        if len(data) != entry.size:
            layer = self._table.layers[entry.layer]
            raise CorruptError(f"layer {layer} is shorter than its file table says")
        return data
