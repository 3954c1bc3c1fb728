"""The grid on which all scenes of a watch meet."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import InputRefused
from survey.grid import Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from survey.pipelines.triggers.reading import Reader

MOST_CELLS = 4_000_000_000
"""63 km square at 1 m; a Sentinel-2 tile has 120 million."""
CELL_RANGE_M = (0.4, 60.0)


def cell_m_of(reader: Reader) -> float:
    """Side of a cell, metres."""
    a, b, _, d, e, _ = reader.placement.transform
    side = math.sqrt(abs(a * e - b * d))
    if reader.placement.frame.geographic:
        lat = abs(reader.placement.transform[5] + e * reader.raster.height / 2)
        return side * 111_320.0 * math.sqrt(max(math.cos(math.radians(min(lat, 89.0))), 1e-3))
    return side * reader.placement.frame.unit_m


def _corners(reader: Reader, crs_wkt: str) -> tuple[float, float, float, float]:
    from survey.boundary.crs import move_points

    a, b, c, d, e, f = reader.placement.transform
    h, w = reader.raster.height, reader.raster.width
    cols, rows = (g.ravel() for g in np.meshgrid(np.linspace(0, w, 5), np.linspace(0, h, 5)))
    xy = np.column_stack([a * cols + b * rows + c, d * cols + e * rows + f])
    xy = _metric(reader, xy)
    out = move_points(xy, reader.placement.frame.wkt, crs_wkt)
    return float(out[:, 0].min()), float(out[:, 1].min()), float(out[:, 0].max()), float(out[:, 1].max())


def _metric(reader: Reader, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coordinates in the metric twin of a file that counts in feet."""
    return xy * reader.placement.frame.unit_m if not reader.placement.frame.geographic else xy


def affine_m(reader: Reader) -> tuple[float, float, float, float, float, float]:
    """Its cells in metres, or in degrees as they are."""
    unit = 1.0 if reader.placement.frame.geographic else reader.placement.frame.unit_m
    a, b, c, d, e, f = (v * unit for v in reader.placement.transform)
    return a, b, c, d, e, f


def _lattice(
    a: float, b: float, c: float, d: float, e: float, f: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """(cell east, cell north) and a corner of its lines, whichever way its rows and columns run."""
    return (abs(a), abs(e)), (c, f)


def _same(lattice: tuple[tuple[float, float], tuple[float, float]]) -> tuple[float, ...]:
    """Equal for lattices whose lines fall together."""
    (east, north), (x, y) = lattice
    return round(east, 6), round(north, 6), round(x % east, 3), round(y % north, 3)


def watch_grid(
    readers: Sequence[Reader], crs_wkt: str, within: tuple[float, float, float, float] | None
) -> Grid:
    """The grid on which all scenes meet: the commonest cell of the scenes, on a scene's own lattice if one of
    them is in this system already; as far as the scenes go, cut to ``within``.

    Raises
    ------
    InputRefused
        Cells too fine or too coarse, or an extent that no watch can mean.
    """
    from pyproj import CRS

    wanted = CRS.from_user_input(crs_wkt)
    sizes = Counter(round(cell_m_of(r), 2) for r in readers)
    cell = min((size for size, n in sizes.items() if n == max(sizes.values())), default=10.0)
    if abs(cell - round(cell)) / cell < 0.12 and cell > 2:
        cell = float(round(cell))
    if not CELL_RANGE_M[0] <= cell <= CELL_RANGE_M[1]:
        raise InputRefused(
            f"the cells of the scenes are {cell:g} m",
            expected=f"{CELL_RANGE_M[0]:g} to {CELL_RANGE_M[1]:g} m",
            file=readers[0].file.name,
        )
    native = [
        r
        for r in readers
        if not r.placement.frame.geographic
        and CRS.from_user_input(r.placement.frame.wkt) == wanted
        and r.placement.transform[1] == 0
        and r.placement.transform[3] == 0
    ]
    origin = (0.0, 0.0)
    step = (cell, cell)
    if native:
        lattices = [_lattice(*affine_m(r)) for r in native]
        common = Counter(_same(lattice) for lattice in lattices)
        most = max(common.values())
        step, origin = next(lattice for lattice in lattices if common[_same(lattice)] == most)
    boxes = np.array([_corners(r, crs_wkt) for r in readers])
    west, south, east, north = boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max()
    if within is not None:
        west, south = max(west, within[0]), max(south, within[1])
        east, north = min(east, within[2]), min(north, within[3])
        if west >= east or south >= north:
            raise InputRefused(
                "the scenes do not reach the area of watch",
                file=readers[0].file.name,
                mend="Check the reference systems of the scenes and of the area.",
            )
    west = origin[0] + math.floor((west - origin[0]) / step[0] + 1e-6) * step[0]
    north = origin[1] + math.ceil((north - origin[1]) / step[1] - 1e-6) * step[1]
    width = math.ceil((east - west) / step[0] - 1e-6)
    height = math.ceil((north - south) / step[1] - 1e-6)
    if width * height > MOST_CELLS:
        raise InputRefused(
            f"the scenes together span {width:,} × {height:,} cells",
            expected=f"at most {MOST_CELLS:,} cells",
            file=readers[0].file.name,
            mend="Give an area of watch, or take out scenes of other places.",
        )
    return Grid(crs_wkt, west, north, step[0], step[1], height, width)
