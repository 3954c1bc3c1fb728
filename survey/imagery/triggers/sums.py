"""Sums, ranks and spreads of a few numbers, for compiled loops.

Sums are taken in the order in which NumPy takes them, so that a loop that is compiled gives the digits that
it gave before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel

F32 = NDArray[np.float32]


@kernel
def _up_to_128(values: F32, start: int, n: int) -> np.float32:
    total = np.float32(0.0)
    if n < 8:
        for i in range(n):
            total += values[start + i]
        return total
    r0, r1, r2, r3 = values[start], values[start + 1], values[start + 2], values[start + 3]
    r4, r5, r6, r7 = values[start + 4], values[start + 5], values[start + 6], values[start + 7]
    whole = n - n % 8
    for i in range(start + 8, start + whole, 8):
        r0 += values[i]
        r1 += values[i + 1]
        r2 += values[i + 2]
        r3 += values[i + 3]
        r4 += values[i + 4]
        r5 += values[i + 5]
        r6 += values[i + 6]
        r7 += values[i + 7]
    total = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
    for i in range(start + whole, start + n):
        total += values[i]
    return total


@kernel
def summed(values: F32, n: int) -> np.float32:
    """Sum of the first ``n``, by halves (Higham 1993) as ``np.add.reduce`` forms it."""
    if n <= 128:
        return _up_to_128(values, 0, n)
    # What is still to be added up: (start, length), and −1 where the two sums before are to be joined.
    starts, sizes = np.empty(128, np.int64), np.empty(128, np.int64)
    sums = np.empty(128, np.float32)
    starts[0], sizes[0] = 0, n
    waiting, ready = 1, 0
    while waiting:
        waiting -= 1
        start, size = starts[waiting], sizes[waiting]
        if size < 0:
            ready -= 1
            sums[ready - 1] += sums[ready]
        elif size <= 128:
            sums[ready] = _up_to_128(values, start, size)
            ready += 1
        else:
            half = size // 2
            half -= half % 8
            sizes[waiting] = -1
            starts[waiting + 1], sizes[waiting + 1] = start + half, size - half
            starts[waiting + 2], sizes[waiting + 2] = start, half
            waiting += 3
    return sums[0]


@kernel
def mean_of(values: F32, n: int) -> np.float32:
    return summed(values, n) / np.float32(n)


@kernel
def spread_of(values: F32, n: int) -> np.float32:
    """Standard deviation of the first ``n``; they are overwritten."""
    mean = mean_of(values, n)
    for i in range(n):
        away = values[i] - mean
        values[i] = away * away
    return np.sqrt(mean_of(values, n))


@kernel
def size_of(values: F32, n: int) -> np.float32:
    """Root mean square of the first ``n``; they are overwritten."""
    for i in range(n):
        values[i] *= values[i]
    return np.sqrt(mean_of(values, n))


@kernel
def ranked(values: NDArray[np.generic], n: int, k: int) -> float:
    """The ``k``-th smallest (from 0) of the first ``n`` values. They are reordered: none before ``k`` is
    larger than it (Hoare 1961)."""
    low, high = 0, n - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return values[k]


@kernel
def middle_of(values: NDArray[np.floating], n: int) -> float:
    """Median of the first ``n``; they are reordered."""
    low = (n - 1) // 2
    a = ranked(values, n, low)
    b = a
    if n % 2 == 0:
        # None behind the rank is smaller than it: the next one is the least of those.
        b = values[low + 1]
        for i in range(low + 2, n):
            b = min(b, values[i])
    return (a + b) / 2
