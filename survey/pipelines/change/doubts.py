"""What a reader must know of two surveys before their difference is believed, though it can be measured.

None of this refuses a comparison: each is a thing that honest filings do not show, said as a note.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from survey.dem.fit import fit_of
from survey.forensics.dates import dates_of_file, judge_dates
from survey.remark import Remark

if TYPE_CHECKING:
    from survey.pipelines.change.pair import Measurement
    from survey.pipelines.checkpoints import CheckpointReport
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.opened import Opened

MOVED_M, RAISED_M, BENT_M = 3.0, 1.0, 1.0
COARSE_LEVEL_M = 1.0
"""Surveys by drone see changes of decimetres."""

POINTS_OFF_M = 0.5
"""Surveys that are tied to the ground lie within decimetres of points on it."""


def doubts(
    epochs: Sequence[Opened], reports: Sequence[CheckpointReport], inputs: Inputs
) -> tuple[Remark, ...]:
    """Of the delivery, and of each survey by itself: its dates, its orthomosaic, its check points."""
    found: list[Remark] = [] if inputs.delivery is None else list(inputs.delivery.remarks)
    for o in epochs:
        found += _dates(o)
        found += _ortho(o, inputs)
    for report in reports:
        found += _points(report)
    return tuple(dict.fromkeys(found))


def sameness(before: Opened, after: Opened, inputs: Inputs, m: Measurement) -> tuple[Remark, ...]:
    """The later elevation model is the earlier one, as a file or digit for digit."""
    if inputs.same_bytes(before.surface.name, after.surface.name):
        one = inputs.hashes[before.surface.name]
        return (
            Remark(
                "same-file",
                f"{before.surface.name} and {after.surface.name} are one and the same file (SHA-256 {one}): "
                "that nothing changed between them says nothing of the ground. Ask for the survey of "
                f"{after.date}.",
                "serious",
            ),
        )
    if m.noise is not None and m.noise.random_m == 0 and m.noise.texture_m == 0:
        return (
            Remark(
                "no-noise",
                f"on ground that did not change, {after.surface.name} repeats {before.surface.name} digit "
                "for digit, as two flights never do: heights of one seem to have been taken over into the "
                "other. The intervals come from that agreement and are narrower than they should be.",
                "serious",
            ),
        )
    return ()


def misfit(after: Opened, m: Measurement) -> tuple[Remark, ...]:
    """The surveys agree so badly that what was not found may be there all the same."""
    found = []
    fit = fit_of(m.alignment)
    moved = {t.name: abs(t.value) for t in m.alignment.terms if t.applied and math.isfinite(t.value)}
    plan = math.hypot(moved.get("east", 0.0), moved.get("north", 0.0))
    if plan >= MOVED_M or moved.get("up", 0.0) >= RAISED_M:
        found.append(
            Remark(
                "moved-far",
                f"{after.surface.name} had to be moved by {plan:.1f} m and raised or lowered by "
                f"{moved.get('up', 0.0):.2f} m to lie on the earlier survey; two flights tied to ground "
                "control agree within decimetres",
                "serious",
            )
        )
    half_m = math.hypot(m.job.height * m.job.cell_north, m.job.width * m.job.cell_east) / 2
    tilt = math.hypot(moved.get("tilt_east", 0.0), moved.get("tilt_north", 0.0)) * half_m
    dome = moved.get("dome", 0.0) * (half_m / 1000) ** 2
    if tilt >= BENT_M or dome >= BENT_M:
        found.append(
            Remark(
                "bent-far",
                f"{after.surface.name} had to be tilted by {tilt:.1f} m and bent by {dome:.1f} m, from its "
                "middle to its corners, to lie on the earlier survey; flights tied to ground control bend by "
                "decimetres. A wrong scale of heights looks the same",
                "serious",
            )
        )
    if fit.stretched:
        found.append(
            Remark(
                "stretched",
                f"heights of {after.surface.name} are {1 + fit.stretch:.3f} times those of the earlier "
                "survey, as with a wrong unit or scale; volumes hold that too",
                "serious",
            )
        )
    if m.noise is None:
        found.append(
            Remark(
                "noise-unknown",
                "there is too little common ground to learn how sure these figures are: a zero says that "
                "nothing was found, not that nothing was dug",
                "serious",
            )
        )
    elif (certain := float(m.settings["certain_m"])) > COARSE_LEVEL_M:
        found.append(
            Remark(
                "coarse-agreement",
                f"the two surveys agree so badly that changes of less than {certain:.1f} m cannot be told "
                "from noise: a zero says that nothing was found, not that nothing was dug",
                "serious",
            )
        )
    return tuple(found)


def _dates(o: Opened) -> Iterable[Remark]:
    """Dates in the elevation model that the stated day contradicts; weak signs are for ``survey check``."""
    tags = list(o.surface.tags)
    if o.surface.datetime and not any(k == "TIFFTAG_DATETIME" for k, _ in tags):
        tags.append(("TIFFTAG_DATETIME", o.surface.datetime))
    for flag in judge_dates(dates_of_file(o.surface.name, tags), o.survey.date).flags:
        if flag.strength != "weak":
            yield Remark("file-date", f"{flag.message} Were the two surveys swapped?", "serious")


def _ortho(o: Opened, inputs: Inputs) -> Iterable[Remark]:
    picture = o.ortho
    if picture is None:
        return
    name = picture.name
    if name == o.surface.name or inputs.same_bytes(name, o.surface.name):
        yield Remark(
            "ortho-is-dem",
            f"{name}: the elevation model was sent as the orthomosaic; what grows or stands on the ground "
            "cannot be seen in it",
            "serious",
        )
        return
    if not picture.bounds_in(o.surface.grid.crs_wkt).overlaps(o.surface.grid.bounds):
        yield Remark(
            "ortho-elsewhere",
            f"{name}: the orthomosaic shows none of the ground of {o.surface.name}; changes were told apart "
            "by their shape alone",
            "serious",
        )
    elif not picture.has_rgb:
        bands = ", ".join(picture.colours)
        yield Remark(
            "ortho-colours",
            f"{name}: the orthomosaic holds no red, green and blue (it holds {bands}), so plants, water and "
            "bare ground cannot be told apart by colour",
        )


def _points(report: CheckpointReport) -> Iterable[Remark]:
    known = [c for c in (report.check, report.control) if c is not None and c.n > 0]
    if not known:
        yield Remark(
            "points-elsewhere",
            f"{report.file}: none of its {len(report.points.names)} points lies on the elevation model of "
            f"{report.survey}; check their reference system",
            "serious",
        )
        return
    most = max(known, key=lambda c: c.n)
    if math.isfinite(most.mean_m) and abs(most.mean_m) >= POINTS_OFF_M:
        yield Remark(
            "points-off",
            f"{report.file}: the elevation model of {report.survey} lies {most.mean_m:+.2f} m off its "
            f"{most.n} points on average; check the height reference and unit of both",
            "serious",
        )
