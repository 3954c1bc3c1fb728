"""The compiled half of ``coverage``: integer arithmetic on edges. See there for what is promised.

Coordinates are in 1/65536 cells and below 2⁴⁴ in size, so every product here stays within 64 bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel

SHIFT = 16
ONE = 1 << SHIFT
_MASK = ONE - 1
_FULL_AREA = 1 << (2 * SHIFT + 1)  # twice the square of a cell's side: areas are kept doubled
_WEIGHT_SHIFT = 2 * SHIFT + 1 - 12
_HALF = 1 << (_WEIGHT_SHIFT - 1)
_REST = (1 << _WEIGHT_SHIFT) - 1

I64 = NDArray[np.int64]


@kernel
def _round(area):  # type: ignore[no-untyped-def]
    """Area in 2⁻³³ cells to 1/4096, halves to even, so that round(x) + round(1 − x) = 1."""
    if area <= 0:
        return 0
    if area >= _FULL_AREA:
        return 4096
    weight = area >> _WEIGHT_SHIFT
    rest = area & _REST
    if rest > _HALF or (rest == _HALF and weight & 1):
        weight += 1
    return weight


@kernel
def _col_at(c0, r0, c1, r1, row):  # type: ignore[no-untyped-def]
    """Where an edge crosses a row line. It depends on nothing but the edge and the line.

    The quotient needs more than 64 bits, so it is taken in floating point, each step of which is rounded
    the same way on every machine; it is monotonic in ``row``, and off by far less than one unit.
    """
    if row <= r0:
        return c0
    if row >= r1:
        return c1
    return c0 + np.int64(np.rint(np.float64(row - r0) / np.float64(r1 - r0) * np.float64(c1 - c0)))


@kernel
def _drop_at(left, right, height, col):  # type: ignore[no-untyped-def]
    """How far a stretch within one row has dropped at a column line: ``height`` · fraction, rounded."""
    if col <= left:
        return 0
    if col >= right:
        return height
    span = right - left
    return (2 * (col - left) * height + span) // (2 * span)


@kernel
def passing_edges(col0, row0, col1, row1, sign, r0, r1, c0, c1):  # type: ignore[no-untyped-def]
    """Edges that pass through the cells of a piece, and what edges to its left bring into each row.

    Returns
    -------
    indices of the passing edges; the height (rows,) in 1/65536 cells that each row begins with; and whether
    that height is the same in all rows.
    """
    top, bottom, left, right = r0 << SHIFT, r1 << SHIFT, c0 << SHIFT, c1 << SHIFT
    found = np.empty(len(sign), np.int64)
    n = 0
    change = np.zeros(r1 - r0 + 1, np.int64)
    for k in range(len(sign)):
        if row0[k] >= bottom or row1[k] <= top or min(col0[k], col1[k]) >= right:
            continue
        a = _col_at(col0[k], row0[k], col1[k], row1[k], top)
        b = _col_at(col0[k], row0[k], col1[k], row1[k], bottom)
        if a >= right and b >= right:
            continue
        if a > left or b > left:
            found[n] = k
            n += 1
            continue
        # Wholly to the left. Whole rows are added as one stretch: a long edge costs no more than a short one.
        ya, yb = max(row0[k], top), min(row1[k], bottom)
        i, j = (ya >> SHIFT) - r0, ((yb - 1) >> SHIFT) - r0
        if i == j:
            change[i] += sign[k] * (yb - ya)
            change[i + 1] -= sign[k] * (yb - ya)
        else:
            begin, end = ((i + r0 + 1) << SHIFT) - ya, yb - ((j + r0) << SHIFT)
            change[i] += sign[k] * begin
            change[i + 1] += sign[k] * (ONE - begin)
            change[j] += sign[k] * (end - ONE)
            change[j + 1] -= sign[k] * end
    heights = np.cumsum(change[:-1])
    level = True
    for i in range(1, len(heights)):
        if heights[i] != heights[0]:
            level = False
            break
    return found[:n], heights, level


@kernel
def _by_row(row0, row1, passing, r0, rows):  # type: ignore[no-untyped-def]
    """Which passing edges each row meets: starts (rows + 1) into a list of edges."""
    starts = np.zeros(rows + 2, np.int64)
    for k in passing:
        for row in range(max(row0[k] >> SHIFT, r0), min((row1[k] - 1) >> SHIFT, r0 + rows - 1) + 1):
            starts[row - r0 + 2] += 1
    for i in range(2, rows + 2):
        starts[i] += starts[i - 1]
    listed = np.empty(starts[rows + 1], np.int64)
    for k in passing:
        for row in range(max(row0[k] >> SHIFT, r0), min((row1[k] - 1) >> SHIFT, r0 + rows - 1) + 1):
            listed[starts[row - r0 + 1]] = k
            starts[row - r0 + 1] += 1
    return starts[: rows + 1], listed


@kernel
def _row_sums(col0, row0, col1, row1, sign, edges, row, c0, sums):  # type: ignore[no-untyped-def]
    """Add one row's edges to ``sums`` (cols + 1): differences, along the row, of covered area.

    Returns the first and one past the last column touched beyond the constant start.
    """
    cols = len(sums) - 1
    top, bottom, left = row << SHIFT, (row + 1) << SHIFT, c0 << SHIFT
    first, last = cols, 0
    for k in edges:
        ya, yb = max(row0[k], top), min(row1[k], bottom)
        xa = _col_at(col0[k], row0[k], col1[k], row1[k], ya)
        xb = _col_at(col0[k], row0[k], col1[k], row1[k], yb)
        height = yb - ya
        lo, hi = min(xa, xb), max(xa, xb)
        s = sign[k]
        if hi <= left:
            sums[0] += s * height << (SHIFT + 1)
            continue
        begin = lo >> SHIFT
        end = (hi - 1) >> SHIFT if hi > lo else begin
        if begin >= c0 + cols:
            continue
        if begin < c0:
            dropped = _drop_at(lo, hi, height, left)
            sums[0] += s * dropped << (SHIFT + 1)
            begin = c0
        else:
            dropped = 0
        end = min(end, c0 + cols - 1)
        for col in range(begin, end + 1):
            x0 = max(lo, col << SHIFT)
            x1 = min(hi, (col + 1) << SHIFT)
            upto = _drop_at(lo, hi, height, x1) if hi > lo else height
            d = s * (upto - dropped)
            dropped = upto
            inside = (x0 - (col << SHIFT)) + (x1 - (col << SHIFT))
            sums[col - c0] += d * (2 * ONE - inside)
            sums[col - c0 + 1] += d * inside
        first = min(first, begin - c0)
        last = max(last, min(end - c0 + 2, cols))
    return first, last


@kernel
def cover(col0, row0, col1, row1, sign, passing, heights, r0, c0, out):  # type: ignore[no-untyped-def]
    """Weights in 1/4096 of the cells of a piece whose first cell is (r0, c0)."""
    rows, cols = out.shape
    starts, listed = _by_row(row0, row1, passing, r0, rows)
    sums = np.zeros(cols + 1, np.int64)
    for i in range(rows):
        sums[0] = heights[i] << (SHIFT + 1)
        first, last = _row_sums(
            col0, row0, col1, row1, sign, listed[starts[i] : starts[i + 1]], r0 + i, c0, sums
        )
        line = out[i]
        if last == 0:
            line[:] = _round(sums[0])
            sums[0] = 0
            continue
        area = np.int64(0)
        if first > 0:
            area = sums[0]
            line[:first] = _round(area)
            sums[0] = 0
        for j in range(first, last):
            area += sums[j]
            line[j] = _round(area)
            sums[j] = 0
        area += sums[last]
        sums[last] = 0
        if last < cols:
            line[last:] = _round(area)


@kernel
def cover_exact(col0, row0, col1, row1, sign, passing, heights, r0, c0, out):  # type: ignore[no-untyped-def]
    """Covered area of the cells of a piece in 2⁻³³ cells."""
    rows, cols = out.shape
    starts, listed = _by_row(row0, row1, passing, r0, rows)
    for i in range(rows):
        sums = np.zeros(cols + 1, np.int64)
        sums[0] = heights[i] << (SHIFT + 1)
        _row_sums(col0, row0, col1, row1, sign, listed[starts[i] : starts[i + 1]], r0 + i, c0, sums)
        area = np.int64(0)
        for j in range(cols):
            area += sums[j]
            out[i, j] = min(max(area, 0), _FULL_AREA)


def round_weights(area: I64 | int) -> I64 | int:
    """Round areas in 2⁻³³ cells to weights as :func:`cover` does."""
    if isinstance(area, (int, np.integer)):
        return int(_round(int(area)))
    clipped = np.clip(area, 0, _FULL_AREA)
    weight, rest = clipped >> _WEIGHT_SHIFT, clipped & _REST
    return weight + ((rest > _HALF) | ((rest == _HALF) & (weight & 1 == 1)))
