"""What is not a surface, and which numbers mean *nothing*: decided on evidence, from a first look.

Refused where any volume would be wrong; remarked on where it would be doubtful. Each rule says its reason
in the message. The look sees a few whole blocks; every cell is screened again while reading
(``survey.dem.decode``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.dem.decode import HIGHEST_M, LOWEST_M, Stored, is_sentinel
from survey.dem.sample import Sample
from survey.errors import InputRefused
from survey.rasters.describe import RasterDescription
from survey.rasters.tiff import LOSSY_PICTURE
from survey.remark import Remark

FAR_M = 30.0
"""A constant that stands this far off all other heights is no ground."""
UNSEEN_ZERO_M = 50.0
MANY = 16
SMALLEST_SIDE = 3
SMALLEST_CELL_M, LARGEST_CELL_M = 0.002, 1000.0
COARSE_STEP_M = 0.25
LARGEST_LOSS_M = 0.01


def refuse_by_description(raster: RasterDescription) -> tuple[int, int | None]:
    """Refuse what its header shows to be no elevation model; return (band of heights, alpha band).

    Raises
    ------
    InputRefused
    """
    bands = raster.bands
    mend = "Deliver the elevation model (DSM or DTM) as a one-band GeoTIFF of heights."
    if raster.width < SMALLEST_SIDE or raster.height < SMALLEST_SIDE:
        raise InputRefused(
            f"has {raster.width} × {raster.height} cells", expected="a surface", file=raster.name, mend=mend
        )
    if raster.photometric in ("RGB", "palette", "CMYK", "YCbCr") or any(
        band.color in ("red", "green", "blue", "palette") for band in bands
    ):
        raise InputRefused("is a colour picture, not an elevation model", file=raster.name, mend=mend)
    if raster.compression in LOSSY_PICTURE:
        raise InputRefused(
            f"is compressed with {raster.compression}, which changes heights",
            expected="lossless compression",
            file=raster.name,
            mend="Export it again with ZSTD, DEFLATE or LZW from the processing software.",
        )
    height_bands = [i for i, band in enumerate(bands, 1) if i != raster.alpha_band]
    if len(height_bands) != 1:
        raise InputRefused(
            f"has {len(height_bands)} bands; nothing says which one holds heights",
            file=raster.name,
            mend=mend,
        )
    band = height_bands[0]
    dtype = bands[band - 1].dtype
    if dtype.startswith("complex") or dtype not in _WIDTH:
        raise InputRefused(f"holds {dtype} numbers", expected="heights", file=raster.name, mend=mend)
    if _WIDTH[dtype] == 1 or raster.bits < 9:
        raise InputRefused(
            "holds 8-bit numbers, as hillshades and pictures do; heights do not fit into 256 steps",
            expected="16 or more bits",
            file=raster.name,
            mend=mend,
        )
    return band, raster.alpha_band


_WIDTH = {
    "uint8": 1,
    "int8": 1,
    "uint16": 2,
    "int16": 2,
    "uint32": 4,
    "int32": 4,
    "uint64": 8,
    "int64": 8,
    "float16": 2,
    "float32": 4,
    "float64": 8,
}


@dataclass(frozen=True)
class Nothing:
    """Stored values that mean *not measured* though the file does not say so."""

    values: tuple[float, ...]
    remarks: tuple[Remark, ...]
    lowest_m: float  # of the ground that was seen
    highest_m: float


def undeclared_nodata(stored: Stored, samples: Sequence[Sample], *, declared: bool) -> Nothing:
    """Find constants that stand for *nothing*.

    ``declared``: the file declares a nodata value or carries a mask.

    Raises
    ------
    InputRefused
        Numbers that no ground has and no program writes for nothing; or zeros of which nobody can say
        whether they are sea level or a border.
    """
    found: dict[float, int] = {}
    low, high = math.inf, -math.inf
    odd: dict[float, int] = {}
    counts: dict[float, int] = {}
    for sample in samples:
        values = sample.raw[sample.valid]
        if values.size == 0:
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            heights = values.astype(np.float64) * stored.scale + stored.offset
        wild = ~((heights >= LOWEST_M) & (heights <= HIGHEST_M))
        if wild.any():
            for value, count in zip(*np.unique(values[wild], return_counts=True), strict=True):
                bag = found if bool(is_sentinel(np.array([value]))[0]) else odd
                bag[float(value)] = bag.get(float(value), 0) + int(count)
            values, heights = values[~wild], heights[~wild]
        suspect = np.zeros(values.size, bool)
        for candidate in _candidates(values):
            same = values == candidate
            if same.any():
                counts[float(candidate)] = counts.get(float(candidate), 0) + int(same.sum())
                suspect |= same
        rest = heights[~suspect]
        if rest.size:
            low, high = min(low, float(rest.min())), max(high, float(rest.max()))
    remarks: list[Remark] = []
    if odd:
        _settle_odd(stored, odd, found)
    for value, count in sorted(counts.items()):
        height = value * stored.scale + stored.offset
        gap = max(low - height, height - high) if low <= high else -math.inf
        if gap > FAR_M and (value != 0 or count >= 1):
            found[value] = count
        elif value == 0 and count >= MANY:
            remarks += _zeros(stored, samples, declared=declared, nothing_else=low > high)
    for value, count in sorted(found.items()):
        remarks.append(
            Remark(
                "undeclared-nodata",
                f"the value {value:.6g} is not declared as nodata but stands far from all ground "
                f"({count} cells in the first look); it is read as not measured",
                "caution",
            )
        )
    if 0.0 not in found and _zero_is_impossible(stored, low, high):
        found[0.0] = 0
        remarks.append(
            Remark(
                "zero-is-nothing",
                f"cells of exactly zero, if there are any, are read as not measured: all ground seen in the "
                f"first look lies between {low:.0f} and {high:.0f} m",
                "info",
            )
        )
    return Nothing(tuple(sorted(found)), tuple(remarks), low, high)


def _zero_is_impossible(stored: Stored, low: float, high: float) -> bool:
    """Is a stored zero farther from the ground seen than that ground is tall?

    Mosaics are often filled with zeros beside a declared nodata value, in places that a first look misses.
    """
    if not low <= high or 0.0 in stored.nodata:
        return False
    zero = stored.offset
    return max(low - zero, zero - high) > max(UNSEEN_ZERO_M, high - low)


def usual_heights(stored: Stored, low: float, high: float) -> tuple[float, float]:
    """The widest range around the ground seen that holds no nodata value: see ``Stored.usual``."""
    floor, ceiling = LOWEST_M, HIGHEST_M
    for value in stored.nodata:
        height = value * stored.scale + stored.offset
        if floor <= height < low:
            floor = (height + low) / 2
        elif high < height <= ceiling:
            ceiling = (height + high) / 2
    return floor, ceiling


def _candidates(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Stored values inside the range of heights that programs also write for nothing."""
    if values.size == 0:
        return values
    names = [0, -999, -9999, -10000, -32768, -32767, 32767, 65535]
    low, high = float(values.min()), float(values.max())
    return np.array([n for n in names if low <= n <= high]).astype(values.dtype)


def _settle_odd(stored: Stored, odd: dict[float, int], found: dict[float, int]) -> None:
    constants = {value: count for value, count in odd.items() if count >= 4 * MANY}
    if len(constants) <= 2 and len(constants) == len(odd):
        found.update(constants)
        return
    value = next(iter(odd))
    raise InputRefused(
        f"{sum(odd.values())} cells of a first look hold numbers that no ground has, such as {value:.6g}",
        expected=f"heights between {LOWEST_M:.0f} and {HIGHEST_M:.0f} m",
        file=stored.pin.name,
        mend="Declare the value that means nodata, the scale, or the unit of height; if none applies, the "
        "file is damaged: send it again.",
    )


def _zeros(stored: Stored, samples: Sequence[Sample], *, declared: bool, nothing_else: bool) -> list[Remark]:
    """Many cells hold exactly zero, and other heights are near. Sea level, or nothing?

    Ground meets the sea at the sea's height. Where cells beside the zeros stand well above them, the zeros
    are cut out.
    """
    if nothing_else:
        raise InputRefused(
            "every measured cell of a first look is exactly zero",
            file=stored.pin.name,
            mend="Send the elevation model itself; if the ground is flat at zero, declare another nodata "
            "value.",
        )
    steps, jumps = [], []
    for sample in samples:
        z = sample.metres(stored)
        zero = sample.valid & (sample.raw == 0)
        for axis in (0, 1):
            a, b = (np.delete(z, -1, axis), np.delete(z, 0, axis))
            za, zb = (np.delete(zero, -1, axis), np.delete(zero, 0, axis))
            step = np.abs(a - b)
            jumps.append(step[(za ^ zb) & np.isfinite(step)])
            steps.append(step[~za & ~zb & np.isfinite(step)])
    jump, step = np.concatenate(jumps), np.concatenate(steps)
    if jump.size == 0 or step.size == 0:
        return []
    cut_out = float(np.median(jump)) > max(1.0, 8 * float(np.median(step)), 2 * stored.scale)
    if not cut_out:
        return []
    if declared:
        return [
            Remark(
                "zeros",
                "many cells are exactly zero beside ground that stands above them; they are read as heights, "
                "because the file declares another nodata value",
                "serious",
            )
        ]
    raise InputRefused(
        "many cells are exactly zero beside ground that stands above them, and the file declares no nodata: "
        "nobody can say whether they are sea level or unmeasured",
        file=stored.pin.name,
        mend="Declare it: gdal_edit.py -a_nodata 0 FILE if zeros are unmeasured, -a_nodata -9999 FILE if "
        "they are ground.",
    )


def refuse_pictures(stored: Stored, samples: Sequence[Sample], cell_m: float) -> tuple[Remark, ...]:
    """Tell a hillshade, a mask or a wrong scale from ground, by range and roughness.

    Ground is smooth at the scale of cells: neighbours differ by slope times cell size. A hillshade is not.

    Raises
    ------
    InputRefused
        The numbers lie between 0 and 255 and jump from cell to cell as no ground does, or lie on the grey
        that hillshades give to flat ground.
    """
    steps, values = [], []
    for sample in samples:
        z = sample.metres(stored)[:256, :256]
        values.append(z[np.isfinite(z)][::7])
        for d in (np.diff(z[:, ::7], axis=0), np.diff(z[::7], axis=1)):
            steps.append(d[np.isfinite(d)])
    z, step = np.concatenate(values), np.concatenate(steps).astype(np.float64)
    if z.size < 4 * MANY or step.size < 4 * MANY:
        return ()
    low, high = float(z.min()), float(z.max())
    spread = float(z.std(dtype=np.float64))
    rms = float(np.sqrt(np.mean(step**2)))
    roughness = rms**2 / (2 * spread**2) if spread > 0 else 0.0
    steep = float(np.median(np.abs(step))) / cell_m
    whole = bool((z == np.floor(z)).all())
    mend = "Deliver the elevation model itself, in metres."
    if low >= 0 and 180 < high <= 255.5:
        # Hillshades of real ground (lidar 1 m and 3 m, drone 1 m and 3 m) have roughness 0.03 to 0.4 and rms
        # slopes of 1.7 to 20; the ground itself 0.00003 to 0.013 and 0.07 to 0.34. Noise of centimetres on
        # fine cells makes the grey of neighbours differ by several units.
        jumpy = (roughness > 0.02 and rms / cell_m > 1) or (roughness > 0.003 and steep > 0.9)
        if spread > 8 and jumpy:
            raise InputRefused(
                "looks like a hillshade: its numbers lie between 0 and 255 and jump from cell to cell as no "
                "ground does",
                expected="heights",
                file=stored.pin.name,
                mend=mend,
            )
        grey = float(np.mean((z >= 180) & (z <= 181)))
        if whole and grey > 0.2 and high > 200 and low < 160:
            raise InputRefused(
                f"looks like a hillshade: whole numbers between 0 and 255, {grey:.0%} of them the grey of "
                "flat ground",
                expected="heights",
                file=stored.pin.name,
                mend=mend,
            )
    remarks = []
    if high - low <= 1.0 and spread > 0 and low >= 0 and high <= 1.0:
        remarks.append(
            Remark(
                "range-zero-to-one",
                "all numbers lie between 0 and 1, as in masks and scaled pictures; is it an elevation model?",
                "serious",
            )
        )
    if 0 <= low < 1 and 5 < high <= 90 and spread < 30 and roughness > 0.02:
        remarks.append(
            Remark(
                "range-of-slopes",
                "all numbers lie between 0 and 90 and jump from cell to cell, as slopes in degrees do; is it "
                "an elevation model?",
                "serious" if low < 0.2 else "caution",
            )
        )
    if steep > 2.0:
        remarks.append(
            Remark(
                "too-steep",
                f"half of the ground would be steeper than {math.degrees(math.atan(steep)):.0f}°: check unit "
                "and scale of the heights",
                "serious",
            )
        )
    return tuple(remarks)


def remark_on_precision(stored: Stored, raster: RasterDescription) -> tuple[Remark, ...]:
    """Heights that step."""
    remarks = []
    if stored.dtype.startswith(("int", "uint")) and abs(stored.scale) >= COARSE_STEP_M:
        remarks.append(
            Remark(
                "coarse-heights",
                f"heights are whole steps of {abs(stored.scale):.3g} m; if they were meant as decimetres or "
                "centimetres, the scale is missing from the file",
                "caution",
            )
        )
    lossy_m = _number(dict(raster.tags).get("MAX_Z_ERROR")) * abs(stored.scale)
    if lossy_m > LARGEST_LOSS_M:
        remarks.append(
            Remark(
                "lossy-heights",
                f"the compression may have changed each height by up to {lossy_m:.3g} m",
                "caution",
            )
        )
    if stored.dtype in ("float16", "float32") and raster.bits == 16:
        remarks.append(
            Remark("half-floats", "heights are 16-bit floats: steps of 0.25 m above 256 m", "caution")
        )
    return tuple(remarks)


def _number(text: str | None) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0


def check_cell(raster: RasterDescription, east_m: float, north_m: float) -> None:
    for side in (east_m, north_m):
        if not SMALLEST_CELL_M <= side <= LARGEST_CELL_M:
            raise InputRefused(
                f"has cells of {east_m:.3g} × {north_m:.3g} m",
                expected=f"between {SMALLEST_CELL_M} and {LARGEST_CELL_M:.0f} m",
                file=raster.name,
                mend="Its reference system or its georeference is wrong: export it in the UTM zone of the "
                "mine.",
            )
