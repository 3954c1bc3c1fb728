"""Ground control, accuracy at check points, and whether the points look independent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import SurveyError
from survey.forensics.residuals import judge_residuals, rounding_of
from survey.law.control import control_points_asked
from survey.pipelines.check.context import Context

if TYPE_CHECKING:
    from survey.dem.checkpoints import HeightCheck
    from survey.pipelines.checkpoints import Checkpoints


def read_points(c: Context) -> None:
    """Read the last survey's table of points into the filing, or keep why it cannot be read."""
    from survey.pipelines.checkpoints import read_checkpoints

    survey = c.filing.latest
    state = c.filing.state(survey.survey.checkpoints)
    surface = survey.surface
    if state is None or not state.readable or surface is None:
        return
    try:
        c.filing.latest_points = read_checkpoints(str(state.path), survey.survey.checkpoints_crs, surface)
    except SurveyError as error:
        state.problem = error


def say_points(c: Context, noise_m: float) -> None:
    """Number of control points, RMSE, the count of check points, and the look of their residuals."""
    points = c.filing.latest_points
    _say_number(c, points)
    surface = c.filing.latest.surface
    if points is None or surface is None:
        state = c.filing.state(c.filing.latest.survey.checkpoints)
        why = "no table of check points came with the filing" if state is None else "the table cannot be used"
        c.say("asprs.vertical", None, f"Accuracy cannot be stated: {why}.")
        return
    from survey.dem.checkpoints import check_heights
    from survey.pipelines.checkpoints import heights_at

    z = heights_at(surface, points.east, points.north)
    check = ~points.control
    independent = check_heights(z[check], points.height[check], points.sigma[check]) if check.any() else None
    control = (
        check_heights(z[~check], points.height[~check], points.sigma[~check]) if (~check).any() else None
    )
    c.filing.point_checks = (independent, control)
    off = int((~np.isfinite(z)).sum())
    _say_accuracy(c, independent, control, off)
    if independent is not None:
        rounding = max(rounding_of(points.height), rounding_of(z))
        c.outcome(
            judge_residuals(independent.residuals_m, noise_m=noise_m, rounding_m=rounding), "check points"
        )


def _say_number(c: Context, points: Checkpoints | None) -> None:
    survey = c.filing.latest.survey
    state = c.filing.state(survey.checkpoints)
    area = c.filing.job.mine.lease_area_ha or (c.filing.lease.area_ha if c.filing.lease is not None else None)
    canopy = c.filing.job.check.canopy_ha
    row = c.row("ibm.control.number")
    used: int | None = survey.gcp_count
    source = "the filing states"
    if points is not None and points.control.any():
        used, source = int(points.control.sum()), "the table names"
    asked = None
    if row is not None and area is not None and 0 <= canopy <= area:
        asked = control_points_asked(row, area, canopy)
    basis = ""
    if asked is not None and area is not None:
        basis = f" For {area:.4g} ha" + (f" less {canopy:g} ha of dense canopy" if canopy else "")
        basis += f" the procedure asks for {asked}."
    if used is not None:
        c.say(
            "ibm.control.number",
            used if asked is not None else None,
            f"{source[0].upper()}{source[1:]} {used} ground control points.{basis}",
            limit=asked if asked is not None else math.nan,
        )
    elif points is not None and asked is not None and len(points.names) < asked:
        c.say(
            "ibm.control.number",
            len(points.names),
            f"The table holds {len(points.names)} points in all, without saying which are control.{basis}",
            limit=asked,
        )
    else:
        why = (
            "the table does not say which points are control (column type: GCP or CHECK)"
            if points is not None
            else "no table of points came with the filing"
            if state is None
            else "the table of points cannot be used"
        )
        c.say(
            "ibm.control.number",
            None,
            f"The number of ground control points cannot be told: {why}.{basis}",
            limit=asked if asked is not None else math.nan,
        )
    c.say(
        "ibm.control.permanent",
        survey.permanent_gcp_count,
        "How many control points are permanent is not stated."
        if survey.permanent_gcp_count is None
        else f"The filing states {survey.permanent_gcp_count} permanent ground control points.",
    )
    c.say(
        "rajasthan.91.4.control",
        used,
        (
            f"{'No' if used is None else used} ground control points are stated; no rule found says how many "
            f"it takes."
        ),
    )


def _say_accuracy(c: Context, check: HeightCheck | None, control: HeightCheck | None, off: int) -> None:
    best, kind = (check, "check") if check is not None else (control, "control")
    if best is None:
        c.say(
            "asprs.vertical", None, "No point of the table lies on the surface, so accuracy cannot be stated."
        )
        return
    label = "independent check points" if kind == "check" else "control points, which are not independent"
    message = (
        f"RMSE_V = {best.rmse_m:.3f} m at {best.n} {label}; mean error {best.mean_m:+.3f} m; with the "
        f"points' own "
        f"error {best.rmse_with_points_m:.3f} m ({_asprs_class(best.rmse_with_points_m)})."
    )
    if off:
        message += f" {off} points lie off the surface."
    for clause_id in ("asprs.vertical", "ibm.accuracy", "rajasthan.91.4.accuracy"):
        c.say(
            clause_id,
            best.rmse_with_points_m,
            message,
            evidence={
                "n": best.n,
                "rmse_v_m": best.rmse_m,
                "rmse_v_with_points_m": best.rmse_with_points_m,
                "mean_m": best.mean_m,
                "kind": kind,
            },
        )
    n = check.n if check is not None else 0
    if n < 30:
        text = (
            f"Tested with {n} independent check points: fewer than the 30 that the standard asks for. "
            f"This is a "
            f"statement, not a failure."
        )
    else:
        text = f"Tested with {n} independent check points, as the standard asks."
    c.say("asprs.number", n, text)
    if best.n >= 3 and abs(best.mean_m) > 2 * best.sigma_of_mean_m and abs(best.mean_m) > 0.25 * best.rmse_m:
        c.say(
            "asprs.mean",
            abs(best.mean_m) / best.rmse_m,
            f"The mean error of {best.mean_m:+.3f} m is {abs(best.mean_m) / best.rmse_m:.0%} of the "
            f"RMSE: the surface "
            f"lies {'above' if best.mean_m > 0 else 'below'} the points as a whole, which is to be "
            f"looked into.",
        )


def _asprs_class(rmse_m: float) -> str:
    """The ASPRS vertical class: RMSE_V in whole centimetres, rounded up."""
    return f"ASPRS {math.ceil(rmse_m * 100 - 1e-9)}-cm vertical accuracy class"
