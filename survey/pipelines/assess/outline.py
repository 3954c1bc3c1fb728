"""One outline, measured: what is wished of it, how sure the pair is of it, and what lies within it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.pipelines.assess.ground import (
    lay_stage,
)
from survey.pipelines.assess.measure import EARLIER, SURFACE, Measured, Wish, measure
from survey.pipelines.assess.record import EXISTING
from survey.pipelines.assess.surveyed import Surveyed
from survey.pipelines.assess.targets import (
    Target,
)
from survey.pipelines.inputs import Inputs

if TYPE_CHECKING:
    from survey.pipelines.change.pair import Measurement
    from survey.pipelines.job import Job
    from survey.pipelines.job.assess import Assess


def wish_of(job: Job, ask: Assess, inputs: Inputs, surveyed: Surveyed) -> Wish:
    """How the job wants its outlines measured, and how sure the surveys are of each other or of a level."""
    wish = Wish(
        base=ask.base,
        level_m=ask.base_level_m,
        kind={"stock": "stock", "pit": "pit"}.get(ask.kind, "auto"),
        outline_sigma_m=ask.outline_sigma_m,
        before_word=SURFACE if ask.base == "surface" else EARLIER,
    )
    m = surveyed.pair
    if m is not None:
        cell = (
            math.hypot(m.noise.random_m, m.correlated_m) if m.noise is not None else m.alignment.nmad_after_m
        )
        wish = replace(wish, pair_sigma=_pair_sigma(m, job), cell_m=cell)
    if ask.base == "level":
        from survey.pipelines.checkpoints import checkpoint_reports

        for report in checkpoint_reports(job, inputs, [surveyed.after]):
            if report.check is not None and report.check.n >= 3:
                wish = replace(wish, height_m=report.check.rmse_with_points_m, height_assumed=False)
    return wish


def _pair_sigma(m: Measurement, job: Job):  # type: ignore[no-untyped-def]
    """σ of the mean rise over a polygon: the noise there against what alignment took from stable ground."""
    from survey.boundary.coverage import Coverage
    from survey.dem.contrast import mean_error
    from survey.pipelines.nodes import nodes_grid

    declared = job.error.systematic_m or 0.0

    def sigma(polygon: Any) -> tuple[float, float]:
        if m.noise is None:
            spread = m.alignment.nmad_after_m
            return (spread if math.isfinite(spread) else 0.1), 4.0
        grid = nodes_grid(m.nodes)
        weights = Coverage(polygon, grid).weights(grid)
        full = np.full(grid.shape, weights) if isinstance(weights, int) else weights
        areas = full.reshape(1, -1) / 4096.0 * grid.cell_area_m2
        if areas.sum() <= 0:
            return m.alignment.nmad_after_m, 4.0
        error = mean_error(areas, m.nodes, m.alignment, m.noise)
        return math.hypot(float(error.sigma_m[0]), declared), error.dof

    return sigma


def measured_outline(
    target: Target,
    targets: Sequence[Target],
    surveyed: Surveyed,
    wish: Wish,
    held: Mapping[str, frozenset[str]],
    inner: Sequence[Measured],
) -> Measured:
    """Measure one outline. ``held``: by outline, the ids of those within it."""
    import shapely

    if surveyed.pair is not None and target.site is not None and target.site.status == EXISTING:
        # It stands in both surveys alike: between them there is nothing to measure.
        surveyed = surveyed.alone()
    shapely.prepare(target.polygon)
    hosts: list[Any] = []
    others: list[Any] = []
    for other in targets:
        if other.id == target.id or other.id in target.within:
            continue
        (hosts if target.id in held[other.id] else others).append(other.polygon)
    for shape in surveyed.disturbed:
        shared = shapely.intersection(shape, target.polygon).area
        if shared < 0.5 * min(shape.area, target.polygon.area):
            others.append(shapely.difference(shape, target.polygon.buffer(2 * surveyed.grid.cell_m)))
    rebuilt = not (surveyed.pair is not None and wish.base in ("auto", "earlier", "surface"))
    rebuilt = rebuilt and wish.base != "level"
    a = surveyed.pair.alignment if surveyed.pair is not None else None
    shift = (a.east_m, a.north_m) if a is not None else surveyed.shift_m or (0.0, 0.0)
    ortho = surveyed.after.ortho
    stage = lay_stage(
        surveyed.grid,
        surveyed.read,
        target.polygon,
        others=others,
        hosts=hosts,
        ortho=None if ortho is None or not rebuilt else (ortho, shift),
        bare=surveyed.after.bare_ground == "dtm",
        changed_m=None if surveyed.pair is None else max(surveyed.pair.level_m, 0.1),
        wide=rebuilt,
    )
    made = measure(target, stage, wish, inner)
    if made.how is not None and not rebuilt:
        # The earlier survey does not reach over this outline: look around it for trials after all.
        alone, rebuilding = replace(surveyed, before=None), replace(wish, base="tin")
        return measured_outline(target, targets, alone, rebuilding, held, inner)
    return made
