# cython: language_level=3, boundscheck=False, wraparound=False
"""Loops over columns of a file table that numpy has no word for."""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    DIRECTORY = 1  # kinds and flags of cpp/table/FORMAT.md
    WHITEOUT = 6
    OPAQUE = 1


def directory_sizes(const int64_t[::1] parent, const int64_t[::1] size, const uint8_t[::1] kind):
    """Bytes below each entry: sums of `size` over parents, which come before their children.

    `parent` holds row numbers, -1 for none; only a directory takes up what its children
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
            if kind[above] == DIRECTORY:
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


cdef inline int compare(const uint8_t* a, uint32_t a_length, const uint8_t* b, uint32_t b_length) noexcept nogil:
    """Compares two paths in path order: as if "/" sorted before every other byte."""
    cdef uint32_t shorter = a_length if a_length < b_length else b_length
    cdef uint32_t at = 0
    while at < shorter and a[at] == b[at]:
        at += 1
    if at == shorter:
        return (a_length > b_length) - (a_length < b_length)
    if a[at] == 47:
        return -1
    if b[at] == 47:
        return 1
    return -1 if a[at] < b[at] else 1


def path_ids(
    const uint8_t[::1] heap,
    const uint64_t[:] offset,
    const uint32_t[:] length,
    const int64_t[::1] bounds,
):
    """Numbers for the paths of several tables in path order, equal where paths are equal.

    Table t has the rows from bounds[t] up to bounds[t + 1]; its paths are slices of `heap`, each
    once. Returns (ids, first): int64, the id of each row, ids ascend in path order; and int64, a
    row of each id. ValueError if a path leaves the heap.
    """
    cdef Py_ssize_t count = offset.shape[0]
    cdef Py_ssize_t row, at, left, right, middle, end, run
    cdef uint64_t heap_bytes = heap.shape[0]
    if length.shape[0] != count or bounds.shape[0] < 1 or bounds[bounds.shape[0] - 1] != count:
        raise ValueError("the columns differ in length")
    for row in range(count):
        if offset[row] > heap_bytes or length[row] > heap_bytes - offset[row]:
            raise ValueError(f"the path of row {row} lies outside the heap")
    order_array = np.arange(count, dtype=np.int64)
    spare_array = np.empty(count, dtype=np.int64)
    ids_array = np.empty(count, dtype=np.int64)
    first_array = np.empty(count, dtype=np.int64)
    edges = np.array(bounds, dtype=np.int64)
    cdef int64_t[::1] order = order_array, spare = spare_array
    cdef int64_t[::1] ids = ids_array, first = first_array, edge = edges
    cdef Py_ssize_t edge_count = edge.shape[0]
    cdef const uint8_t* text = &heap[0] if heap_bytes else NULL
    cdef int64_t found = -1
    with nogil:
        while edge_count > 2:  # neighbouring runs are merged until one is left
            run = 0
            for at in range(0, edge_count - 1, 2):
                left = edge[at]
                middle = edge[at + 1]
                end = edge[at + 2] if at + 2 < edge_count else middle
                right = middle
                for row in range(left, end):
                    if left < middle and (
                        right >= end
                        or compare(
                            text + offset[order[left]], length[order[left]],
                            text + offset[order[right]], length[order[right]],
                        ) <= 0
                    ):
                        spare[row] = order[left]
                        left += 1
                    else:
                        spare[row] = order[right]
                        right += 1
                edge[run] = edge[at]
                run += 1
            edge[run] = count
            edge_count = run + 1
            order, spare = spare, order
        for at in range(count):
            row = order[at]
            if at == 0 or compare(
                text + offset[order[at - 1]], length[order[at - 1]], text + offset[row], length[row]
            ):
                found += 1
                first[found] = row
            ids[row] = found
    return ids_array, first_array[: found + 1]


def joined_texts(
    const uint8_t[::1] heap,
    const uint64_t[:] offset,
    const uint32_t[:] length,
    const uint8_t[::1] prefix=b"",
):
    """Slices of `heap`, the prefix before each and a zero byte behind: uint8, all in one.
    ValueError if one leaves it."""
    cdef Py_ssize_t count = offset.shape[0]
    cdef uint64_t heap_bytes = heap.shape[0]
    cdef size_t prefix_bytes = prefix.shape[0]
    cdef const uint8_t* start = &prefix[0] if prefix_bytes else NULL
    cdef uint64_t total = count * (1 + prefix_bytes)
    cdef uint64_t at = 0
    cdef Py_ssize_t row
    if length.shape[0] != count:
        raise ValueError("the columns differ in length")
    for row in range(count):
        if offset[row] > heap_bytes or length[row] > heap_bytes - offset[row]:
            raise ValueError(f"the text of row {row} lies outside the heap")
        total += length[row]
    joined_array = np.empty(total, dtype=np.uint8)
    cdef uint8_t[::1] joined = joined_array
    with nogil:
        for row in range(count):
            if prefix_bytes:
                memcpy(&joined[at], start, prefix_bytes)
                at += prefix_bytes
            if length[row]:
                memcpy(&joined[at], &heap[offset[row]], length[row])
                at += length[row]
            joined[at] = 0
            at += 1
    return joined_array


def subtree_ends(
    const uint8_t[::1] heap, const uint64_t[:] offset, const uint32_t[:] length
):
    """One past the last row under each path; the paths are in path order, each once.

    Returns int64, shape as `offset`. The paths must lie in the heap (path_ids checks it).
    """
    cdef Py_ssize_t count = offset.shape[0]
    ends_array = np.empty(count, dtype=np.int64)
    open_array = np.empty(count, dtype=np.int64)
    cdef int64_t[::1] ends = ends_array, opened = open_array
    cdef Py_ssize_t depth = 0
    cdef Py_ssize_t row
    with nogil:
        for row in range(count):
            while depth > 0 and not is_under(heap, offset, length, row, opened[depth - 1]):
                depth -= 1
                ends[opened[depth]] = row
            opened[depth] = row
            depth += 1
        while depth > 0:
            depth -= 1
            ends[opened[depth]] = count
    return ends_array


cdef inline bint is_under(
    const uint8_t[::1] heap,
    const uint64_t[:] offset,
    const uint32_t[:] length,
    Py_ssize_t row,
    Py_ssize_t above,
) noexcept nogil:
    cdef uint32_t size = length[above]
    cdef uint32_t at
    if size == 0:
        return True
    if length[row] <= size or heap[offset[row] + size] != 47:
        return False
    for at in range(size):
        if heap[offset[row] + at] != heap[offset[above] + at]:
            return False
    return True


def replay(
    const int64_t[::1] ids,
    const int64_t[::1] ends,
    const uint8_t[:] kind,
    const uint8_t[:] flags,
    const uint32_t[:] layer,
    const int64_t[::1] bounds,
):
    """What each layer does to each path, when layers resolved against those below are laid over
    one another, base first.

    Layer n has the rows from bounds[n] up to bounds[n + 1], in path order; ids and ends are those
    of path_ids and subtree_ends. Returns (events, live): int64, shape (events, 4): layer, row that
    did it, row that the path has after the layer (-1: it is gone), row it had before (-1: it was
    not there); and int64, the row that each id has in the end, -1 for none. A directory that a
    layer names only as the way to others makes no event.
    """
    cdef Py_ssize_t count = ids.shape[0]
    cdef Py_ssize_t paths = ends.shape[0]
    if kind.shape[0] != count or flags.shape[0] != count or layer.shape[0] != count:
        raise ValueError("the columns differ in length")
    # Whatever ends has begun with a row of its own.
    events_array = np.empty((2 * count, 4), dtype=np.int64)
    live_array = np.full(paths, -1, dtype=np.int64)
    ended_array = np.full(paths, -1, dtype=np.int64)
    cdef int64_t[:, ::1] events = events_array
    cdef int64_t[::1] live = live_array
    cdef int64_t[::1] ended = ended_array  # the event that ended the path last
    cdef Py_ssize_t found = 0
    cdef Py_ssize_t number, row, path, at, start, event
    cdef bint is_directory
    with nogil:
        for number in range(bounds.shape[0] - 1):
            for row in range(bounds[number], bounds[number + 1]):
                path = ids[row]
                is_directory = kind[row] == DIRECTORY
                start = path if kind[row] == WHITEOUT else path + 1
                if kind[row] == WHITEOUT or flags[row] & OPAQUE or (
                    live[path] >= 0 and kind[live[path]] == DIRECTORY and not is_directory
                ):
                    for at in range(start, ends[path]):
                        if live[at] >= 0:
                            events[found, 0] = number
                            events[found, 1] = row
                            events[found, 2] = -1
                            events[found, 3] = live[at]
                            ended[at] = found
                            live[at] = -1
                            found += 1
                if kind[row] == WHITEOUT:
                    continue
                event = ended[path]
                if event >= 0 and events[event, 0] == number and events[event, 2] < 0:
                    events[event, 1] = row
                    events[event, 2] = row
                elif live[path] < 0 or not is_directory or layer[row] == number:
                    events[found, 0] = number
                    events[found, 1] = row
                    events[found, 2] = row
                    events[found, 3] = live[path]
                    found += 1
                live[path] = row
    return events_array[:found], live_array
