"""The second search of one survey: pits that are hollows at the scale of tens of metres, rim or no rim.

It adds to what breaks of slope showed (``scan``) and takes nothing from it: hollows on ground that is a site
already are passed over, and only what is rather surely a pit is added.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.pipelines.existing.scan import (
    EVEN,
    MARGIN_M,
    TILE_CELLS,
    Readable,
    Scan,
    Seen,
    grown,
    heights_on,
    scan,
    seen_in,
    settle,
)
from survey.volumetrics import existing
from survey.volumetrics.existing import Look
from survey.volumetrics.existing_find import hollowed, rim_of
from survey.volumetrics.existing_wide import Hollow, WideLook, hollows

if TYPE_CHECKING:
    from survey.blocks import Engine
    from survey.imagery.ortho import Ortho

_TILE = 512  # cells a side of a tile that is averaged at once
_MOST_CELLS = 160_000  # of a window: larger ones are looked at on coarser cells
_TAKEN = 0.25
_WIDER = (2.0, 0.15)
"""A hollow is taken to reach so many metres, and such a share of its distance, beyond where it is outlined:
the ring that ground is drawn from must not lie on the flanks of a pit."""


def search(
    surface: Readable,
    look: Look,
    engine: Engine,
    ortho: Ortho | None,
    least_m2: float,
    least_m: float,
    tile_cells: int = TILE_CELLS,
    wide: WideLook | None = None,
) -> Scan:
    """``scan``, and then pits that it did not see."""
    made = scan(surface, look, engine, ortho, least_m2, least_m, tile_cells)
    wide = wide or WideLook()
    times = wide.block(made.working.cell_m, made.working.height * made.working.width)
    coarse = replace(
        made.working,
        cell_east=made.working.cell_east * times,
        cell_north=made.working.cell_north * times,
        height=-(-made.working.height // times),
        width=-(-made.working.width // times),
    )
    tiles = list(coarse.pieces(_TILE))
    each = engine.map(
        partial(_coarse, surface, look, made.working, times), tiles, stage="averaging heights for hollows"
    )
    z = np.full(coarse.shape, np.nan, np.float32)
    for tile, part in zip(tiles, each, strict=True):
        z[tile.row0 : tile.row0 + tile.height, tile.col0 : tile.col0 + tile.width] = part
    sites = [b.outline for b in settle(made.bodies) if b.probability >= EVEN]
    found = [h for h in hollows(z, coarse.cell_m, wide, least_m2) if _share_in(h, coarse, sites) <= _TAKEN]
    work = partial(_look_closely, surface, look, made, times, ortho, least_m2, least_m)
    more = [b for one in engine.map(work, found, stage="looking into hollows") for b in one]
    pits = [b for b in more if b.probability >= wide.sure_from and not _taken(b.outline, sites)]
    bodies = sorted([*made.bodies, *pits], key=lambda b: (b.first, b.sign, -b.form.area_m2))
    return replace(made, bodies=bodies, hollows=len(found))


def _coarse(surface: Readable, look: Look, working: Grid, times: int, tile: Grid) -> NDArray[np.float32]:
    piece = replace(
        working,
        row0=tile.row0 * times,
        col0=tile.col0 * times,
        height=tile.height * times,
        width=tile.width * times,
    )
    return heights_on(surface, look, working, piece, times)


def _share_in(hollow: Hollow, coarse: Grid, outlines: list[Any]) -> float:
    """How much of a hollow lies in the outlines."""
    import shapely

    rows, cols = np.nonzero(hollow.cells)
    east, north = coarse.east_north(rows + hollow.row0, cols + hollow.col0)
    box = shapely.box(east.min(), north.min(), east.max(), north.max())
    inside = np.zeros(rows.size, bool)
    for outline in outlines:
        if outline.intersects(box):
            inside |= shapely.contains_xy(outline, east, north)
    return float(inside.mean())


def _taken(outline: Any, sites: list[Any]) -> bool:
    """Whether a pit shares ground with a site that is known."""
    return any(
        s.intersects(outline) and s.intersection(outline).area > _TAKEN * min(s.area, outline.area)
        for s in sites
    )


def _look_closely(
    surface: Readable,
    look: Look,
    made: Scan,
    block: int,
    ortho: Ortho | None,
    least_m2: float,
    least_m: float,
    hollow: Hollow,
) -> list[Seen]:
    cell, working = made.working.cell_m, made.working
    r0, c0 = hollow.row0 * block, hollow.col0 * block
    tall, broad = (n * block for n in hollow.cells.shape)
    margin_m = float(np.clip(0.6 * max(tall, broad) * cell + 0.4 * hollow.distance_m, *MARGIN_M))
    margin = math.ceil(margin_m / cell)
    times = math.ceil(math.sqrt((tall + 2 * margin) * (broad + 2 * margin) / _MOST_CELLS))
    pad = -(-look.reach(cell) // times) * times
    height, width = (-(-(n + 2 * margin) // times) * times for n in (tall, broad))
    piece = replace(working, row0=r0 - margin, col0=c0 - margin, height=height, width=width)
    z = heights_on(surface, look, working, grown(piece, pad), times)
    size, halo = cell * times, pad // times
    rim = rim_of([existing.breaks(z, size, d) for d in look.distances_m], made.limits)
    core = np.s_[halo : z.shape[0] - halo, halo : z.shape[1] - halo]
    near = np.zeros(piece.shape, np.bool_)
    near[margin : margin + tall, margin : margin + broad] = np.kron(
        hollow.cells, np.ones((block, block), bool)
    )
    near = near.reshape(height // times, times, width // times, times).mean(axis=(1, 3)) >= 0.5
    if not near.any():
        return []
    by = _WIDER[0] + _WIDER[1] * hollow.distance_m
    found = hollowed(z[core].astype(np.float64), near, by, rim[core], size, least_m2, least_m)
    return seen_in(found, look.block(surface.grid), piece, times, ortho)
