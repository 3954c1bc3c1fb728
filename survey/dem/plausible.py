"""Heights that are no metres: told by where they lie and by how steep they would be.

A unit that nobody declared cannot be known, but some can be ruled out. What is left in doubt is remarked on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from survey.dem.decode import Stored
from survey.dem.refuse import COARSE_STEP_M
from survey.dem.sample import Sample
from survey.errors import InputRefused
from survey.grid import Grid
from survey.rasters.crs import to_lonlat
from survey.remark import Remark

LOWLAND = (68.0, 6.0, 90.0, 26.5)
"""West, south, east, north: India without the Himalaya and the hills of Nagaland and Manipur."""
LOWLAND_TOP_M = 2695.0
"""Anamudi, the highest ground in it."""
FINE_CELL_M = 5.0
"""Surveys finer than this are no global models, which are filed in whole metres."""
STEEPEST_MEDIAN = 0.7
"""Half of the ground steeper than 35° over sixteen cells: no lease in steps of a metre looks so."""
BASELINE = 16

MEND = 'Say the unit in the job: height_unit = "dm" (or "cm", "ft", "m"), or declare the scale in the file.'


def refuse_implausible(
    stored: Stored, samples: Sequence[Sample], grid: Grid, *, unit_said: bool
) -> tuple[Remark, ...]:
    """Refuse heights that cannot be metres at this place; remark on whole metres on fine cells.

    ``unit_said``: the file or the job declares the unit of height.

    Raises
    ------
    InputRefused
    """
    heights = [sample.metres(stored) for sample in samples]
    known = np.concatenate([z[np.isfinite(z)][::7] for z in heights]) if heights else np.empty(0)
    if known.size == 0:
        return ()
    middle = float(np.median(known))
    if middle > LOWLAND_TOP_M and _in_lowland(grid):
        raise InputRefused(
            f"holds heights around {middle:,.0f} m, and no ground in that part of India is higher than "
            f"{LOWLAND_TOP_M:,.0f} m: they look like feet or decimetres",
            file=stored.pin.name,
            mend=MEND,
        )
    whole = stored.dtype.startswith(("int", "uint")) and abs(stored.scale) >= COARSE_STEP_M
    if not whole or unit_said or grid.cell_m > FINE_CELL_M:
        return ()
    steep = _median_slope(heights, grid.cell_m)
    if steep > STEEPEST_MEDIAN:
        raise InputRefused(
            "holds whole numbers without a unit or scale; as metres, half of the ground would be steeper "
            f"than {math.degrees(math.atan(steep)):.0f}°: they look like decimetres or centimetres",
            file=stored.pin.name,
            mend=MEND,
        )
    return (
        Remark(
            "whole-metres",
            f"heights are whole numbers on cells of {grid.cell_m:g} m, and neither file nor job says their "
            "unit; they are read as metres. If they are decimetres, every volume is ten times too large",
            "serious",
        ),
    )


def _in_lowland(grid: Grid) -> bool:
    b = grid.bounds
    lon, lat = to_lonlat(grid.crs_wkt).transform((b.west + b.east) / 2, (b.south + b.north) / 2)
    west, south, east, north = LOWLAND
    return west <= lon <= east and south <= lat <= north


def _median_slope(heights: Sequence[np.ndarray], cell_m: float) -> float:
    """Over so many cells that steps of a metre do not show as cliffs and flats."""
    steps = []
    for z in heights:
        for axis in (0, 1):
            n = min(BASELINE, z.shape[axis] - 1)
            if n < BASELINE // 2:
                continue
            a, b = np.delete(z, slice(-n, None), axis), np.delete(z, slice(0, n), axis)
            d = np.abs(b - a) / (n * cell_m)
            steps.append(d[np.isfinite(d)][::7])
    joined = np.concatenate(steps) if steps else np.empty(0)
    return float(np.median(joined)) if joined.size else 0.0
