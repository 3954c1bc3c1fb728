"""From stored numbers to heights: one pass over each block, in place where the file holds float32.

Reading must cost no more than decoding. The only work done beside GDAL's is this pass, which turns nodata
into NaN, applies scale, offset and unit, and counts the cells that no ground on Earth can hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.windows import Window

from survey.errors import InputRefused
from survey.jit import kernel
from survey.rasters.handles import Pin, dataset
from survey.rasters.tiles import read_tiles

LOWEST_M = -600.0
HIGHEST_M = 9000.0
"""Heights outside these are not ground: the Dead Sea shore lies at -430 m, Everest at 8849 m."""

SENTINELS = (
    -9999.0,
    9999.0,
    -99999.0,
    99999.0,
    -999999.0,
    -10000.0,
    -32767.0,
    -32768.0,
    32767.0,
    65535.0,
    -2147483648.0,
    2147483647.0,
    1e20,
    -1e20,
    1e30,
    -1e30,
    1e32,
    -1e32,
    1e38,
    -1e38,
    3.4e38,
    -3.4e38,
    3.402823e38,
    -3.402823e38,
    3.40282306e38,
    -3.40282306e38,
    3.4028234663852886e38,
    -3.4028234663852886e38,
    1.70141e38,
    1.701410009187828e38,
    -1.7976931348623157e308,
    1.7976931348623157e308,
    math.inf,
    -math.inf,
)
"""Numbers that programs write where they measured nothing. None is a height in metres; where one is found
as a stored value far from any ground, it means *not measured* even if the file does not declare it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """How a file holds heights: what a worker needs to open it and turn its numbers into metres.

    height [m] = stored · ``scale`` + ``offset`` (the unit of height is already in both).

    ``nodata``: stored values that mean *not measured*. ``usual``: heights that need no second look (metres):
    no nodata value, no sentinel and no impossible height lies between them. ``flip_rows``/``flip_cols``: the
    file runs north or west; ``rows × cols`` is its shape.
    """

    pin: Pin
    rows: int
    cols: int
    dtype: str
    band: int = 1
    nodata: tuple[float, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    has_mask: bool = False
    alpha_band: int | None = None
    mask_pin: Pin | None = None
    flip_rows: bool = False
    flip_cols: bool = False
    usual: tuple[float, float] = (LOWEST_M, HIGHEST_M)

    @property
    def plain(self) -> bool:
        """Stored as the heights themselves."""
        return self.dtype == "float32" and self.scale == 1.0 and self.offset == 0.0


@kernel
def screen(
    heights: NDArray[np.float32],
    nodata: np.float32,
    other: np.float32,
    low: np.float32,
    high: np.float32,
    usual_low: np.float32,
    usual_high: np.float32,
) -> int:
    """Set cells equal to ``nodata`` or ``other`` to NaN in place; count those outside [low, high].

    ``heights`` is C-contiguous. NaN for ``nodata`` or ``other`` matches nothing. Infinities count.
    [usual_low, usual_high] lies in [low, high].
    """
    flat = heights.reshape(-1)
    middle, half = np.float32((usual_low + usual_high) / 2), np.float32((usual_high - usual_low) / 2)
    # Nodata nearly always lies outside the usual heights. A stretch without anything unusual is then only
    # looked at, with one comparison a cell: 1.6 % of the time that decoding it took.
    always = (abs(nodata - middle) <= half) or (abs(other - middle) <= half)
    outside = np.int64(0)
    for start in range(0, flat.size, 4096):
        part = flat[start : start + 4096]
        unusual = np.int32(always)
        for i in range(part.size):
            unusual += np.int32(abs(part[i] - middle) > half)
        if unusual:
            for i in range(part.size):
                value = part[i]
                empty = (value == nodata) | (value == other)
                outside += np.int64((not empty) & ((value < low) | (value > high)))
                part[i] = np.float32(np.nan) if empty else value
    return int(outside)


@kernel
def convert(
    stored: NDArray[Any],
    heights: NDArray[np.float32],
    nodata: NDArray[np.float64],
    scale: float,
    offset: float,
    low: float,
    high: float,
) -> int:
    """``heights = stored · scale + offset`` in float64, NaN at nodata; count those outside [low, high]."""
    source = stored.reshape(-1)
    target = heights.reshape(-1)
    outside = 0
    # Two values cover nearly all files, and a loop without an inner loop runs on vectors: six times faster.
    first = nodata[0] if nodata.size > 0 else np.nan
    second = nodata[1] if nodata.size > 1 else np.nan
    for i in range(source.size):
        value = np.float64(source[i])
        empty = (value == first) | (value == second)
        height = value * scale + offset
        outside += int((not empty) & ((height < low) | (height > high)))
        target[i] = np.float32(np.nan) if empty else np.float32(height)
    for k in range(2, nodata.size):
        for i in range(source.size):
            if np.float64(source[i]) == nodata[k] and target[i] == target[i]:
                outside -= int((target[i] < low) | (target[i] > high))
                target[i] = np.float32(np.nan)
    return outside


def read_stored(
    stored: Stored, r0: int, r1: int, c0: int, c1: int, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """The stored numbers of rows [r0, r1), columns [c0, c1) of the file as it lies, in ``out`` if given.

    Raises
    ------
    InputRefused
        A block cannot be decoded.
    """
    return _read(stored.pin, stored.band, r0, r1, c0, c1, out=out)


def read_mask(stored: Stored, r0: int, r1: int, c0: int, c1: int) -> NDArray[np.bool_] | None:
    """True where the file's mask or alpha band says *nothing here*; None if it has neither."""
    hidden: NDArray[np.bool_] | None = None
    if stored.has_mask:
        hidden = _read(stored.pin, stored.band, r0, r1, c0, c1, masks=True) == 0
    if stored.alpha_band is not None:
        alpha = _read(stored.pin, stored.alpha_band, r0, r1, c0, c1) == 0
        hidden = alpha if hidden is None else hidden | alpha
    if stored.mask_pin is not None:
        outer = _read(stored.mask_pin, 1, r0, r1, c0, c1) == 0
        hidden = outer if hidden is None else hidden | outer
    return hidden


def read_heights(
    stored: Stored, r0: int, r1: int, c0: int, c1: int, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Heights in metres of a window inside the surface, north up and east right: float32, NaN = nothing.

    Rows and columns are counted on the turned file. ``out`` (C-contiguous, of the window's shape) receives
    the heights where that saves a copy; the result says where they stand.

    Raises
    ------
    InputRefused
        A block cannot be decoded, or holds numbers that are neither heights nor known for *nothing*.
    """
    top, bottom = (stored.rows - r1, stored.rows - r0) if stored.flip_rows else (r0, r1)
    left, right = (stored.cols - c1, stored.cols - c0) if stored.flip_cols else (c0, c1)
    direct = None if stored.flip_rows or stored.flip_cols else out
    window = (top, bottom, left, right)
    masked = stored.has_mask or stored.alpha_band is not None or stored.mask_pin is not None
    if stored.plain and stored.band == 1 and not masked and len(stored.nodata) <= 2:
        raw = np.empty((bottom - top, right - left), np.float32) if direct is None else direct
        odd = read_tiles(stored.pin, *window, _usual(stored), raw)
        if odd is None:
            read_stored(stored, *window, raw)
        elif not odd:
            return _turned(stored, raw)
    else:
        raw = read_stored(stored, *window, direct if stored.plain else None)
    hidden = read_mask(stored, *window)
    if stored.plain and len(stored.nodata) <= 2:
        if hidden is not None:
            raw[hidden] = np.nan
        first, second = (*stored.nodata, math.nan, math.nan)[:2]
        heights = raw
        outside = screen(
            heights,
            as_float32(first),
            as_float32(second),
            as_float32(LOWEST_M),
            as_float32(HIGHEST_M),
            *(as_float32(v) for v in stored.usual),
        )
    else:
        heights = np.empty(raw.shape, np.float32) if direct is None or stored.plain else direct
        outside = convert(raw, heights, nodata_as(stored), stored.scale, stored.offset, LOWEST_M, HIGHEST_M)
        if hidden is not None:
            heights[hidden] = np.nan
    if outside:
        _settle(stored, raw, heights, window)
    return _turned(stored, heights)


def _usual(stored: Stored) -> tuple[float, float]:
    """The usual heights, or nothing at all where nodata lies among them."""
    low, high = stored.usual
    return (1.0, -1.0) if any(low <= v <= high for v in stored.nodata) else (low, high)


def _turned(stored: Stored, heights: NDArray[np.float32]) -> NDArray[np.float32]:
    """North up, east right."""
    if stored.flip_rows:
        heights = heights[::-1]
    if stored.flip_cols:
        heights = heights[:, ::-1]
    return np.ascontiguousarray(heights)


def nodata_as(stored: Stored) -> NDArray[np.float64]:
    """The nodata values as they look when stored in the file's type and read as float64."""
    values = [float(as_float32(v)) if stored.dtype == "float32" else v for v in stored.nodata]
    return np.array([v for v in values if not math.isnan(v)], np.float64)


@lru_cache(maxsize=64)
def as_float32(value: float) -> np.float32:
    """``value`` as a float32 file would hold it: numbers beyond its range become infinite."""
    with np.errstate(over="ignore"):
        return np.float32(value)


def is_sentinel(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which stored values are numbers that programs write for *nothing*."""
    known = np.array(SENTINELS, np.float64)
    if values.dtype == np.float32:
        with np.errstate(over="ignore"):
            known = known.astype(np.float32)
    return np.isin(values, known)


def _settle(
    stored: Stored,
    raw: NDArray[Any],
    heights: NDArray[np.float32],
    window: tuple[int, int, int, int],
) -> None:
    """Cells that cannot be ground: nothing was measured there, or the file is damaged."""
    wild = (heights < LOWEST_M) | (heights > HIGHEST_M)
    values = raw[wild]
    known = is_sentinel(values)
    if known.all():
        heights[wild] = np.nan
        return
    odd = values[~known]
    top, bottom, left, right = window
    raise InputRefused(
        f"{odd.size} cells in rows {top} to {bottom - 1}, columns {left} to {right - 1} hold numbers that no "
        f"ground has, such as {float(odd[0]):.6g}",
        expected=f"heights between {LOWEST_M:.0f} and {HIGHEST_M:.0f} m",
        file=stored.pin.name,
        mend="Declare the value that means nodata (gdal_edit.py -a_nodata VALUE FILE); if there is none, the "
        "file is damaged: send it again.",
    )


def _read(
    pin: Pin,
    band: int,
    r0: int,
    r1: int,
    c0: int,
    c1: int,
    *,
    masks: bool = False,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    opened = dataset(pin)
    window = Window(c0, r0, c1 - c0, r1 - r0)
    try:
        found: NDArray[Any] = (
            opened.read_masks(band, window=window) if masks else opened.read(band, window=window, out=out)
        )
    except (RasterioError, CPLE_BaseError, OSError) as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200].rstrip(".")
        raise InputRefused(
            f"rows {r0} to {r1 - 1}, columns {c0} to {c1 - 1} cannot be decoded ({reason})",
            file=pin.name,
            mend="The file is damaged or was not copied whole: send it again.",
        ) from error
    return found
