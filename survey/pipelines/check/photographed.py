"""Where an orthomosaic was photographed: coverage on its own cells, where they are few enough."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from survey.grid import Bounds, Grid
from survey.pipelines.check.footprint import TileCover, cover_of

if TYPE_CHECKING:
    from survey.blocks import Engine
    from survey.imagery.ortho import Ortho


def ortho_covers(
    ortho: Ortho, crs_wkt: str, area: Bounds, engine: Engine, *, small_m2: float, most: int = 4096
) -> tuple[list[TileCover], float]:
    """Covers of an image's tiles over ``area``, at most ``most`` cells a side; and the cells' side, m."""
    b = ortho.bounds_in(crs_wkt).intersection(area)
    if b is None:
        return [], ortho.cell_m
    cell = max(ortho.cell_m, (b.east - b.west) / most, (b.north - b.south) / most)
    west, north = float(np.floor(b.west / cell) * cell), float(np.ceil(b.north / cell) * cell)
    height, width = (max(1, int(np.ceil(side / cell))) for side in (north - b.south, b.east - west))
    grid = Grid(crs_wkt, west, north, cell, cell, height, width)
    a, _, left, d, e, top = ortho.affine
    if ortho.cell_m == cell and ortho.affine[1] == d == 0 and e < 0 and _same_system(ortho.crs_wkt, crs_wkt):
        # The picture's own cells: its edge is then exact.
        grid = Grid(crs_wkt, left, top, a, -e, ortho.height, ortho.width).covering(area)
    covers = engine.map(
        partial(_photographed, ortho, small_m2), list(grid.pieces(1024)), stage="reading the orthomosaic"
    )
    return covers, grid.cell_m


def _same_system(one: str, other: str) -> bool:
    from pyproj import CRS

    def flat(wkt: str) -> CRS:
        crs = CRS.from_user_input(wkt)
        return crs.sub_crs_list[0] if crs.is_compound else crs

    return bool(one == other or flat(one) == flat(other))


def _photographed(ortho: Ortho, small_m2: float, piece: Grid) -> TileCover:
    band = ortho.colours[0]
    return cover_of(np.isfinite(ortho.read(piece, (band,))[band]), piece, small_m2)
