"""The cells that ever looked new, over all dates: the small matrix on which time is reasoned about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers.product import Product
from survey.jit import kernel


@dataclass(frozen=True)
class Support:
    """``cell`` (n,) flat indices in the watch grid, ascending. Per date (t) and cell (n):

    ``seen`` (clear look), ``at`` index into the candidate table (−1: nothing unusual). The table holds what
    the products kept, row for row.
    """

    width: int
    cell: NDArray[np.int64]
    seen: NDArray[np.bool_]  # (t, n)
    at: NDArray[np.int32]  # (t, n)
    log10_p: NDArray[np.float32]
    distance: NDArray[np.float32]
    flags: NDArray[np.uint8]
    land: NDArray[np.uint8]
    now: NDArray[np.uint16]
    match: NDArray[np.uint16]
    usual: NDArray[np.uint16]
    green: NDArray[np.int8]
    wet_share: NDArray[np.uint8]
    rows: NDArray[np.int32]  # (n,) of the watch grid
    cols: NDArray[np.int32]


@kernel
def _enter(at: NDArray[np.int32], cell: NDArray[np.int64], ids: NDArray[np.int64], start: int) -> None:
    """Write into ``at`` (n,) the number of each candidate, counted from ``start``, at its cell. ``ids`` rise
    within each tile, ``cell`` throughout."""
    here = 0
    for k in range(len(ids)):
        if here < len(cell) and cell[here] <= ids[k] <= cell[min(here + 32, len(cell) - 1)]:
            while cell[here] < ids[k]:
                here += 1
        else:
            here = np.searchsorted(cell, ids[k])
        at[here] = start + k


@kernel
def _looked_at(
    seen: NDArray[np.bool_],
    rows: NDArray[np.int32],
    cols: NDArray[np.int32],
    first: int,
    last: int,
    row0: int,
    col0: int,
    width: int,
    bits: NDArray[np.uint8],
) -> None:
    """Write into ``seen`` (n,) what a tile shows, as far as the support cells [first, last) lie in it."""
    for i in range(first, last):
        across = cols[i] - col0
        if 0 <= across < width:
            place = (rows[i] - row0) * width + across
            seen[i] = (bits[place >> 3] >> (7 - (place & 7))) & 1


def _distinct(ids: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Ascending. (``np.unique`` would put them into a table of hashes first.)"""
    if not ids:
        return np.zeros(0, np.int64)
    every = np.concatenate(ids)
    every.sort()
    new = np.ones(len(every), bool)
    np.not_equal(every[1:], every[:-1], out=new[1:])
    return every[new]


def gather(days: Sequence[Iterable[Product]], width: int, bands: int) -> Support:
    """``days``: for each observed date in order, the products of its tiles (any order, together the whole
    area). Each is taken apart at once: of what was seen a bit a cell is held."""
    tables: dict[str, list[NDArray[np.generic]]] = {
        n: [] for n in ("log10_p", "distance", "flags", "land", "now", "match", "usual", "green", "wet_share")
    }
    ids: list[NDArray[np.int64]] = []
    views: list[list[tuple[int, int, tuple[int, int], NDArray[np.uint8]]]] = []
    for products in days:
        of_day, of_view = [], []
        for p in products:
            w = p.observed.shape[1]
            of_day.append((p.row0 + p.cell // w).astype(np.int64) * width + p.col0 + p.cell % w)
            of_view.append((p.row0, p.col0, p.observed.shape, np.packbits(p.observed)))
            for name, kept in tables.items():
                kept.append(getattr(p, name))
        ids.append(np.concatenate(of_day) if of_day else np.zeros(0, np.int64))
        views.append(of_view)
    cell = _distinct(ids)
    n, t = len(cell), len(ids)
    at = np.full((t, n), -1, np.int32)
    seen = np.zeros((t, n), bool)
    start = 0
    rows, cols = (cell // width).astype(np.int32), (cell % width).astype(np.int32)
    for i, of_view in enumerate(views):
        _enter(at[i], cell, ids[i], start)
        start += len(ids[i])
        ids[i] = ids[i][:0]
        for row0, col0, (h, w), bits in of_view:
            # Of the very type of the rows: they would all be copied into another for each tile.
            first, last = np.searchsorted(rows, np.array([row0, row0 + h], rows.dtype))
            _looked_at(seen[i], rows, cols, first, last, row0, col0, w, bits)
    ids.clear()

    def joined(name: str, kind: type, shape: tuple[int, ...] = ()) -> NDArray[Any]:
        # The parts of one field are let go before the next is joined.
        parts = tables.pop(name)
        return np.concatenate(parts) if parts else np.zeros((0, *shape), kind)

    return Support(
        width,
        cell,
        seen,
        at,
        joined("log10_p", np.int16).astype(np.float32) / np.float32(1000),
        joined("distance", np.uint16).astype(np.float32) / np.float32(100),
        joined("flags", np.uint8),
        joined("land", np.uint8),
        joined("now", np.uint16, (bands,)),
        joined("match", np.uint16, (bands,)),
        joined("usual", np.uint16, (bands,)),
        joined("green", np.int8, (2,)),
        joined("wet_share", np.uint8),
        rows,
        cols,
    )
