"""All evidence on each region of change that is large enough to be judged."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from survey.dem.mapping import map_onto
from survey.imagery.region_colour import Colour, colour_of
from survey.pipelines.change.pair import Measurement
from survey.volumetrics.partition import reach_m
from survey.volumetrics.region_shape import Scale, Shape, shape_of
from survey.volumetrics.region_window import RegionWindow, look_at

if TYPE_CHECKING:
    from survey.imagery.ortho import Ortho


@dataclass(frozen=True)
class Evidence:
    """What heights and orthomosaics say of one region."""

    sign: int
    area_m2: float
    median_m: float
    """Median |rise|."""
    certainty: float
    """|mean rise| in units of the error of a mean over the region."""
    shape: Shape
    colour: Colour


def scale_of_noise(m: Measurement) -> Scale:
    smooth = float(m.settings["smooth_sigma_m"])
    coarser = max(m.after.grid.cell_east / m.job.cell_east, m.after.grid.cell_north / m.job.cell_north)
    cells = max(1, math.ceil(coarser - 1e-3))
    if m.noise is None:
        return Scale(smooth, 0.0, smooth, m.thresholds.radius, cells)
    certain = float(m.settings["certain_m"])
    return Scale(
        smooth,
        m.noise.smooth_slope_m,
        max(m.noise.random_m, 1e-4),
        m.thresholds.radius,
        cells,
        certain,
        reach_m(certain, m.thresholds.low_m, float(m.settings["smoothing_side_m"])),
    )


def evidence_on(m: Measurement, k: int, before: Ortho | None, after: Ortho | None) -> Evidence:
    """Look at region ``k`` closely; what was looked at once is remembered by its very cells."""
    r = m.regions
    sigma = float(m.region_error.sigma_m[k]) if m.region_error is not None else math.nan
    mean = abs(float(r.rise_m3[k])) / float(r.area_m2[k])
    key = blake2b(np.ascontiguousarray(r.runs_of(k)[:, :3]).tobytes()).digest()
    seen = m.seen.get(key)
    if seen is None:
        a = m.alignment
        mapping = map_onto(m.job, m.after.grid, a.east_m, a.north_m)
        w = look_at(r, k, *m.close_up, mapping, a.correction)
        seen = evidence_in(m, w, int(r.sign[k]), mean, sigma, before, after, float(r.area_m2[k]))
        m.seen[key] = seen
    return replace(seen, certainty=mean / sigma if sigma > 0 else math.nan)


def evidence_in(
    m: Measurement,
    w: RegionWindow,
    sign: int,
    mean_m: float,
    sigma_m: float,
    before: Ortho | None,
    after: Ortho | None,
    area_m2: float | None = None,
) -> Evidence:
    """Evidence on the cells inside a window; ``mean_m`` is their mean |rise|, ``sigma_m`` its error."""
    known = w.inside & np.isfinite(w.rise) & np.isfinite(w.before)
    a = m.alignment
    return Evidence(
        sign,
        float(w.inside.sum()) * w.cell_m[0] * w.cell_m[1] if area_m2 is None else area_m2,
        float(np.median(np.abs(w.rise[known]))) if known.any() else mean_m,
        mean_m / sigma_m if sigma_m > 0 else math.nan,
        shape_of(w.before, w.rise, w.inside, w.cell_m, scale_of_noise(m)),
        colour_of(before, after, w.grid, w.inside, (a.east_m, a.north_m)),
    )
