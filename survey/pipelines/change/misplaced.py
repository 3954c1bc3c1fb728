"""Surveys that cannot be of one ground, or of one system of heights, are refused with the likely reason."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from survey.dem.align import Alignment, Wishes
from survey.dem.fit import fit_of
from survey.errors import InputRefused
from survey.grid import Grid

if TYPE_CHECKING:
    from survey.dem.surface import Surface

ABSURD_OFFSET_M = 10.0
"""No two surveys of one mine differ by this on stable ground, unless their heights mean different things."""
ABSURD_SLOPE = 0.02
"""A flight without any ground control is tilted and bent by some metres in a thousand. What would have to be
turned by two in a hundred is other ground, or this one mirrored, that happens to differ by a plane."""


def refuse_misplaced(
    alignment: Alignment, before: Surface, after: Surface, job: Grid, wishes: Wishes
) -> None:
    """Refuse what could be laid on the earlier survey only by force.

    Raises
    ------
    InputRefused
        The later survey would have to be turned or lifted farther than flights err, or shows other ground.
    """
    _refuse_turned(alignment, before, after, job)
    _refuse_absurd(alignment, before, after, job, wishes)
    _refuse_misfit(alignment, before, after)


def _refuse_absurd(alignment: Alignment, before: Surface, after: Surface, job: Grid, wishes: Wishes) -> None:
    up = next(t.value for t in alignment.terms if t.name == "up")
    if wishes.vertical is False or not math.isfinite(up) or abs(up) < ABSURD_OFFSET_M:
        return
    from survey.dem.heights import offset_hint
    from survey.rasters.crs import to_lonlat

    b = job.bounds
    lon, lat = to_lonlat(job.crs_wkt).transform((b.west + b.east) / 2, (b.south + b.north) / 2)
    median = float(np.median(alignment.points.before)) if alignment.points.count else None
    hint = offset_hint(-up, float(lon), float(lat), before_median_m=median)
    raise InputRefused(
        f"on ground that did not change it lies {-up:+.2f} m off {before.name}",
        expected="the same heights in both surveys to within decimetres",
        file=after.name,
        mend=hint or "Check the height reference and the unit of both.",
    )


def _refuse_turned(alignment: Alignment, before: Surface, after: Surface, job: Grid) -> None:
    c, b = alignment.correction, job.bounds
    slope = max(
        math.hypot(
            c.tilt_east + 2 * c.dome * (east - c.centre_east),
            c.tilt_north + 2 * c.dome * (north - c.centre_north),
        )
        for east in (b.west, b.east)
        for north in (b.south, b.north)
    )
    if slope > ABSURD_SLOPE:
        raise InputRefused(
            f"does not show the ground of {before.name}: to fit it would have to be turned by up to "
            f"{100 * slope:.0f} m in 100 m",
            expected="two surveys of one ground, tilted against each other by centimetres in 100 m",
            file=after.name,
            mend="Check that both are of the same mine, their reference systems, positions and orientation.",
        )


def _refuse_misfit(alignment: Alignment, before: Surface, after: Surface) -> None:
    fit = fit_of(alignment)
    if fit.none:
        raise InputRefused(
            f"does not show the ground of {before.name}: laid on it as well as can be, heights differ by "
            f"±{fit.residual_m:.1f} m, where the ground itself varies by ±{fit.relief_m:.1f} m (1 σ)",
            expected="two surveys of one ground",
            file=after.name,
            mend="Check that both are of the same mine, their reference systems, positions and orientation.",
        )
