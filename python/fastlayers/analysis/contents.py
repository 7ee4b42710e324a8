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
from fastlayers.host import host_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from fastlayers.analysis.files import Array
    from fastlayers.image import Image

# A file that is larger is mapped. To have one page of a small one mapped brings 16 of them.
_READ_BYTES = 1 << 17


class Contents:
    """A context in which the tars that are asked for are open, each once."""

    def __init__(self, image: Image, table: _core.Table) -> None:
        self._image, self._table = image, table
        self._stack = ExitStack()
        self._files: dict[tuple[int, int], int] = {}
        self._maps: dict[tuple[int, int], memoryview] = {}

    def __enter__(self) -> Contents:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.clear()
        self._maps.clear()
        self._stack.close()

    def of(self, row: int) -> memoryview:
        """The bytes of the regular file in a row of the table; to be released before the context
        ends. CorruptError if its layer has become shorter."""
        entry = Entry(self._table, row)
        return self._part(row, (entry.layer, entry.flags), entry.data_offset, entry.size)

    def each(self, indexes: Array) -> Iterator[tuple[int, memoryview]]:
        """The same of many rows, none of them empty, with their indexes, in a part of the time;
        each is released when the next is asked for."""
        rows = files(self._table)
        columns = (rows[name][indexes] for name in ("layer", "flags", "data_offset", "size"))
        listed = (column.tolist() for column in (indexes, *columns))
        for index, layer, flags, start, size in zip(*listed, strict=True):
            with self._part(index, (layer, flags), start, size) as data:
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
        for index in sample.tolist():
            entry = Entry(self._table, index)
            name = f"layer {self._table.layers[entry.layer]}"
            opened.append((self._file(index, (entry.layer, entry.flags)), name))
        search = _core.LineSearch(
            opened,
            which.astype(np.uint32),
            rows["data_offset"][indexes],
            rows["size"][indexes],
            sequences,
            most_hits,
        )
        while (lines := search.next()) is not None:
            yield from lines

    def _part(self, row: int, place: tuple[int, int], start: int, size: int) -> memoryview:
        if size > _READ_BYTES:
            data = self._map(row, place)[start : start + size]
        else:
            try:
                data = memoryview(os.pread(self._file(row, place), size, start))
            except OSError as error:
                raise host_error(
                    f"cannot read layer {self._table.layers[place[0]]}", error
                ) from None
        if len(data) != size:
            raise CorruptError(
                f"layer {self._table.layers[place[0]]} is shorter than its file table says"
            )
        return data

    def _map(self, row: int, place: tuple[int, int]) -> memoryview:
        """The file that the contents of a row lie in."""
        if place not in self._maps:
            mapped = mmap.mmap(self._file(row, place), 0, access=mmap.ACCESS_READ)
            self._stack.callback(mapped.close)
            self._maps[place] = self._stack.enter_context(memoryview(mapped))
        return self._maps[place]

    def _file(self, row: int, place: tuple[int, int]) -> int:
        if place not in self._files:
            descriptor = open_data(self._image, self._table, Entry(self._table, row))
            self._stack.callback(os.close, descriptor)
            self._files[place] = descriptor
        return self._files[place]
