"""Which square metre lies where.

A ``Grid`` is a reference system, a placement and a shape. It is always north up, axis-parallel and in
metres: files that are not are turned at the door (``survey.dem.surface``). A slice of a Grid is a Grid,
so what is written for the whole serves the piece.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from affine import Affine
    from numpy.typing import ArrayLike, NDArray
    from pyproj import CRS


@lru_cache(maxsize=32)
def _crs(wkt: str) -> CRS:
    from pyproj import CRS

    return CRS.from_user_input(wkt)


@dataclass(frozen=True, slots=True)
class Bounds:
    """An upright rectangle in metres; its reference system is that of whoever holds it."""

    west: float
    south: float
    east: float
    north: float

    def __post_init__(self) -> None:
        if not (self.west <= self.east and self.south <= self.north):
            raise ValueError(f"not a rectangle: {self}")

    def overlaps(self, other: Bounds) -> bool:
        return (
            self.west < other.east
            and other.west < self.east
            and self.south < other.north
            and other.south < self.north
        )

    def intersection(self, other: Bounds) -> Bounds | None:
        if not self.overlaps(other):
            return None
        return Bounds(
            max(self.west, other.west),
            max(self.south, other.south),
            min(self.east, other.east),
            min(self.north, other.north),
        )

    def grown(self, metres: float) -> Bounds:
        return Bounds(self.west - metres, self.south - metres, self.east + metres, self.north + metres)


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells of ``cell_east`` × ``cell_north`` metres, ``height`` rows by ``width`` columns.

    ``west``/``north`` is the outer corner of cell (0, 0); rows run south, columns run east.
    ``row0``/``col0`` say where this piece begins in the grid that it was cut from, so that whatever is
    computed from absolute indices is the same however the grid was cut.
    """

    crs_wkt: str
    west: float
    north: float
    cell_east: float
    cell_north: float
    height: int
    width: int
    row0: int = 0
    col0: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.cell_east < math.inf and 0 < self.cell_north < math.inf):
            raise ValueError(f"cells must have a positive size, not {self.cell_east} × {self.cell_north}")
        if not (math.isfinite(self.west) and math.isfinite(self.north)):
            raise ValueError(f"a grid cannot begin at {self.west}, {self.north}")
        if self.height < 0 or self.width < 0:
            raise ValueError(f"a grid cannot have {self.height} × {self.width} cells")

    # -- where ---------------------------------------------------------------------------------------
    @property
    def crs(self) -> CRS:
        return _crs(self.crs_wkt)

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def cell_area_m2(self) -> float:
        return self.cell_east * self.cell_north

    @property
    def cell_m(self) -> float:
        """The side of a square of the same area."""
        return math.sqrt(self.cell_area_m2)

    @property
    def left(self) -> float:
        """Easting of this piece's western edge."""
        return self.west + self.col0 * self.cell_east

    @property
    def top(self) -> float:
        """Northing of this piece's northern edge."""
        return self.north - self.row0 * self.cell_north

    @property
    def bounds(self) -> Bounds:
        return Bounds(
            self.left,
            self.north - (self.row0 + self.height) * self.cell_north,
            self.west + (self.col0 + self.width) * self.cell_east,
            self.top,
        )

    @property
    def transform(self) -> Affine:
        """GDAL's affine transform of this piece: (col, row) of cell corners to (east, north)."""
        from affine import Affine

        return Affine(self.cell_east, 0.0, self.left, 0.0, -self.cell_north, self.top)

    def east_north(self, row: ArrayLike, col: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Centre coordinates of cells of this piece; fractional indices are allowed."""
        east = self.west + (self.col0 + np.asarray(col, np.float64) + 0.5) * self.cell_east
        north = self.north - (self.row0 + np.asarray(row, np.float64) + 0.5) * self.cell_north
        return east, north

    def row_col(self, east: ArrayLike, north: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fractional (row, col) of this piece: whole numbers are cell centres."""
        row = (self.north - np.asarray(north, np.float64)) / self.cell_north - 0.5 - self.row0
        col = (np.asarray(east, np.float64) - self.west) / self.cell_east - 0.5 - self.col0
        return row, col

    # -- pieces --------------------------------------------------------------------------------------
    def __getitem__(self, index: tuple[slice, slice]) -> Grid:
        rows, cols = index
        r0, r1, rstep = rows.indices(self.height)
        c0, c1, cstep = cols.indices(self.width)
        if rstep != 1 or cstep != 1:
            raise ValueError("a slice of a Grid keeps every cell; use coarsened() for larger cells")
        return replace(
            self,
            height=max(0, r1 - r0),
            width=max(0, c1 - c0),
            row0=self.row0 + r0,
            col0=self.col0 + c0,
        )

    def at(self, row0: int, row1: int, col0: int, col1: int) -> Grid:
        """A piece by absolute indices, which may overhang."""
        return replace(self, height=row1 - row0, width=col1 - col0, row0=row0, col0=col0)

    def origin_here(self) -> Grid:
        """The same cells, with indices counted from this piece's own corner."""
        return replace(self, west=self.left, north=self.top, row0=0, col0=0)

    def pieces(self, size: int | tuple[int, int]) -> Iterator[Grid]:
        """Cut into pieces of at most ``size`` cells a side, in reading order."""
        rows, cols = (size, size) if isinstance(size, int) else size
        if rows <= 0 or cols <= 0:
            raise ValueError(f"pieces need a positive size, not {size}")
        for r in range(0, self.height, rows):
            for c in range(0, self.width, cols):
                yield self[r : r + rows, c : c + cols]

    def covering(self, bounds: Bounds) -> Grid:
        """The piece whose cells touch ``bounds``; empty if they do not meet."""
        r0 = math.floor((self.top - bounds.north) / self.cell_north + 1e-9)
        r1 = math.ceil((self.top - bounds.south) / self.cell_north - 1e-9)
        c0 = math.floor((bounds.west - self.left) / self.cell_east + 1e-9)
        c1 = math.ceil((bounds.east - self.left) / self.cell_east - 1e-9)
        r0, r1 = (min(max(r, 0), self.height) for r in (r0, r1))
        c0, c1 = (min(max(c, 0), self.width) for c in (c0, c1))
        return self[r0 : max(r0, r1), c0 : max(c0, c1)]

    def same_cells(self, other: Grid, tolerance: float = 1e-6) -> bool:
        """Equal reference system and cell size (in parts of a cell over the whole extent)."""
        span = max(self.width, other.width, self.height, other.height, 1)
        return (
            self.crs == other.crs
            and abs(self.cell_east / other.cell_east - 1) * span < max(tolerance, 1e-4)
            and abs(self.cell_north / other.cell_north - 1) * span < max(tolerance, 1e-4)
        )
