"""Do the files agree: with each other, with last year's on ground that did not change, and with their
dates?
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from survey.errors import SurveyError
from survey.forensics.dates import Dated, dates_of_file, judge_dates
from survey.imagery.register import judge
from survey.pipelines.check.context import Context
from survey.quantity import Z95

if TYPE_CHECKING:
    from survey.blocks import Engine
    from survey.dem.align import Alignment
    from survey.imagery.register import Correlations


# -- elevation model and orthomosaic -------------------------------------------------------------------------
def say_registration(c: Context, correlations: Correlations | None, cell_m: float) -> None:
    """Whether the orthomosaic lies on the elevation model."""
    survey = c.filing.latest
    if survey.ortho is None or survey.surface is None:
        return
    if correlations is None:
        c.say("files.register", None, "Whether the two lie on each other was not looked at.")
        return
    found = judge(correlations, cell_m)
    evidence: dict[str, Any] = {
        "east_m": _number(found.east_m),
        "north_m": _number(found.north_m),
        "sigma_m": _number(found.sigma_m),
        "peak": _number(found.height),
        "by": found.by,
        "windows": found.windows,
    }
    if not found.known:
        c.say(
            "files.register",
            None,
            "Slopes and edges of the elevation model were not found again in the orthomosaic, so how "
            "the two lie on "
            "each other cannot be told.",
            mend="Look at both over each other; send them from one processing run.",
            evidence=evidence,
        )
        return
    # Half a cell is what resampling does; a step of two cells or half a metre can be seen in a profile.
    limit = max(2 * cell_m, 3 * Z95 * found.sigma_m, 0.5)
    at_least = "at least " if found.at_rim else ""
    where = (
        f"{at_least}{found.distance_m:.2f} m off ({found.east_m:+.2f} m east, {found.north_m:+.2f} m north)"
    )
    if found.distance_m <= limit and not found.at_rim:
        c.say(
            "files.register",
            False,
            f"The orthomosaic lies on the elevation model: {where}, known to {found.sigma_m:.2f} m.",
            shown=f"{found.distance_m:.2f}",
            evidence=evidence,
        )
        return
    strength = "strong" if found.distance_m > 3 * limit or found.at_rim else "moderate"
    c.say(
        "files.register",
        True,
        f"Flag ({strength}): the orthomosaic does not lie on the elevation model; it is {where}, known to "
        f"{found.sigma_m:.2f} m.",
        shown=f"{found.distance_m:.2f}",
        evidence={"flag": strength, "name": "picture off the heights", **evidence},
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


# -- the vertical datum, and last year's survey
# ---------------------------------------------------------------
def say_datum(c: Context) -> None:
    """What the heights of each survey are counted from."""
    for survey in c.filing.surveys:
        if survey.surface is None:
            continue
        label = survey.label
        if survey.reference_problem is not None:
            c.say(
                "files.datum",
                True,
                f"Flag (strong), survey of {label}: {survey.reference_problem.found}.",
                subject=label,
                shown="contradiction",
                mend=survey.reference_problem.mend,
                evidence={"flag": "strong", "name": "height reference contradicts itself"},
            )
            continue
        reference = survey.reference
        if reference is None:
            c.say(
                "files.datum",
                None,
                f"Survey of {label}: neither the file nor the filing says what its heights are counted from.",
                subject=label,
            )
        else:
            source = "the filing" if reference.source == "job" else "the file"
            c.say(
                "files.datum",
                False,
                f"Survey of {label}: heights are {reference}, says {source}.",
                subject=label,
                shown=str(reference),
            )
    latest = c.filing.latest
    if latest.surface is not None:
        said = str(latest.reference) if latest.reference is not None else "not stated"
        for clause_id in ("ibm.datum", "rajasthan.91.4.datum"):
            c.say(
                clause_id,
                said,
                f"The vertical datum is {said}; no rule found says which it must be.",
                shown=said,
            )


def say_last_year(c: Context, engine: Engine) -> Alignment | None:
    """Offset of this year's heights from last year's on ground that did not change."""
    latest, earlier = c.filing.latest, c.filing.earlier
    if earlier is None:
        c.say(
            "files.last_year",
            None,
            "The filing holds one survey, so it cannot be held against the last one.",
            mend="Check it together with last year's survey: a second [[survey]] in the job.",
        )
        return None
    kinds = [k for k in ("dsm", "dtm") if getattr(latest, k) is not None and getattr(earlier, k) is not None]
    if not kinds:
        c.say(
            "files.last_year",
            None,
            (
                "This year's and last year's filing have no surface of the same kind that opens, so they "
                "cannot be compared."
            ),
        )
        return None
    before, after = getattr(earlier, kinds[0]), getattr(latest, kinds[0])
    try:
        if (
            c.filing.job.align.convert_heights
            and earlier.reference is not None
            and latest.reference is not None
        ):
            from survey.pipelines.change.one_reference import lifted

            after = lifted(after, latest.reference, earlier.reference)
        alignment = _aligned(before, after, engine)
    except SurveyError as error:
        c.say(
            "files.last_year",
            True,
            f"Flag (strong): the two surveys cannot be laid on each other: {error.found}.",
            shown="cannot be compared",
            mend=error.mend,
            evidence={"flag": "strong", "name": "surveys do not fit"},
        )
        return None
    terms = {t.name: t for t in alignment.terms}
    up, east, north = (terms[n] for n in ("up", "east", "north"))
    if not math.isfinite(up.value):
        c.say("files.last_year", None, f"There is too little ground that did not change: {up.why}.")
        return alignment
    rise = -up.value  # the alignment says what must be added to the later survey
    plan = math.hypot(east.value, north.value) if math.isfinite(east.value) and east.applied else math.nan
    evidence = {
        "up_m": rise,
        "up_sigma_m": _number(up.sigma),
        "plan_m": _number(plan),
        "stable_m2": alignment.stable_area_m2,
        "nmad_m": _number(alignment.nmad_after_m),
    }
    message = (
        f"On {alignment.stable_area_m2:,.0f} m² of ground that did not change, this survey lies "
        f"{rise:+.3f} m off the one "
        f"of {earlier.label}" + (f" (± {Z95 * up.sigma:.3f} m)" if math.isfinite(up.sigma) else "")
    )
    if math.isfinite(plan):
        message += f", and {plan:.2f} m off in plan"
    strength = _offset_strength(abs(rise), plan)
    hint = _datum_hint(rise, alignment, after) if abs(rise) >= 10 else None
    if strength is None:
        c.say("files.last_year", False, message + ".", shown=f"{rise:+.3f}", evidence=evidence)
    else:
        c.say(
            "files.last_year",
            True,
            f"Flag ({strength}): {message[0].lower()}{message[1:]}." + (f" {hint}" if hint else ""),
            shown=f"{rise:+.3f}",
            evidence={"flag": strength, "name": "offset from the last survey", **evidence},
        )
    return alignment


def _offset_strength(rise: float, plan: float) -> str | None:
    """Two flights tied to ground control agree within a decimetre or two."""
    if rise >= 10:
        return "strong"
    if rise >= 1 or plan >= 5:
        return "moderate"
    if rise >= 0.3 or plan >= 1.5:
        return "weak"
    return None


def _datum_hint(rise: float, alignment: Alignment, after: Any) -> str | None:
    import numpy as np

    from survey.dem.heights import offset_hint
    from survey.rasters.crs import to_lonlat

    b = after.grid.bounds
    lon, lat = to_lonlat(after.grid.crs_wkt).transform((b.west + b.east) / 2, (b.south + b.north) / 2)
    median = float(np.median(alignment.points.before)) if alignment.points.count else None
    hint: str | None = offset_hint(rise, float(lon), float(lat), before_median_m=median)
    return hint


def _aligned(before: Any, after: Any, engine: Engine) -> Alignment:
    from functools import partial

    import numpy as np

    from survey.dem.align import Wishes, align
    from survey.dem.sampling import load, windows
    from survey.dem.steps import spread_in_steps
    from survey.errors import InputRefused
    from survey.pipelines.change.pair import job_grid

    job = job_grid(before, after)
    rows = engine.map(
        partial(load, before, after), windows(job), stage="laying this year's survey on last year's"
    )
    sample = [window for row in rows for window in row]
    if not any(np.isfinite(w.before).any() and np.isfinite(w.after).any() for w in sample):
        raise InputRefused("the surveys have no measured cell in common", file=after.name)
    sample = spread_in_steps(sample)[0]
    # The whole common ground is of interest: an offset is asked for, no volume.
    b = job.bounds
    east, north = np.meshgrid(np.linspace(b.west, b.east, 9)[1:-1], np.linspace(b.south, b.north, 9)[1:-1])
    interest = np.stack([east.ravel(), north.ravel()], axis=1)
    return align(sample, job, after.grid, interest, Wishes())


# -- dates in the files
# ---------------------------------------------------------------------------------------
def say_file_dates(c: Context) -> None:
    """Dates that the last survey's files carry, against its stated day."""
    survey = c.filing.latest
    if survey.day is None:
        c.say(
            "files.dates",
            None,
            "The day of the survey is not stated, so dates in the files cannot be held against it.",
        )
        return
    found: list[Dated] = []
    for surface in (survey.dsm, survey.dtm):
        if surface is not None:
            tags = list(surface.tags)
            if surface.datetime and not any(k == "TIFFTAG_DATETIME" for k, _ in tags):
                tags.append(("TIFFTAG_DATETIME", surface.datetime))
            found += dates_of_file(surface.name, tags)
    if survey.ortho is not None:
        found += dates_of_file(survey.ortho.name, _tags(survey.ortho.path))
    c.outcome(judge_dates(found, survey.day), "dates in the files")


def _tags(path: str) -> list[tuple[str, str]]:
    from survey.rasters.describe import open_raster

    try:
        raster = open_raster(path)
    except SurveyError:
        return []
    tags = list(raster.tags)
    if raster.datetime and not any(k == "TIFFTAG_DATETIME" for k, _ in tags):
        tags.append(("TIFFTAG_DATETIME", raster.datetime))
    return tags
