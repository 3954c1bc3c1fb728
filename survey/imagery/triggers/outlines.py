"""The polygons of objects from their cells: their edges are walked once, for all objects together.

A union of boxes says the same and takes five times as long. Rings never pass a corner twice: where cells meet
in nothing but a corner, they belong to different polygons, or close a hole there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.jit import kernel

if TYPE_CHECKING:
    from shapely import Geometry

I64 = NDArray[np.int64]

_SPARE_CELLS, _SPARE_TIMES = 10_000, 64
"""The box around an object is laid out in full if it is not larger than this, or than so many times its
cells."""


@kernel
def _parts(filled: NDArray[np.int32], rows: I64, cols: I64) -> int:
    """Number the cells of each part that hangs together by edges, from 1, in ``filled`` (row, col): −1 where
    there is a cell, with an empty rim. How many parts there are."""
    waiting_row, waiting_col = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    parts = 0
    for i in range(len(rows)):
        if filled[rows[i], cols[i]] >= 0:
            continue
        parts += 1
        filled[rows[i], cols[i]] = parts
        waiting_row[0], waiting_col[0] = rows[i], cols[i]
        n = 1
        while n > 0:
            n -= 1
            r, c = waiting_row[n], waiting_col[n]
            for k in range(4):
                r1, c1 = r + (k == 2) - (k == 0), c + (k == 1) - (k == 3)
                if filled[r1, c1] < 0:
                    filled[r1, c1] = parts
                    waiting_row[n], waiting_col[n] = r1, c1
                    n += 1
    return parts


@kernel
def _rings(rows: I64, cols: I64) -> tuple[I64, I64, I64, I64]:
    """Corners (row, col) of all rings of an object, the ring of each corner, and the part of each ring.

    Of each part the outer ring comes before its holes. A corner is kept where a ring turns, and at every row
    along an upright edge. Cells come in reading order.
    """
    top, left = rows[0] - 1, cols.min() - 1
    high, wide = rows[-1] - top + 2, cols.max() - left + 2
    filled = np.zeros((high, wide), np.int32)
    r0, c0 = rows - top, cols - left
    for i in range(len(rows)):
        filled[r0[i], c0[i]] = -1
    _parts(filled, r0, c0)
    # Which upper edges have been walked along: every ring has one.
    walked = np.zeros((high, wide), np.bool_)
    most = 4 * len(rows)
    out_row, out_col, out_ring = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    part_of = np.empty(most, np.int64)
    n, ring = 0, 0
    for i in range(len(rows)):
        if filled[r0[i] - 1, c0[i]] != 0 or walked[r0[i], c0[i]]:
            continue
        # Eastward along the upper edge of this cell, with the cell on the right hand.
        r, c, way = r0[i], c0[i], 0
        while True:
            if way == 0:
                if walked[r, c]:
                    break
                walked[r, c] = True
            # The cells ahead, on the left and on the right hand.
            if way == 0:
                ar, ac, lr, lc = r, c + 1, r - 1, c + 1
            elif way == 1:
                ar, ac, lr, lc = r + 1, c, r + 1, c + 1
            elif way == 2:
                ar, ac, lr, lc = r, c - 1, r + 1, c - 1
            else:
                ar, ac, lr, lc = r - 1, c, r - 1, c - 1
            # The corner at which the way along this edge ends.
            corner_row, corner_col = r + (way == 1 or way == 2), c + (way == 0 or way == 1)
            ahead, beside = filled[ar, ac], filled[lr, lc]
            upright = way == 1 or way == 3
            if ahead == 0 and (beside == 0 or beside != filled[r, c]):
                way = (way + 1) % 4
                keep = True
            elif beside == 0:
                r, c = ar, ac
                keep = upright
            else:
                r, c = lr, lc
                way = (way + 3) % 4
                keep = True
            if keep:
                out_row[n], out_col[n], out_ring[n] = corner_row + top, corner_col + left, ring
                n += 1
        part_of[ring] = filled[r0[i], c0[i]]
        ring += 1
    return out_row[:n], out_col[:n], out_ring[:n], part_of[:ring]


def _by_union(cells: I64, grid: Grid) -> Geometry:
    """The same from boxes, for what is thin and wide, or empty."""
    import shapely

    if not len(cells):
        return shapely.Polygon()
    rows, cols = cells // grid.width, cells % grid.width
    # Runs of cells in a row become one box each: fewer pieces to join.
    new = np.ones(len(rows), bool)
    new[1:] = (rows[1:] != rows[:-1]) | (cols[1:] != cols[:-1] + 1)
    first = np.nonzero(new)[0]
    last = np.r_[first[1:], len(rows)] - 1
    west = grid.left + cols[first] * grid.cell_east
    east = grid.left + (cols[last] + 1) * grid.cell_east
    north = grid.top - rows[first] * grid.cell_north
    south = grid.top - (rows[first] + 1) * grid.cell_north
    return shapely.normalize(shapely.union_all(shapely.box(west, south, east, north)))


def outlines(objects: Sequence[I64], grid: Grid) -> list[Geometry]:
    """For each object, cells by flat index in ``grid``, its polygon in metres; cells that touch at a corner
    stay apart."""
    import shapely

    out: list[Geometry] = [None] * len(objects)
    found, whose, ring_parts, ring_counts = [], [], [], []
    for k, given in enumerate(objects):
        cells = np.sort(np.asarray(given, np.int64))
        rows, cols = cells // grid.width, cells % grid.width
        box = 0 if not len(cells) else int((rows[-1] - rows[0] + 1) * (np.ptp(cols) + 1))
        if not box or box > max(_SPARE_CELLS, _SPARE_TIMES * len(cells)):
            out[k] = _by_union(cells, grid)
            continue
        row, col, ring, part = _rings(rows, cols)
        found.append((row, col, ring))
        whose.append(k)
        ring_parts.append(part)
        ring_counts.append(len(part))
    if not whose:
        return out
    starts = np.concatenate([[0], np.cumsum(ring_counts)])
    rows, cols = np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])
    ring = np.concatenate([f[2] + s for f, s in zip(found, starts[:-1], strict=True)])
    x, y = grid.left + cols * grid.cell_east, grid.top - rows * grid.cell_north
    rings = shapely.linearrings(np.stack([x, y], axis=1), indices=ring)
    # Rings of one part stand together, the outer one first: it begins higher up than its holes.
    object_of = np.repeat(np.arange(len(whose)), ring_counts)
    part = np.concatenate(ring_parts)
    order = np.lexsort((np.arange(len(part)), part, object_of))
    object_of, part = object_of[order], part[order]
    new = np.ones(len(part), bool)
    new[1:] = (object_of[1:] != object_of[:-1]) | (part[1:] != part[:-1])
    polygons = shapely.polygons(rings[order], indices=np.cumsum(new) - 1)
    of_polygon = object_of[new]
    shapes = shapely.multipolygons(polygons, indices=of_polygon)
    alone = np.bincount(of_polygon) == 1
    shapes[alone] = polygons[alone[of_polygon]]
    for k, shape in zip(whose, shapely.normalize(shapes), strict=True):
        out[k] = shape
    return out


def outline(cells: I64, grid: Grid) -> Geometry:
    """The polygon of one object."""
    return outlines([cells], grid)[0]
