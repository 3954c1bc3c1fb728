"""A digital elevation model on disk, described but not held.

A ``Surface`` is what the rest of the program knows of a DEM: a metric, north-up ``Grid`` and a way to read
any piece of it as float32 heights in metres, NaN where nobody measured. How the file stores them (strips
or tiles, scaled integers, feet, south-up, masks) ends here. It is frozen and small, so workers are sent
the Surface and open the file themselves.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.errors import InputRefused
from survey.grid import Grid
from survey.rasters.handles import Pin, dataset
from survey.remark import Remark


@dataclass(frozen=True)
class Surface:
    """A readable DEM.

    Attributes
    ----------
    grid:
        Metric and north up; ``row0 = col0 = 0``.
    block:
        (rows, cols) of the file's strips or tiles. They are counted from ``block_origin``, which is (0, 0)
        unless the file was flipped.
    """

    pin: Pin
    grid: Grid
    block: tuple[int, int]
    band: int = 1
    dtype: str = "float32"
    nodata: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    unit_m: float = 1.0
    south_up: bool = False
    block_origin: tuple[int, int] = (0, 0)
    notes: tuple[Remark, ...] = ()

    @property
    def path(self) -> str:
        return self.pin.path

    @property
    def name(self) -> str:
        return self.pin.name

    def read(self, piece: Grid) -> NDArray[np.float32]:
        """Heights in metres of a piece of ``self.grid``: (rows, cols) float32, NaN = not measured.

        The piece may overhang the surface; what lies outside is NaN.

        Raises
        ------
        InputRefused
            A block cannot be decoded, or holds values that cannot be heights.
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
        inside = (max(r0, 0), min(r1, grid.height), max(c0, 0), min(c1, grid.width))
        if inside[0] >= inside[1] or inside[2] >= inside[3]:
            return np.full(piece.shape, np.nan, np.float32)
        core = self._read_inside(*inside)
        if core.shape == piece.shape:
            return core
        out = np.full(piece.shape, np.nan, np.float32)
        out[inside[0] - r0 : inside[1] - r0, inside[2] - c0 : inside[3] - c0] = core
        return out

    def read_into(self, piece: Grid, out: NDArray[np.float32]) -> None:
        """As :meth:`read`, into ``out`` (C-contiguous, the piece's shape), for a piece that does not overhang.

        The pages of fresh memory cost as much as decoding does: a pass over a large file reuses its own.
        """
        r1, c1 = piece.row0 + piece.height, piece.col0 + piece.width
        if piece.row0 < 0 or piece.col0 < 0 or r1 > self.grid.height or c1 > self.grid.width:
            raise ValueError("the piece overhangs the surface")
        heights = self._read_inside(piece.row0, r1, piece.col0, c1, out)
        if heights is not out:
            out[...] = heights

    def _read_inside(
        self, r0: int, r1: int, c0: int, c1: int, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        from rasterio.errors import RasterioError
        from rasterio.windows import Window

        from survey.dem.decode import HIGHEST_M, LOWEST_M, screen_f32

        row = self.grid.height - r1 if self.south_up else r0
        window = Window(c0, row, c1 - c0, r1 - r0)
        plain = self.dtype == "float32" and self.scale * self.unit_m == 1.0 and self.offset == 0.0
        try:
            stored = dataset(self.pin).read(self.band, window=window, out=out if plain else None)
        except RasterioError as error:
            raise InputRefused(
                f"rows {r0} to {r1 - 1}, columns {c0} to {c1 - 1} cannot be decoded ({error})",
                file=self.name,
                mend="The file is damaged: send it again.",
            ) from error
        if plain:
            heights = stored
            nodata = np.float32(math.nan if self.nodata is None else self.nodata)
        else:
            values = stored * (self.scale * self.unit_m) + self.offset * self.unit_m
            if self.nodata is not None:
                values[stored == self.nodata] = np.nan
            heights = values.astype(np.float32)
            nodata = np.float32(math.nan)
        if self.south_up:
            heights = np.ascontiguousarray(heights[::-1])
        outside = screen_f32(heights, nodata, np.float32(LOWEST_M), np.float32(HIGHEST_M))
        if outside:
            raise InputRefused(
                f"{outside} cells in rows {r0} to {r1 - 1}, columns {c0} to {c1 - 1} hold values outside "
                f"{LOWEST_M:.0f} to {HIGHEST_M:.0f} m",
                file=self.name,
                mend="Declare the nodata value, or send the file again if it is damaged.",
            )
        return heights


def open_surface(
    path: str | os.PathLike[str],
    *,
    crs: str | None = None,
    height_unit: str | None = None,
    name: str | None = None,
) -> Surface:
    """Look at a DEM and describe it.

    Parameters
    ----------
    crs:
        Reference system for a file that carries none.
    height_unit:
        Unit of the heights if the file does not say: "m", "ft" or "us-ft".
    name:
        What to call the file in messages, if its path is not its name.

    Raises
    ------
    InputRefused
    """
    from pyproj import CRS

    pin = Pin.of(path, "GTiff", name)
    opened = dataset(pin)
    wkt = opened.crs.to_wkt(version="WKT2_2019") if opened.crs else crs
    if wkt is None:
        raise InputRefused(
            "the DEM has no coordinate reference system",
            file=pin.name,
            mend='Name it in the job: crs = "EPSG:…".',
        )
    system = CRS.from_user_input(wkt)
    if system.is_compound:
        system = system.sub_crs_list[0]
    a = opened.transform
    if a.b or a.d:
        raise InputRefused("the raster is rotated", file=pin.name)
    south_up = a.e > 0
    grid = Grid(
        system.to_wkt(),
        a.c,
        a.f + (a.e * opened.height if south_up else 0.0),
        a.a,
        abs(a.e),
        opened.height,
        opened.width,
    )
    block = opened.block_shapes[0]
    return Surface(
        pin,
        grid,
        (int(block[0]), int(block[1])),
        dtype=opened.dtypes[0],
        nodata=opened.nodata,
        scale=opened.scales[0],
        offset=opened.offsets[0],
        south_up=south_up,
        block_origin=(grid.height % block[0] if south_up else 0, 0),
    )
