"""Whether heights may be feet that nobody declared: one judgement for every command that measures."""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from survey.forensics.unit import LEAST_STEEP_M2, Poured, Summit, judge_unit, poured
from survey.remark import Remark

if TYPE_CHECKING:
    from survey.dem.align import Alignment
    from survey.dem.surface import Surface
    from survey.forensics.flag import Outcome
    from survey.pipelines.change.pair import Measurement

MOST_FILLS = 3
"""Slopes of the largest fills tell; a hundred small heaps would only be read for nothing."""
LOOK_CELLS = 256
"""Side of each of the nine windows from which the middle height of a single survey is taken."""


def summit_over(median_m: float, state: str | None, on: date) -> Summit | None:
    """The highest ground of the State that a job names, where heights are such that it matters."""
    from survey.law.summits import lowest_summit_m, summit_of

    # Most surveys lie below every summit: the names of States need not be looked up for them.
    if state is None or not median_m > lowest_summit_m():
        return None
    row = summit_of(state, on)
    return None if row is None else Summit(row.rule, float(row.limit), row.citation)


def moved_in_plan_m(alignment: Alignment) -> float:
    """How far two surveys lie off each other in plan, metres; 0 where that is not known."""
    terms = {t.name: t.value for t in alignment.terms}
    east, north = terms.get("east", math.nan), terms.get("north", math.nan)
    return math.hypot(east, north) if math.isfinite(east) and math.isfinite(north) else 0.0


def doubts_on_unit(m: Measurement, state: str | None, on: date) -> tuple[Remark, ...]:
    """What poured ground and the State's summit say against metres. Never refuses anything."""
    before = m.alignment.points.before
    median = float(np.median(before)) if m.alignment.points.count else math.nan
    outcome = judge_unit(
        _poured(m),
        off_m=moved_in_plan_m(m.alignment),
        median_m=median,
        summit=summit_over(median, state, on),
    )
    return _said(outcome)


def doubts_on_one(surface: Surface, state: str | None, on: date) -> tuple[Remark, ...]:
    """What the State's summit says against metres, where there is one survey only."""
    side, grid = LOOK_CELLS, surface.grid
    rows, cols = (sorted({n * k // 4 for k in (1, 2, 3)}) for n in (grid.height, grid.width))
    seen = np.concatenate(
        [surface.read(grid.at(r, r + side, c, c + side)).ravel() for r in rows for c in cols]
    )
    median = float(np.nanmedian(seen)) if np.isfinite(seen).any() else math.nan
    return _said(judge_unit(None, median_m=median, summit=summit_over(median, state, on)))


def _said(outcome: Outcome) -> tuple[Remark, ...]:
    return tuple(
        Remark("heights-as-feet", f"The heights may be feet that nobody declared: {flag.message}", "serious")
        for flag in outcome.flags
    )


def _poured(m: Measurement) -> Poured | None:
    """Slopes of the largest fills, counted in cells of the job."""
    from survey.dem.mapping import map_onto
    from survey.volumetrics.region_window import look_at

    r = m.regions
    fills = [k for k in np.argsort(-r.rise_m3, kind="stable")[:MOST_FILLS].tolist() if r.rise_m3[k] > 0]
    mapping = map_onto(m.job, m.after.grid, m.alignment.east_m, m.alignment.north_m)
    parts = []
    for k in fills:
        if r.area_m2[k] < LEAST_STEEP_M2:
            continue
        w = look_at(r, k, *m.close_up, mapping, m.alignment.correction)
        rise = np.where(w.inside, w.rise, np.nan)
        found = poured(w.before, w.before + rise, 0.0, math.sqrt(math.prod(w.cell_m)))
        if found is not None:
            parts.append(Poured(found.cells * w.step**2, m.job.cell_area_m2))
    return Poured.joined(parts)
