"""An orthomosaic, described but not held: averaged bands on any piece of the job grid.

An orthomosaic is evidence beside the heights: where something green, wet or in shadow lay. It is read on the
cells of the job grid, each cell being the mean of the finer orthomosaic cells in it. On axis-parallel files
in the grid's own reference system the mean is exact, by area; others (another system, degrees, south-up or
rotated files) are sampled on a lattice inside each cell. Overviews in the file are never read as evidence:
they are pictures that need not agree with the picture. What a cell holds does not depend on the piece it is
read with. Pictures for people (``chip``) are sampled, and drawn from overviews that agree with the file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import InputRefused
from survey.grid import Bounds, Grid
from survey.imagery.ortho.bands import COLOURS
from survey.imagery.ortho.overviews import overviews
from survey.imagery.ortho.sums import box, gather, overlaps
from survey.imagery.ortho.systems import same, transformer
from survey.rasters.handles import Pin, dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEXTURE = "texture"

_WINDOW_CELLS = 4_000_000  # the most source cells held at once
_MAX_SAMPLES_A_SIDE = 8  # lattice in a cell, where the mean by area has no closed form
_NODE = 32  # cells between exactly transformed nodes; between them the transform is bilinear
_LEAST_PHOTOGRAPHED = 0.5  # share of a cell that must be photographed for a mean


@dataclass(frozen=True, slots=True)
class Ortho:
    """A readable orthomosaic.

    ``bands`` names each band of the file (``red``, ``green``, ``blue``, ``nir``, ``red_edge``, ``swir1``, …,
    ``alpha``, ``grey``; ``band_7`` where the file does not say). ``white`` is the number that stands for a
    fully bright cell: what is read comes in parts of it. ``notes`` say what had to be assumed.
    """

    pin: Pin
    crs_wkt: str
    affine: tuple[float, float, float, float, float, float]
    height: int
    width: int
    bands: tuple[str, ...]
    white: float
    cell_m: float
    alpha: int | None = None  # index in the file, from 1
    mask: bool = False  # the file carries an internal mask
    nodata: float | None = None
    black_is_missing: bool = False
    palette: tuple[tuple[int, int, int], ...] | None = None
    notes: tuple[str, ...] = field(default=())
    every: int = 1  # only every n-th cell of the file is looked at, both ways

    @property
    def path(self) -> str:
        return self.pin.path

    @property
    def name(self) -> str:
        return self.pin.name

    @property
    def visible(self) -> tuple[str, ...]:
        """The visible colours that it has, or its first band."""
        return tuple(name for name in COLOURS if name in self.colours) or self.colours[:1]

    @property
    def colours(self) -> tuple[str, ...]:
        """Names of the bands that say something of the ground."""
        if self.palette is not None:
            return COLOURS
        return tuple(name for name in self.bands if name != "alpha")

    @property
    def has_rgb(self) -> bool:
        return set(COLOURS) <= set(self.colours)

    @property
    def has_nir(self) -> bool:
        return "nir" in self.colours

    def bounds_in(self, crs_wkt: str) -> Bounds:
        """The rectangle around the file in another reference system, metres of that system."""
        rows = np.linspace(0, self.height, 9)
        cols = np.linspace(0, self.width, 9)
        col, row = (grid.ravel() for grid in np.meshgrid(cols, rows))
        a, b, c, d, e, f = self.affine
        east, north = a * col + b * row + c, d * col + e * row + f
        if not same(self.crs_wkt, crs_wkt):
            east, north = transformer(self.crs_wkt, crs_wkt).transform(east, north, errcheck=False)
        good = np.isfinite(east) & np.isfinite(north)
        if not good.any():
            raise InputRefused(
                "the orthomosaic lies outside the reference system of the survey",
                file=self.name,
                mend="Check the reference system written in the file.",
            )
        return Bounds(
            float(east[good].min()),
            float(north[good].min()),
            float(east[good].max()),
            float(north[good].max()),
        )

    def read(
        self,
        piece: Grid,
        bands: tuple[str, ...] | None = None,
        *,
        shift_m: tuple[float, float] = (0.0, 0.0),
        texture: bool = False,
    ) -> dict[str, NDArray[np.float32]]:
        """Mean of each band in each cell of ``piece``, in parts of ``white``.

        Parameters
        ----------
        bands:
            Names to read; all bands that say something of the ground if not given.
        shift_m:
            (east, north) by which the picture is moved first: the horizontal alignment of its survey.
        texture:
            Also give ``texture``: the standard deviation of brightness inside the cell, in parts of
            ``white``; NaN where a cell holds fewer than four of the orthomosaic's cells.

        Returns
        -------
        dict
            float32 (rows, cols) by name; NaN where less than half of a cell was photographed.

        Raises
        ------
        InputRefused
            A band that the file does not have, or cells that cannot be decoded.
        """
        wanted = self.colours if bands is None else tuple(bands)
        absent = [name for name in wanted if name not in self.colours]
        if absent:
            raise InputRefused(
                f"the orthomosaic has no band named {', '.join(absent)}",
                expected=f"one of {', '.join(self.colours)}",
                file=self.name,
                mend="Name the bands in the job file if the file itself does not.",
            )
        names = (*wanted, TEXTURE) if texture else wanted
        out = {name: np.full(piece.shape, np.nan, np.float32) for name in names}
        if not piece.height or not piece.width:
            return out
        source = dataset(self.pin)
        if self._parallel_to(piece):
            self._read_by_area(source, piece, wanted, shift_m, texture, out)
        else:
            self._read_by_lattice(source, piece, wanted, shift_m, texture, out)
        return out

    def chip(self, piece: Grid, *, shift_m: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.uint8]:
        """A picture of ``piece`` for people: uint8 (rows, cols, 4), transparent where not seen.

        Eight-bit colours are shown as they are, so that two dates and two places can be compared; others
        are stretched over the range of tones in the piece.
        """
        colours = COLOURS if self.has_rgb else (self.colours[0],) * 3
        lighter = self._zoomed(piece)
        read = lighter.read(piece, tuple(dict.fromkeys(colours)), shift_m=shift_m)
        seen = np.isfinite(np.stack(list(read.values()))).all(axis=0)
        picture = np.zeros((*piece.shape, 4), np.uint8)
        if not seen.any():
            return picture
        low, high = 0.0, 1.0
        if self.white != 255 or not self.has_rgb:
            # Some of the pixels tell the range of tones as well as all of them.
            some = np.flatnonzero(seen)
            some = some[:: max(1, len(some) // 200_000)]
            tones = np.concatenate([band.ravel()[some] for band in read.values()])
            low, high = (float(v) for v in np.percentile(tones, (1.0, 99.0)))
        gain = 255 / max(high - low, 1e-6)
        for k, name in enumerate(colours):
            tone = (read[name] - low) * gain
            tone[~seen] = 0
            picture[..., k] = np.rint(np.clip(tone, 0, 255, out=tone), out=tone)
        picture[..., 3] = np.where(seen, 255, 0)
        return picture

    def _zoomed(self, piece: Grid) -> Ortho:
        """This orthomosaic on larger cells, where the piece's cells hold many of its own.

        Overviews of the file are used if they agree with it; if they do not, every cell is read.
        """
        most = piece.cell_m / self.cell_m
        if most < 2 or self.palette is not None:
            return self
        known = overviews(self.pin, self.white)
        if known is None:
            return self
        level, factor = max(
            ((k, f) for k, f in enumerate(known) if f <= most), key=lambda o: o[1], default=(-1, 1)
        )
        every = max(1, int(most / factor / 1.5))
        pin, height, width = self.pin, self.height, self.width
        if level >= 0:
            pin = replace(self.pin, overview=level)
            height, width = dataset(pin).shape
        a, b, c, d, e, f = self.affine
        across, down = self.width / width * every, self.height / height * every
        return replace(
            self,
            pin=pin,
            affine=(a * across, b * down, c, d * across, e * down, f),
            width=-(-width // every),
            height=-(-height // every),
            every=every,
        )

    # -- by area -------------------------------------------------------------------------------------
    def _parallel_to(self, piece: Grid) -> bool:
        a, b, _, d, e, _ = self.affine
        return b == 0 and d == 0 and a > 0 and e < 0 and same(self.crs_wkt, piece.crs_wkt)

    def _read_by_area(
        self,
        source: Any,
        piece: Grid,
        wanted: tuple[str, ...],
        shift_m: tuple[float, float],
        texture: bool,
        out: dict[str, NDArray[np.float32]],
    ) -> None:
        a, _, c, _, e, f = self.affine
        # Edges of the piece's cells in columns and rows of the file, from absolute indices.
        col_edges = (
            piece.west + (piece.col0 + np.arange(piece.width + 1)) * piece.cell_east - shift_m[0] - c
        ) / a
        row_edges = (
            piece.north - (piece.row0 + np.arange(piece.height + 1)) * piece.cell_north - shift_m[1] - f
        ) / e
        cols_a_cell, rows_a_cell = piece.cell_east / a, piece.cell_north / -e
        wide = max(1, min(piece.width, int(2048 / max(cols_a_cell * self.every, 1e-9))))
        held = _WINDOW_CELLS / self.every**2
        high = max(1, int(held / max(wide * cols_a_cell * rows_a_cell, 1.0)))
        rich = cols_a_cell * rows_a_cell >= 4
        for r in range(0, piece.height, high):
            for k in range(0, piece.width, wide):
                rows, cols = row_edges[r : r + high + 1], col_edges[k : k + wide + 1]
                r0, r1 = max(0, math.floor(rows[0])), min(self.height, math.ceil(rows[-1]))
                c0, c1 = max(0, math.floor(cols[0])), min(self.width, math.ceil(cols[-1]))
                if r0 >= r1 or c0 >= c1:
                    continue
                values, seen = self._window(source, r0, r1, c0, c1, wanted)
                here = (slice(r, r + len(rows) - 1), slice(k, k + len(cols) - 1))
                by_row, by_col = overlaps(rows, r0, r1), overlaps(cols, c0, c1)
                share = box(seen.astype(np.float32), by_row, by_col)
                full = cols_a_cell * rows_a_cell
                enough = share >= _LEAST_PHOTOGRAPHED * full
                scale = np.where(enough, 1.0 / np.where(enough, share, 1.0), np.nan)
                for name, value in zip(wanted, values, strict=True):
                    out[name][here] = box(np.asarray(value), by_row, by_col) * scale
                if texture and rich:
                    bright = np.mean(values, axis=0, dtype=np.float32)
                    mean = box(np.asarray(bright), by_row, by_col) * scale
                    square = box(np.asarray(bright * bright), by_row, by_col) * scale
                    out[TEXTURE][here] = np.sqrt(np.maximum(square - mean * mean, 0.0))

    # -- by lattice ----------------------------------------------------------------------------------
    def _read_by_lattice(
        self,
        source: Any,
        piece: Grid,
        wanted: tuple[str, ...],
        shift_m: tuple[float, float],
        texture: bool,
        out: dict[str, NDArray[np.float32]],
    ) -> None:
        side = int(np.clip(round(piece.cell_m / self.cell_m), 1, _MAX_SAMPLES_A_SIDE))
        # Blocks begin at absolute multiples of the node distance: the transform is then the same for
        # whatever piece a cell is read with.
        for r in range(-(piece.row0 % _NODE), piece.height, _NODE):
            for k in range(-(piece.col0 % _NODE), piece.width, _NODE):
                r_lo, r_hi = max(r, 0), min(r + _NODE, piece.height)
                k_lo, k_hi = max(k, 0), min(k + _NODE, piece.width)
                row, col = self._rows_cols(piece, r, k, shift_m, side)
                row = row[(r_lo - r) * side : (r_hi - r) * side, (k_lo - k) * side : (k_hi - k) * side]
                col = col[(r_lo - r) * side : (r_hi - r) * side, (k_lo - k) * side : (k_hi - k) * side]
                inside = (row >= 0) & (row < self.height) & (col >= 0) & (col < self.width)
                if not inside.any():
                    continue
                r0, r1 = int(row[inside].min()), int(row[inside].max()) + 1
                c0, c1 = int(col[inside].min()), int(col[inside].max()) + 1
                if (r1 - r0) * (c1 - c0) > 64 * _WINDOW_CELLS:
                    raise InputRefused(
                        f"the orthomosaic's cells of {self.cell_m:.3g} m are too fine for cells of "
                        f"{piece.cell_m:.3g} m",
                        file=self.name,
                        mend="Deliver it in the reference system of the survey.",
                    )
                values, seen = self._window(source, r0, r1, c0, c1, wanted)
                i = np.where(inside, row - r0, 0).astype(np.intp)
                j = np.where(inside, col - c0, 0).astype(np.intp)
                hit = seen[i, j] & inside
                here = (slice(r_lo, r_hi), slice(k_lo, k_hi))
                share = gather(hit.astype(np.float32), side)
                enough = share >= _LEAST_PHOTOGRAPHED * side * side
                scale = np.where(enough, 1.0 / np.where(enough, share, 1.0), np.nan)
                picked = values[:, i, j] * hit
                for name, value in zip(wanted, picked, strict=True):
                    out[name][here] = gather(value, side) * scale
                if texture and side >= 2:
                    bright = picked.mean(axis=0, dtype=np.float32)
                    mean = gather(bright, side) * scale
                    square = gather(bright * bright, side) * scale
                    out[TEXTURE][here] = np.sqrt(np.maximum(square - mean * mean, 0.0))

    def _rows_cols(
        self, piece: Grid, r: int, k: int, shift_m: tuple[float, float], side: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """File rows and columns of the lattice points in the block of ``_NODE`` cells at (r, k)."""
        edge = np.array([-0.5, (_NODE - 1) / 2, _NODE - 0.5])
        rr, kk = np.meshgrid(r + edge, k + edge, indexing="ij")
        east, north = piece.east_north(rr, kk)
        east, north = east - shift_m[0], north - shift_m[1]
        if not same(self.crs_wkt, piece.crs_wkt):
            east, north = transformer(piece.crs_wkt, self.crs_wkt).transform(east, north, errcheck=False)
        a, b, c, d, e, f = self.affine
        det = a * e - b * d
        col = (e * (east - c) - b * (north - f)) / det
        row = (a * (north - f) - d * (east - c)) / det
        at = (np.arange(_NODE * side) + 0.5) / (_NODE * side)
        # Quadratic through three nodes a side: the curvature of a map projection over 32 cells.
        basis = np.stack([2 * (at - 0.5) * (at - 1), -4 * at * (at - 1), 2 * at * (at - 0.5)])
        return basis.T @ row @ basis, basis.T @ col @ basis

    # -- cells of the file ---------------------------------------------------------------------------
    def _window(
        self, source: Any, r0: int, r1: int, c0: int, c1: int, wanted: tuple[str, ...]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Bands (n, rows, cols) in parts of white, zero where not photographed; and where it was."""
        from rasterio.errors import RasterioError

        n = self.every
        window = ((r0 * n, min(r1 * n, source.height)), (c0 * n, min(c1 * n, source.width)))
        if self.palette is not None:
            numbers = [1]
        elif self.black_is_missing or self.nodata is not None:
            # Whether a cell was photographed shows only in all bands together.
            numbers = [i + 1 for i, name in enumerate(self.bands) if name != "alpha"]
        else:
            numbers = [self.bands.index(name) + 1 for name in wanted]
        try:
            raw = source.read(numbers, window=window)[:, ::n, ::n]
            if self.alpha is not None:
                cover = source.read(self.alpha, window=window)[::n, ::n]
                seen = cover > 0.5 * self._alpha_full(cover.dtype)
            elif self.mask:
                seen = source.dataset_mask(window=window)[::n, ::n] > 127
            else:
                seen = np.ones(raw.shape[1:], bool)
        except (RasterioError, OSError) as fault:
            raise InputRefused(
                "cells of the orthomosaic cannot be decoded",
                file=self.name,
                mend="The file is damaged: deliver it again.",
            ) from fault
        if self.nodata is not None:
            seen &= ~(raw == self.nodata).all(axis=0)
        if self.palette is not None:
            table = np.asarray(self.palette, np.float32) / 255.0
            rgb = np.moveaxis(table[np.clip(raw[0].astype(np.intp), 0, len(table) - 1)], -1, 0)
            values = np.stack([rgb[COLOURS.index(name)] for name in wanted])
        else:
            if self.black_is_missing:
                seen &= (raw != 0).any(axis=0)
            order = [numbers.index(self.bands.index(name) + 1) for name in wanted]
            values = raw[order].astype(np.float32)
            if raw.dtype.kind == "f":
                # Flipped bits decode to ±3e38; no picture is a hundred times whiter than white.
                seen &= (np.isfinite(values) & (np.abs(values) < 100 * self.white)).all(axis=0)
            values /= np.float32(self.white)
        return np.where(seen, values, np.float32(0)), seen

    @staticmethod
    def _alpha_full(dtype: np.dtype[Any]) -> float:
        # A 16-bit file often carries an 8-bit alpha; 255 must then count as seen.
        return 1.0 if dtype.kind == "f" else 255.0 if dtype.itemsize == 1 else 2.0
