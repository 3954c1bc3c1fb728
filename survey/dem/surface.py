"""A digital elevation model on disk, described but not held.

A ``Surface`` is what the rest of the program knows of a DEM: a metric, north-up ``Grid`` and a way to read
any piece of it as float32 heights in metres, NaN where nobody measured. How the file stores them (strips
or tiles, scaled integers, feet, degrees, south-up, masks) ends here. It is frozen and small, so workers
are sent the Surface and open the file themselves, each thread once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey.dem.decode import Stored, read_heights
from survey.dem.lay import Lay, interpolate
from survey.dem.lift import Lift
from survey.grid import Grid
from survey.rasters.crs import Heights
from survey.remark import Remark

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Surface:
    """A readable DEM.

    Attributes
    ----------
    grid:
        Metric and north up; ``row0 = col0 = 0``.
    stored:
        How the file holds the heights.
    block:
        (rows, cols) that are cheap to read together: the file's strips or tiles.
    block_origin:
        Row and column of ``grid`` at which a block begins; (0, 0) unless the file was turned.
    lay:
        How it is interpolated onto ``grid``, if its own cells are not metric and north up.
    lift:
        What turns its heights into another reference, where the job asks for that.
    crs_name, crs_source:
        The reference system as filed, and who said so: "file", "sidecar" or "job".
    heights:
        What the file says of its vertical reference, if anything.
    height_unit:
        The file's unit of height: "m", "ft", "us-ft" …, and who said so in ``height_unit_source``.
    areal_scale:
        Square metres of ``grid`` per square metre of ground at the centre.
    datetime:
        TIFFTAG_DATETIME as it stands; when the *file* was written, at best.
    sidecars:
        Paths of files beside it that were believed, to be hashed with it.
    """

    grid: Grid
    stored: Stored
    block: tuple[int, int]
    block_origin: tuple[int, int] = (0, 0)
    lay: Lay | None = None
    lift: Lift | None = None
    crs_name: str = ""
    crs_source: str = "file"
    heights: Heights | None = None
    height_unit: str = "m"
    height_unit_source: str = "assumed"
    areal_scale: float = 1.0
    compression: str = "none"
    tiled: bool = False
    area_or_point: str = "Area"
    datetime: str | None = None
    software: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    sidecars: tuple[str, ...] = ()
    notes: tuple[Remark, ...] = ()

    @property
    def path(self) -> str:
        return self.stored.pin.path

    @property
    def name(self) -> str:
        return self.stored.pin.name

    @property
    def dtype(self) -> str:
        return self.stored.dtype

    def read(self, piece: Grid) -> NDArray[np.float32]:
        """Heights in metres of a piece of ``self.grid``: (rows, cols) float32, NaN = not measured.

        The piece may overhang the surface; what lies outside is NaN.

        Raises
        ------
        InputRefused
            A block cannot be decoded, holds numbers that cannot be heights, or the file changed.
        ValueError
            ``piece`` was not cut from this surface's grid.
        """
        grid = self.grid
        if (piece.west, piece.north, piece.cell_east, piece.cell_north) != (
            grid.west,
            grid.north,
            grid.cell_east,
            grid.cell_north,
        ) or piece.crs_wkt != grid.crs_wkt:
            raise ValueError("the piece was not cut from this surface's grid")
        r0, c0 = piece.row0, piece.col0
        r1, c1 = r0 + piece.height, c0 + piece.width
        top, bottom = max(r0, 0), min(r1, grid.height)
        left, right = max(c0, 0), min(c1, grid.width)
        if top >= bottom or left >= right:
            return np.full(piece.shape, np.nan, np.float32)
        core = self._inside(top, bottom, left, right)
        if core.shape == piece.shape:
            return core
        out = np.full(piece.shape, np.nan, np.float32)
        out[top - r0 : bottom - r0, left - c0 : right - c0] = core
        return out

    def read_into(self, piece: Grid, out: NDArray[np.float32]) -> None:
        """As :meth:`read`, into ``out`` (C-contiguous, the piece's shape), for pieces that do not overhang.

        The pages of fresh memory cost as much as decoding does: a pass over a large file reuses its own.
        """
        r1, c1 = piece.row0 + piece.height, piece.col0 + piece.width
        if piece.row0 < 0 or piece.col0 < 0 or r1 > self.grid.height or c1 > self.grid.width:
            raise ValueError("the piece overhangs the surface")
        if self.lay is None:
            heights = read_heights(self.stored, piece.row0, r1, piece.col0, c1, out)
            if self.lift is not None:
                self.lift.apply(self.grid, piece.row0, piece.col0, heights)
        else:
            heights = self._inside(piece.row0, r1, piece.col0, c1)
        if heights is not out:
            out[...] = heights

    def _inside(self, r0: int, r1: int, c0: int, c1: int) -> NDArray[np.float32]:
        heights = self._as_filed(r0, r1, c0, c1)
        if self.lift is not None:
            self.lift.apply(self.grid, r0, c0, heights)
        return heights

    def _as_filed(self, r0: int, r1: int, c0: int, c1: int) -> NDArray[np.float32]:
        if self.lay is None:
            return read_heights(self.stored, r0, r1, c0, c1)
        lay, stored = self.lay, self.stored
        first_row, first_col, row, col = lay.nodes(self.grid, r0, r1, c0, c1)
        out = np.full((r1 - r0, c1 - c0), np.nan, np.float32)
        if not (np.isfinite(row).all() and np.isfinite(col).all()):
            return out
        top, bottom = max(math.floor(row.min()) - 1, 0), min(math.ceil(row.max()) + 2, stored.rows)
        left, right = max(math.floor(col.min()) - 1, 0), min(math.ceil(col.max()) + 2, stored.cols)
        if top >= bottom or left >= right:
            return out
        source = read_heights(stored, top, bottom, left, right)
        interpolate(source, top, left, row, col, first_row, first_col, lay.node, r0, c0, out)
        return out
