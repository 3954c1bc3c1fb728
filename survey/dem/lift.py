"""From one height reference to another: what is added to each height of a surface as it is read.

The geoid is smooth: over 64 cells of a survey it bends by less than a tenth of a millimetre. It is worked out
at every 64th cell, counted from the surface's own corner, and bilinear between: a piece gives the same
numbers however it was cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.dem.heights import undulation
from survey.grid import Grid
from survey.rasters.crs import to_lonlat

NODE = 64


@dataclass(frozen=True, slots=True)
class Lift:
    """``sign`` +1: the geoid's height is added (orthometric heights become ellipsoidal); -1: taken away."""

    sign: int

    def apply(self, grid: Grid, r0: int, c0: int, heights: NDArray[np.float32]) -> None:
        """Lift ``heights`` (rows, cols) in place, its first cell being row ``r0``, column ``c0`` of ``grid``.

        Raises
        ------
        InputRefused
            The place lies outside the geoid grid that ships with the program.
        """
        rows, cols = heights.shape
        if rows == 0 or cols == 0:
            return
        top, left = r0 // NODE, c0 // NODE
        at_row = np.arange(top, (r0 + rows - 1) // NODE + 2) * NODE
        at_col = np.arange(left, (c0 + cols - 1) // NODE + 2) * NODE
        east, _ = grid.east_north(np.zeros(at_col.size), at_col.astype(np.float64))
        _, north = grid.east_north(at_row.astype(np.float64), np.zeros(at_row.size))
        lon, lat = to_lonlat(grid.crs_wkt).transform(*np.meshgrid(east, north))
        nodes = undulation(lon, lat) * self.sign
        j = np.arange(c0, c0 + cols)
        across, u = j // NODE - left, (j % NODE) / NODE
        wide = nodes[:, across] * (1 - u) + nodes[:, across + 1] * u
        for k in range(rows):
            i = r0 + k
            n, v = i // NODE - top, (i % NODE) / NODE
            heights[k] += (wide[n] * (1 - v) + wide[n + 1] * v).astype(np.float32)
