"""Regions of small scenes, made as the sweep makes them."""

from __future__ import annotations

import numpy as np
from pyproj import CRS

from survey.grid import Grid
from survey.volumetrics.regions import Regions, gather
from survey.volumetrics.runs import Parts, find_runs, tally_runs

WKT = CRS.from_epsg(32643).to_wkt()


def regions_of(depth: np.ndarray) -> Regions:
    """Regions of a small scene with cells of 1 m; every cell that moved is a seed."""
    grid = Grid(WKT, 500000.0, 2800000.0, 1.0, 1.0, *depth.shape)
    mask = (2 * np.sign(depth)).astype(np.int8)
    grains = np.round(depth * 65536).astype(np.int32)
    runs, sign = find_runs(mask, 0, 0)
    k = sign.size
    cells, seeds, sums = (np.zeros(k, np.int64) for _ in range(3))
    shallow, deep = np.full(k, np.inf, np.float32), np.zeros(k, np.float32)
    deepest = np.zeros((k, 2), np.int64)
    tally_runs(runs, 0, 0, grains, depth.astype(np.float32), mask, cells, seeds, sums, shallow, deep, deepest)
    layer = sums[:, None] * 4096
    covered = cells[:, None] * 4096
    none = np.zeros((k, 0), np.int64)
    return gather([Parts(runs, sign, cells, seeds, sums, layer, covered, shallow, deep, deepest, none)], grid)
