"""The contents of many files of one image, where they lie in its layers' tars."""

from __future__ import annotations

import mmap
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from fastlayers.errors import CorruptError
from fastlayers.file_reader import Entry, open_data
from fastlayers.host import host_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from fastlayers import _core
    from fastlayers.analysis.files import Array, Files
    from fastlayers.image import Image

_WINDOW_BYTES = 1 << 18  # of a file, that are read at once
_MOST_LINES = 1 << 20  # of a file, of which a list is kept


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

    def each(self, rows: Files, indexes: Sequence[int]) -> Iterator[memoryview]:
        """The same of many rows, which have these indexes in the table and are none of them empty,
        in a part of the time; each is released when the next is asked for."""
        columns = (rows[name].tolist() for name in ("layer", "flags", "data_offset", "size"))
        for index, layer, flags, start, size in zip(indexes, *columns, strict=True):
            mapped = self._maps.get((layer, flags)) or self._map(index, (layer, flags))
            with self._part(mapped, layer, start, size) as data:
                yield data

    def lines_with(
        self, rows: Files, indexes: Array, texts: Sequence[bytes], ignore_case: bool
    ) -> Array:
        """The lines of such rows that hold one of the texts: int64, shape (lines, 3), in order,
        each once: which of the rows, and where in it the line begins and ends (without its
        newline). Of a row with very many there is one for each such text, which begins at -1."""
        layers, flags = rows["layer"], rows["flags"]
        found = []
        for layer, flag in sorted(set(zip(layers.tolist(), flags.tolist(), strict=True))):
            mine = np.flatnonzero((layers == layer) & (flags == flag))
            start, size = rows["data_offset"][mine], rows["size"][mine]
            for lines in self._lines_in(start, size, indexes[mine], texts, ignore_case):
                lines[:, 0] = mine[lines[:, 0]]
                found.append(lines)
        if len(found) == 1:
            return found[0]
        every = np.concatenate(found)
        every = every[np.lexsort((every[:, 1], every[:, 0]))]
        is_new = np.ones(len(every), dtype=bool)
        is_new[1:] = (every[1:, :2] != every[:-1, :2]).any(axis=1)
        lines_once: Array = every[is_new]
        return lines_once

    def _lines_in(
        self, start: Array, size: Array, indexes: Array, texts: Sequence[bytes], ignore_case: bool
    ) -> list[Array]:
        """The same of rows whose contents are in one file, for each text. It is read, not mapped:
        to have pages of it mapped takes longer than to look through them."""
        from fastlayers.analysis import _kernels

        last = Entry(self._table, int(indexes[np.argmax(start + size)]))
        descriptor = open_data(self._image, self._table, last)
        diff_id = self._table.layers[last.layer]
        bounds = _MOST_LINES, _WINDOW_BYTES
        try:
            return [
                _kernels.lines_with(descriptor, start, size, text, ignore_case, *bounds)
                for text in texts
            ]
        except ValueError:
            raise self._too_short(last.layer) from None
        except OSError as error:
            raise host_error(f"cannot read layer {diff_id}", error) from None
        finally:
            os.close(descriptor)

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
