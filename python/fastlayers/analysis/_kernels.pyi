"""Loops over columns of a file table that numpy has no word for (Cython)."""

from typing import Any

import numpy as np

_Array = np.ndarray[Any, Any]

def directory_sizes(parent: _Array, size: _Array, kind: _Array) -> _Array: ...
def runs(high: _Array, low: _Array, size: _Array) -> _Array: ...
def path_ids(
    heap: _Array, offset: _Array, length: _Array, bounds: _Array
) -> tuple[_Array, _Array]: ...
def joined_texts(heap: _Array, offset: _Array, length: _Array, prefix: bytes = b"") -> _Array: ...
def subtree_ends(heap: _Array, offset: _Array, length: _Array) -> _Array: ...
def replay(
    ids: _Array,
    ends: _Array,
    kind: _Array,
    flags: _Array,
    layer: _Array,
    bounds: _Array,
) -> tuple[_Array, _Array]: ...
