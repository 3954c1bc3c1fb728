"""Scenes that lie in files: decoded once, put on the watch grid, turned into reflectance.

A scene may be one file with several bands or a file per band, in any system and cell size. Where a file's
cells already are the watch's cells its blocks are read as they are; otherwise it is resampled (cubic; mean
when the watch's cells are larger), its mask by the nearest cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey.errors import InputRefused
from survey.grid import Grid
from survey.imagery.triggers.kernels import moved_counts
from survey.imagery.triggers.slabs import read_native
from survey.jit import kernel
from survey.rasters.describe import DAMAGED
from survey.rasters.handles import Pin, dataset

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

ALIGNED = 2e-3
"""Cells: placements that agree to this over the whole file are one lattice."""


@dataclass(frozen=True)
class BandFile:
    """One file of a scene: which of its bands are wanted, and what its numbers mean.

    ``take``: (band of the file from 1, band of the scene from 0). ``frame_wkt``: its system, metric or
    degrees.
    """

    pin: Pin
    take: tuple[tuple[int, int], ...]
    scale: float
    offset: float
    nodata: float | None
    zero_is_missing: bool
    affine: tuple[float, float, float, float, float, float]
    frame_wkt: str
    height: int
    width: int
    block: tuple[int, int]


@dataclass(frozen=True)
class MaskFile:
    pin: Pin
    clear: tuple[int, ...]
    nodata: float | None
    affine: tuple[float, float, float, float, float, float]
    frame_wkt: str
    height: int
    width: int
    block: tuple[int, int]


def lattice_offset(
    affine: tuple[float, float, float, float, float, float], frame_wkt: str, grid: Grid, size: int
) -> tuple[float, float] | None:
    """(row, col) of the watch grid's first cell in the file, if both have parallel cells of one size."""
    from pyproj import CRS

    a, b, c, d, e, f = affine
    if b or d or a <= 0 or e >= 0:
        return None
    if frame_wkt != grid.crs_wkt and CRS.from_user_input(frame_wkt) != grid.crs:
        return None
    if max(abs(a / grid.cell_east - 1), abs(-e / grid.cell_north - 1)) * max(size, 1) > ALIGNED:
        return None
    return (f - grid.north) / -e, (grid.west - c) / a


@dataclass(frozen=True)
class FileScene:
    """A dated scene of the watch, from one file or a file per band."""

    date: date
    key: str
    name: str
    bands: int
    files: tuple[BandFile, ...]
    mask: MaskFile | None = None

    def read(self, piece: Grid) -> NDArray[np.uint16]:
        if len(self.files) == 1 and [place for _, place in self.files[0].take] == list(range(self.bands)):
            return _counts(self.files[0], piece)
        out = np.zeros((self.bands, piece.height, piece.width), np.uint16)
        for file in self.files:
            got = _counts(file, piece)
            for k, (_, place) in enumerate(file.take):
                # Of several files for one band (neighbouring tiles) the first that measured a cell is taken.
                out[place] = np.where(out[place] == 0, got[k], out[place])
        # A cell that lacks one band has none.
        return np.where((out > 0).all(axis=0), out, np.uint16(0))

    def read_clear(self, piece: Grid) -> NDArray[np.bool_] | None:
        return None if self.mask is None else _clear(self.mask, piece)


def _counts(file: BandFile, piece: Grid) -> NDArray[np.uint16]:
    """(band, row, col) of one file on a piece of the watch grid."""
    bands = tuple(b for b, _ in file.take)
    offset = lattice_offset(file.affine, file.frame_wkt, piece, max(file.height, file.width))
    if offset is None:
        return _resampled(file, piece, bands)
    row, col = offset[0] + piece.row0, offset[1] + piece.col0
    whole_row, whole_col = math.floor(row + ALIGNED), math.floor(col + ALIGNED)
    part_row, part_col = max(row - whole_row, 0.0), max(col - whole_col, 0.0)
    between = part_row > ALIGNED or part_col > ALIGNED
    margin = 2 if between else 0
    raw, (top, bottom, left, right) = read_native(
        file.pin,
        bands,
        (file.height, file.width),
        file.block,
        whole_row - margin,
        whole_col - margin,
        piece.height + 2 * margin,
        piece.width + 2 * margin,
    )
    rows, cols = piece.height + 2 * margin, piece.width + 2 * margin
    found = counts_of(raw, file)
    if found.shape[1:] == (rows, cols):
        out = found
    else:
        out = np.zeros((len(bands), rows, cols), np.uint16)
        r, c = top - whole_row + margin, left - whole_col + margin
        out[:, r : r + bottom - top, c : c + right - left] = found
    if not between:
        return out
    return np.ascontiguousarray(moved_counts(out, part_row, part_col)[:, margin:-margin, margin:-margin])


def _missing(file: BandFile) -> float:
    """The number that stands for nothing; NaN if there is none."""
    if file.nodata is not None:
        return float(file.nodata)
    return 0.0 if file.zero_is_missing else math.nan


@kernel
def counted_values(
    raw: NDArray[np.generic], scale: float, offset: float, missing: float
) -> NDArray[np.uint16]:
    """Counts of reflectance = scale · number + offset, (band, row, col); 0 in every band where any is
    missing."""
    bands, rows, cols = raw.shape
    out = np.zeros((bands, rows, cols), np.uint16)
    gain, add = scale / 1e-4, offset / 1e-4 + 0.5
    for r in range(rows):
        for c in range(cols):
            whole = True
            for b in range(bands):
                v = float(raw[b, r, c])
                if v == missing or not np.isfinite(v):
                    whole = False
            if whole:
                for b in range(bands):
                    out[b, r, c] = np.uint16(min(max(raw[b, r, c] * gain + add, 1.0), 65535.0))
    return out


def counts_of(raw: NDArray[np.generic], file: BandFile) -> NDArray[np.uint16]:
    """``counted_values`` of a file's own numbers; of numbers of one or two bytes each is worked out once."""
    missing = _missing(file)
    if raw.dtype in (np.uint8, np.uint16):
        table, same = _table(raw.dtype.itemsize, file.scale, file.offset, missing)
        # Most deliveries count as we do, and most of a tile was measured: nothing is to be done then.
        if same and raw.size and raw.min() > 0:
            return raw.astype(np.uint16, copy=False)
        return looked_up(raw, table)
    return counted_values(raw, file.scale, file.offset, missing)


@lru_cache(maxsize=64)
def _table(itemsize: int, scale: float, offset: float, missing: float) -> tuple[NDArray[np.uint16], bool]:
    """The counts of all numbers, and whether the number itself is its count but for 0."""
    numbers = np.arange(256**itemsize, dtype=np.uint16).reshape(1, 1, -1)
    table = counted_values(numbers, scale, offset, missing)[0, 0]
    return table, itemsize == 2 and bool((table[1:] == numbers[0, 0, 1:]).all())


@kernel
def looked_up(raw: NDArray[np.generic], table: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Counts of numbers (band, row, col) by a table in which 0 stands for missing; 0 in every band where any
    is."""
    bands, rows, cols = raw.shape
    out = np.empty((bands, rows, cols), np.uint16)
    lacking = np.empty(cols, np.bool_)
    for r in range(rows):
        lacking[:] = False
        for b in range(bands):
            line, into = raw[b, r], out[b, r]
            for c in range(cols):
                into[c] = table[line[c]]
            for c in range(cols):
                lacking[c] |= into[c] == 0
        if lacking.any():
            for b in range(bands):
                into = out[b, r]
                for c in range(cols):
                    if lacking[c]:
                        into[c] = 0
    return out


def _warped(
    opened: DatasetReader,
    frame_wkt: str,
    affine: tuple[float, float, float, float, float, float],
    piece: Grid,
    bands: tuple[int, ...],
    nodata: float | None,
    how: str,
) -> NDArray[np.float32]:
    from affine import Affine
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    with WarpedVRT(
        opened,
        src_crs=frame_wkt,
        src_transform=Affine(*affine),
        crs=piece.crs_wkt,
        transform=piece.transform,
        width=piece.width,
        height=piece.height,
        resampling=Resampling[how],
        src_nodata=nodata,
        nodata=np.nan,
        dtype="float32",
        tolerance=0.05,
    ) as vrt:
        out: NDArray[np.float32] = vrt.read(list(bands))
    return out


def _cells_ratio(affine: tuple[float, ...], frame_wkt: str, grid: Grid) -> float:
    """Watch cell over file cell, by side."""
    from pyproj import CRS

    side = math.sqrt(abs(affine[0] * affine[4] - affine[1] * affine[3]))
    if CRS.from_user_input(frame_wkt).is_geographic:
        side *= 111_000.0
    return grid.cell_m / side


def _resampled(file: BandFile, piece: Grid, bands: tuple[int, ...]) -> NDArray[np.uint16]:
    from rasterio.errors import RasterioError

    how = "average" if _cells_ratio(file.affine, file.frame_wkt, piece) > 1.5 else "cubic"
    missing = _missing(file)
    try:
        values = _warped(
            dataset(file.pin),
            file.frame_wkt,
            file.affine,
            piece,
            bands,
            None if math.isnan(missing) else missing,
            how,
        )
    except RasterioError as error:
        raise InputRefused("cannot be laid on the watch grid", file=file.pin.name, mend=DAMAGED) from error
    return counted_values(values, file.scale, file.offset, math.nan)


def _clear(mask: MaskFile, piece: Grid) -> NDArray[np.bool_]:
    """True where the mask says clear; what the mask does not cover is not clear."""
    offset = lattice_offset(mask.affine, mask.frame_wkt, piece, max(mask.height, mask.width))
    if offset is not None:
        r0, c0 = round(offset[0]) + piece.row0, round(offset[1]) + piece.col0
        raw, (top, bottom, left, right) = read_native(
            mask.pin, (1,), (mask.height, mask.width), mask.block, r0, c0, piece.height, piece.width
        )
        out = np.zeros(piece.shape, bool)
        if raw.size:
            out[top - r0 : bottom - r0, left - c0 : right - c0] = np.isin(raw[0], mask.clear)
        return out
    values = _warped(dataset(mask.pin), mask.frame_wkt, mask.affine, piece, (1,), mask.nodata, "nearest")[0]
    return np.isin(np.nan_to_num(values, nan=-9999.0), np.array(mask.clear, np.float32))
