"""Patches without noise: water, a filled gap, or ground that was levelled or smoothed.

A measured surface has noise; a patch that has almost none was made by a computer. That happens honestly
(lakes are levelled, gaps are interpolated, terrain models are drawn under trees), so a patch is described,
its harmless causes are named, and only what contradicts them raises the strength: ground that the orthomosaic
shows with texture, in a surface model, on no water.

Low noise alone is no sign: asphalt is smoother than scrub. What marks a computed patch is that its noise is
*missing at the finest scale*: it is smooth to the last digits, or its fine noise is far below its coarse
noise although elsewhere in the scene it is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.forensics.flag import Box, Flag, Outcome, Strength
from survey.forensics.noise import block_sigma, blocks, fine_texture, last_digit

TEST = "real.smooth_patch"
SQUARE = 8

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Squares:
    """Per square of ``SQUARE`` cells, (rows, cols): noise at the cell and at twice the cell, mean height,
    slope.
    """

    fine_m: Floats
    coarse_m: Floats
    mean_m: Floats
    slope: Floats  # m per cell
    known: Floats  # share of cells measured
    digit_m: float

    @staticmethod
    def joined(parts: list[list[Squares]]) -> Squares:
        """Tiles put together: a list of rows of tiles."""
        arrays = {
            n: np.block([[getattr(p, n) for p in row] for row in parts])
            for n in ("fine_m", "coarse_m", "mean_m", "slope", "known")
        }
        every = [p for row in parts for p in row]
        return Squares(**arrays, digit_m=max(p.digit_m for p in every))


def squares(z: NDArray[np.floating]) -> Squares:
    """The sums of one tile, (rows, cols) metres; what does not fill a square is left out."""
    heights = np.asarray(z, np.float64)
    cut = blocks(heights, SQUARE)
    known = np.isfinite(cut).mean(axis=-1)
    whole = known == 1
    mean = np.full(known.shape, np.nan)
    slope = np.full(known.shape, np.nan)
    y, x = (a.ravel() for a in np.mgrid[:SQUARE, :SQUARE] - (SQUARE - 1) / 2)
    if whole.any():
        values = cut[whole]
        mean[whole] = values.mean(axis=-1)
        slope[whole] = np.hypot(values @ x, values @ y) / float(x @ x)
    half = blocks(heights[: heights.shape[0] // 2 * 2, : heights.shape[1] // 2 * 2], 2).mean(axis=-1)
    coarse = block_sigma(fine_texture(half), SQUARE // 2)
    fine = block_sigma(fine_texture(heights), SQUARE)
    coarse = coarse[: fine.shape[0], : fine.shape[1]]
    return Squares(fine, coarse, mean, slope, known, last_digit(heights))


@dataclass(frozen=True)
class Patch:
    """A connected smooth patch."""

    mask: NDArray[np.bool_]  # squares
    box: Box  # cells
    area_m2: float
    fine_m: float
    kind: str  # level | plane | smoothed
    below_rim: float  # share of the squares around it that lie higher
    at_edge: bool


@dataclass(frozen=True)
class Settings:
    least_area_m2: float = 40.0
    least_squares: int = 4
    low: float = 0.25  # fine noise below this part of the scene's usual low
    missing: float = 0.35  # fine noise per coarse noise, below this part of the scene's usual
    last_digits: float = 4.0  # smooth to so many last digits


DEFAULTS = Settings()


def find_patches(
    s: Squares, cell_m: float, settings: Settings = DEFAULTS, *, step_m: float = 0.0
) -> tuple[list[Patch], str | None]:
    """The smooth patches of a scene, or why they cannot be told.

    ``step_m``: the step that the file's heights were rounded to (``dem.steps``); 0: they were not.
    """
    from scipy import ndimage

    judged = np.isfinite(s.fine_m) & np.isfinite(s.coarse_m) & (s.known == 1)
    if judged.sum() < 30:
        return [], "there is too little measured ground"
    exact = settings.last_digits * s.digit_m
    usual = float(np.median(s.fine_m[judged]))
    if usual <= 2 * exact:
        return [], "the whole surface is smooth: it carries no measurable noise"
    if step_m > 1.2 * usual:
        return [], "heights are rounded more coarsely than they are noisy"
    live = judged & (s.fine_m > 2 * exact) & (s.fine_m > 0.1 * usual)
    reference = float(np.percentile(s.fine_m[live], 10))
    # Of a patch without noise rounding leaves step/√12, seen in whole steps: up to half a step. Where the
    # quietest ground has hardly more than that, it is no sign.
    rounded_m = 0.6 * step_m
    flat_m = max(exact, rounded_m if rounded_m <= 0.5 * reference else 0.0)
    ratio = np.divide(s.fine_m, s.coarse_m, out=np.full(s.fine_m.shape, np.nan), where=s.coarse_m > 2 * exact)
    usual_ratio = float(np.nanmedian(ratio[live])) if np.isfinite(ratio[live]).any() else math.nan
    flat = judged & (s.fine_m <= flat_m)
    with np.errstate(invalid="ignore"):
        blurred = judged & (s.fine_m < settings.low * reference) & (ratio < settings.missing * usual_ratio)
    low = flat | blurred
    if low.sum() > 0.6 * judged.sum():
        return [], "most of the surface is smooth, so nothing tells a patch from the rest"
    labels, _ = ndimage.label(low, structure=np.ones((3, 3)))
    found = []
    for number, where in enumerate(ndimage.find_objects(labels), start=1):
        rows, cols = where
        # One square around, to look at the rim.
        outer = (
            slice(max(rows.start - 1, 0), rows.stop + 1),
            slice(max(cols.start - 1, 0), cols.stop + 1),
        )
        here = labels[outer] == number
        n = int(here.sum())
        area = n * (SQUARE * cell_m) ** 2
        if n < settings.least_squares or area < settings.least_area_m2:
            continue
        rim = ndimage.binary_dilation(here, np.ones((3, 3))) & ~here
        outside = s.known[outer][rim] < 1
        means = s.mean_m[outer]
        middle = float(np.nanmedian(means[here]))
        around = means[rim & np.isfinite(means)]
        # Squares that the patch fills in part reach beyond it: the flattest third tells what it is itself.
        slopes = s.slope[outer][here]
        flattest = slopes <= np.nanquantile(slopes, 1 / 3)
        tilt = float(np.nanmedian(slopes[flattest])) / cell_m
        spread = float(np.ptp(means[here][flattest]))
        if tilt < 0.002 and spread < max(0.02, 4 * step_m):
            kind = "level"
        elif float(np.nanmedian(s.fine_m[outer][here])) <= 2 * exact:
            kind = "plane"
        else:
            kind = "smoothed"
        touches = rows.start == 0 or cols.start == 0 or rows.stop == low.shape[0] or cols.stop == low.shape[1]
        found.append(
            Patch(
                mask=labels == number,
                box=Box(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start).scaled(
                    SQUARE
                ),
                area_m2=area,
                fine_m=float(np.nanmedian(s.fine_m[outer][here])),
                kind=kind,
                below_rim=float((around > middle).mean()) if around.size else 0.0,
                at_edge=bool(touches or (outside.size and outside.mean() > 0.4)),
            )
        )
    found.sort(key=lambda p: (-p.area_m2, p.box.row, p.box.col))
    return found, None


@dataclass(frozen=True)
class Seen:
    """What the orthomosaic shows in a patch; None = it was not looked at."""

    water: float | None = None  # share of the patch
    texture: float | None = None  # texture of the picture in the patch per texture of the scene


def judge_smooth(
    s: Squares,
    cell_m: float,
    *,
    is_dtm: bool = False,
    look: dict[int, Seen] | None = None,
    patches: list[Patch] | None = None,
    settings: Settings = DEFAULTS,
    step_m: float = 0.0,
) -> Outcome:
    """Flags for smooth patches, largest first (at most ten).

    Parameters
    ----------
    look:
        What the orthomosaic shows, by the number of the patch in ``find_patches``.
    patches:
        The patches, if they were found already.
    step_m:
        The step of rounded heights, for finding them; 0: not rounded.
    """
    if patches is None:
        patches, reason = find_patches(s, cell_m, settings, step_m=step_m)
        if reason is not None:
            return Outcome(TEST, no_power=reason)
    flags = [f for i, p in enumerate(patches) if (f := _flag(p, s, is_dtm, (look or {}).get(i, Seen())))]
    return Outcome(
        TEST, tuple(flags[:10]), evidence={"patches": len(patches), "explained": len(patches) - len(flags)}
    )


def _strength(p: Patch, is_dtm: bool, seen: Seen) -> Strength | None:
    """None where a harmless cause fits and nothing contradicts it."""
    if seen.texture is not None:
        textured = seen.texture > 0.5 and (seen.water or 0.0) < 0.2
        if not textured:
            return None
        return "moderate" if is_dtm or p.at_edge else "strong"
    water_like = p.kind == "level" and p.below_rim > 0.8
    return None if is_dtm or water_like or p.at_edge else "moderate"


def _flag(p: Patch, s: Squares, is_dtm: bool, seen: Seen) -> Flag | None:
    strength = _strength(p, is_dtm, seen)
    if strength is None:
        return None
    what = {
        "level": "is level to the centimetre",
        "plane": "is smooth to the last digit",
        "smoothed": "has lost its fine noise",
    }[p.kind]
    usual = float(np.nanmedian(s.fine_m))
    message = (
        f"A patch of {p.area_m2:,.0f} m² {what}: noise of {p.fine_m * 1000:.2g} mm where the surface "
        f"usually has "
        f"{usual * 1000:.2g} mm. What lies there was computed, not measured."
    )
    if seen.texture is not None:
        message += " The orthomosaic shows ground with texture there, which the survey could have measured."
    causes = ["water, levelled in processing", "a gap of the survey, filled by interpolation"]
    if is_dtm:
        causes.append("ground under trees or sheds, drawn between its edges")
    if p.at_edge:
        causes.append("the rim of the survey, drawn out beyond its last points")
    picture = np.where(np.isfinite(s.fine_m), s.fine_m, np.nan).astype(np.float32)
    return Flag(
        TEST,
        {"level": "level patch", "plane": "interpolated patch", "smoothed": "smoothed patch"}[p.kind],
        strength,
        message,
        {
            "area_m2": p.area_m2,
            "noise_m": p.fine_m,
            "usual_noise_m": usual,
            "kind": p.kind,
            "rim_higher": p.below_rim,
            "at_edge": p.at_edge,
            "water": seen.water,
            "picture_texture": seen.texture,
        },
        (p.box,),
        tuple(causes),
        picture,
        SQUARE,
        "noise of the surface, metres",
    )
