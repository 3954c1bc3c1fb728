"""A first look into a file: a few whole blocks from all over it, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.dem.decode import Stored, nodata_as, read_mask, read_stored
from survey.errors import InputRefused
from survey.rasters.describe import RasterDescription

TILE_SIDE = 256
STRIP_CELLS = 400_000
Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class Sample:
    """Stored numbers of one window (rows [r0, r1), columns [c0, c1) of the file as it lies)."""

    window: Window
    raw: NDArray[Any]
    valid: NDArray[np.bool_]  # neither masked, nor declared nodata, nor NaN

    def without(self, stored: Stored) -> Sample:
        """The same numbers, with all nodata values of ``stored`` taken for nothing."""
        valid = self.valid.copy()
        for value in nodata_as(stored):
            valid &= self.raw != value
        return replace(self, valid=valid)

    def metres(self, stored: Stored) -> NDArray[np.float64]:
        """Heights, NaN where nothing was measured."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.where(self.valid, self.raw.astype(np.float64) * stored.scale + stored.offset, np.nan)


def first_look(raster: RasterDescription, stored: Stored) -> list[Sample]:
    """Windows at the corners, edges and middle of the file and at its first and last block written.

    Raises
    ------
    InputRefused
        A block cannot be decoded, or there is no measured cell in the whole file.
    """
    samples = [take(stored, window) for window in windows(raster)]
    if any(sample.valid.any() for sample in samples):
        return samples
    return [_first_measured(raster, stored)]


def take(stored: Stored, window: Window) -> Sample:
    raw = read_stored(stored, *window)
    hidden = read_mask(stored, *window)
    valid = np.ones(raw.shape, bool) if hidden is None else ~hidden
    for value in nodata_as(stored):
        valid &= raw != value
    if raw.dtype.kind == "f":
        valid &= ~np.isnan(raw)
    return Sample(window, raw, valid)


def windows(raster: RasterDescription) -> list[Window]:
    """At most 28 windows on whole blocks, sorted by place."""
    rows, cols = raster.block
    height, width = raster.height, raster.width
    # A strip goes right across; a few bands of strips do what a lattice of tiles does.
    across = cols >= width
    band_rows = rows if not across else max(rows, min(64, STRIP_CELLS // max(width, 1)))
    tall, wide = min(band_rows, TILE_SIDE), min(cols, width if across else TILE_SIDE)
    # A strip may hold the whole file; it is then looked at in several places all the same.
    starts_r = _spread(height, min(rows, tall), 7 if across else 5)
    starts_c = [0] if across else _spread(width, cols, 5)
    chosen = {(r, c) for r in starts_r for c in starts_c}
    per_row = -(-width // cols)
    per_band = per_row * -(-height // rows)
    for index in (*(raster.written or ()), raster.first_sparse):
        if index is not None:
            r, c = divmod(index % per_band, per_row)
            chosen.add((r * rows, c * cols))
    return sorted({(r, min(r + tall, height), c, min(c + wide, width)) for r, c in chosen})


def _spread(length: int, block: int, count: int) -> list[int]:
    """Starts of at most ``count`` blocks spread over ``length`` cells, the first and the last among them."""
    blocks = -(-length // block)
    picks = {round(k * (blocks - 1) / max(count - 1, 1)) for k in range(count)}
    return sorted(p * block for p in picks)


def _first_measured(raster: RasterDescription, stored: Stored) -> Sample:
    """The first stretch of the file that holds a measured cell: survey islands in a sea of nodata exist."""
    rows, cols = raster.block
    tall = max(rows, min(512, raster.height)) // rows * rows
    wide = max(cols, min(4096, raster.width)) // cols * cols
    for r in range(0, raster.height, tall):
        for c in range(0, raster.width, wide):
            sample = take(stored, (r, min(r + tall, raster.height), c, min(c + wide, raster.width)))
            if sample.valid.any():
                return sample
    raise InputRefused(
        "holds no measured cell: every one is nodata",
        file=stored.pin.name,
        mend="Send the elevation model itself; if it opens in a GIS, check its declared nodata value.",
    )
