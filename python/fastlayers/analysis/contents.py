"""The contents of many files of one image, where they lie in its layers' tars."""

from __future__ import annotations

import mmap
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from fastlayers import _core
from fastlayers.analysis.files import files
from fastlayers.errors import CorruptError
from fastlayers.file_reader import Entry, open_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from fastlayers.analysis.files import Array
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
        mapped = self._map(row, (entry.layer, entry.flags))
        return self._part(mapped, entry.layer, entry.data_offset, entry.size)

    def each(self, indexes: Array) -> Iterator[tuple[int, memoryview]]:
        """The same of many rows, none of them empty, with their indexes, in a part of the time;
        each is released when the next is asked for."""
        rows = files(self._table)
        columns = (rows[name][indexes] for name in ("layer", "flags", "data_offset", "size"))
        listed = (column.tolist() for column in (indexes, *columns))
        for index, layer, flags, start, size in zip(*listed, strict=True):
            mapped = self._maps.get((layer, flags)) or self._map(index, (layer, flags))
            with self._part(mapped, layer, start, size) as data:
                yield index, data

    def lines_with(
        self, indexes: Array, sequences: Sequence[Sequence[bytes]], most_hits: int
    ) -> Iterator[tuple[int, int, int, int, bytes | None, list[int] | None]]:
        """The lines of such rows that hold one of the sequences, as _core.LineSearch tells them:
        first comes which of the rows it is."""
        rows = files(self._table)
        keys = rows["layer"][indexes].astype(np.int64) << 8 | rows["flags"][indexes]
        is_there = np.zeros(keys.max(initial=0) + 1, dtype=bool)
        is_there[keys] = True
        which = (np.cumsum(is_there) - 1)[keys]
        sample = np.empty(np.count_nonzero(is_there), dtype=np.int64)
        sample[which] = indexes
        opened = []
        try:
            for index in sample.tolist():
                entry = Entry(self._table, index)
                name = f"layer {self._table.layers[entry.layer]}"
                opened.append((open_data(self._image, self._table, entry), name))
            search = _core.LineSearch(
                opened,
                which.astype(np.uint32),
                rows["data_offset"][indexes],
                rows["size"][indexes],
                sequences,
                most_hits,
            )
        finally:
            for descriptor, _ in opened:
                os.close(descriptor)
        while (lines := search.next()) is not None:
            yield from lines

    def _map(self, row: int, place: tuple[int, int]) -> memoryview:
        """The file that the contents of a row lie in."""
        if place not in self._maps:
            descriptor = open_data(self._image, self._table, Entry(self._table, row))
            try:
                mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            finally:
                os.close(descriptor)
            self._stack.callback(mapped.close)
            self._maps[place] = self._stack.enter_context(memoryview(mapped))
        return self._maps[place]

    def _part(self, mapped: memoryview, layer: int, start: int, size: int) -> memoryview:
        data = mapped[start : start + size]
        if len(data) != size:
            raise self._too_short(layer)
        return data

    def _too_short(self, layer: int) -> CorruptError:
        return CorruptError(
            f"layer {self._table.layers[layer]} is shorter than its file table says"
        )
