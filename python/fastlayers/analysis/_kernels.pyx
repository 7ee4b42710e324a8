# cython: language_level=3, boundscheck=False, wraparound=False
"""Loops over columns of a file table that numpy has no word for."""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint64_t


def directory_sizes(const int64_t[::1] parent, const int64_t[::1] size, const uint8_t[::1] kind):
    """Bytes below each entry: sums of `size` over parents, which come before their children.

    `parent` holds row numbers, -1 for none; only a directory (kind 1) takes up what its children
    have. Returns int64, shape as `parent`. ValueError if a parent does not come before its child.
    """
    cdef Py_ssize_t count = parent.shape[0]
    if size.shape[0] != count or kind.shape[0] != count:
        raise ValueError("parent, size and kind differ in length")
    sums = np.array(size, dtype=np.int64)
    cdef int64_t[::1] total = sums
    cdef Py_ssize_t row
    cdef int64_t above
    cdef Py_ssize_t wrong = -1
    with nogil:
        for row in range(count - 1, -1, -1):
            above = parent[row]
            if above < 0:
                continue
            if above >= row:
                wrong = row
                break
            if kind[above] == 1:
                total[above] += total[row]
    if wrong >= 0:
        raise ValueError(f"the parent of row {wrong} does not come before it")
    return sums


def runs(const uint64_t[::1] high, const uint64_t[::1] low, const int64_t[::1] size):
    """Runs of two or more equal neighbours in three columns that are sorted together.

    Returns int64, shape (runs, 2): where each begins and where it ends (exclusive).
    """
    cdef Py_ssize_t count = high.shape[0]
    if low.shape[0] != count or size.shape[0] != count:
        raise ValueError("the columns differ in length")
    bounds = np.empty((count // 2, 2), dtype=np.int64)
    cdef int64_t[:, ::1] bound = bounds
    cdef Py_ssize_t found = 0
    cdef Py_ssize_t start = 0
    cdef Py_ssize_t row
    with nogil:
        for row in range(1, count + 1):
            if (
                row < count
                and high[row] == high[start]
                and low[row] == low[start]
                and size[row] == size[start]
            ):
                continue
            if row - start > 1:
                bound[found, 0] = start
                bound[found, 1] = row
                found += 1
            start = row
    return bounds[:found]
