"""Assess sites from a file of points: no surveys, no pictures from the air, the same record and sheet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import InputRefused
from survey.grid import Bounds, Grid
from survey.pipelines.assess.drawn import Drawn, Gridded
from survey.pipelines.assess.measure import METHODS
from survey.pipelines.assess.parts import (
    NO_SPLIT,
    body_fields,
    crs_name,
    fee_part,
    form_part,
    places,
    split_fields,
)
from survey.pipelines.assess.points import ASSUMED_SIGMA_M, PointsFile, read_points
from survey.record import Note, Record
from survey.record_assess import Assessment, BaseSurface, Profile
from survey.volumetrics.points.between import over_function
from survey.volumetrics.points.site import build_site
from survey.volumetrics.points.volume import PointVolume, mesh_heights, point_volume
from survey.volumetrics.sections import long_axis_deg, profile, section_through
from survey.volumetrics.stock import volumes

if TYPE_CHECKING:
    from survey.boundary.lease import Lease
    from survey.pipelines.job import Job
    from survey.pipelines.job.assess import Assess
    from survey.pipelines.runs import Run

_ACROSS = 420  # cells of a drawing grid over a site's longer side
_FROM_POINTS = {"auto", "tin", "plane", "trend", "mean", "lowest", "level"}


def assess_points(run: Run, ask: Assess) -> Drawn:
    """Measure every site of the file.

    Raises
    ------
    InputRefused
        The file cannot be read as points, or a site cannot be measured from them.
    """
    from survey.boundary.zones import make_zones
    from survey.pipelines.assess.record import site_of
    from survey.pipelines.epochs import open_lease
    from survey.pipelines.record_head import lease_part, record_head

    job, inputs, progress = run.job, run.inputs, run.progress
    assert ask.points is not None
    if ask.base not in _FROM_POINTS:
        raise InputRefused(
            f'base = "{ask.base}" cannot be made from points',
            expected=", ".join(sorted(_FROM_POINTS)),
            mend='Use base = "auto".',
        )
    file = read_points(
        inputs.path(ask.points), crs=ask.points_crs, sigma_m=ask.points_sigma_m, name=ask.points
    )
    inputs.described[ask.points] = {"crs": crs_name(file.crs_wkt), "detail": {"notes": list(file.remarks)}}
    lease = open_lease(job, inputs, file.crs_wkt) if job.lease is not None else None
    progress.stage("measuring sites", len(file.sites))
    made: list[tuple[str, PointVolume]] = []
    kind = {"pit": "pit", "stock": "stock"}.get(ask.kind, "auto")
    for name, points in file.sites:
        site = build_site(points, kind, file=ask.points)
        made.append(
            (name, point_volume(site, METHODS.get(ask.base, "given level"), level_m=ask.base_level_m))
        )
        progress.advance()
    _refuse_overlaps(made)
    grids = [gridded(v, file.crs_wkt) for _, v in made]
    zones = None if lease is None else make_zones(lease, grids[0].grid)
    date = ask.date or (job.surveys[-1].date if job.surveys else None)
    assessed = [
        (_assessment(name, v, g, file, job, ask, lease, zones, date), v.polygon)
        for (name, v), g in zip(made, grids, strict=True)
    ]
    notes = [Note(code="points", message=text, severity="caution") for text in file.remarks]
    if file.assumed:
        notes.append(
            Note(
                code="assumed-precision",
                message="The precision of the points was not stated; "
                f"{100 * ASSUMED_SIGMA_M:.0f} cm (1 σ) in height was assumed.",
            )
        )
    record = Record(
        **record_head(run.command, job, inputs, run.started),
        surveys=[{"date": None if date is None else date.isoformat(), "kind": "ground", "file": ask.points}],
        lease=lease_part(lease),
        sites=[site_of(a, None) for a, _ in assessed],
        assessments=[a.model_dump() for a, _ in assessed],
        notes=notes,
        settings={"options": run.options.public()},
    )
    return Drawn(record, assessed, None, [], lease, zones, tuple(grids))


def _refuse_overlaps(made: list[tuple[str, PointVolume]]) -> None:
    for k, (name, v) in enumerate(made):
        for other, w in made[:k]:
            if v.polygon.intersection(w.polygon).area > 0.02 * min(v.polygon.area, w.polygon.area):
                raise InputRefused(
                    f"the sites {other!r} and {name!r} overlap: their ground would be counted twice",
                    mend="Assess them one by one, or correct the outlines.",
                )


def gridded(v: PointVolume, crs_wkt: str) -> Gridded:
    """The site's triangles and base on cells, with a margin in which nothing was measured."""
    import shapely

    b = Bounds(*v.polygon.bounds)
    side = max(b.east - b.west, b.north - b.south)
    cell = max(side / _ACROSS, 0.02)
    wide = b.grown(0.25 * side + 2.0)
    west, north = math.floor(wide.west / cell) * cell, math.ceil(wide.north / cell) * cell
    grid = Grid(
        crs_wkt,
        west,
        north,
        cell,
        cell,
        math.ceil((north - wide.south) / cell),
        math.ceil((wide.east - west) / cell),
    )
    rows, cols = np.mgrid[0 : grid.height, 0 : grid.width]
    east, north_m = grid.east_north(rows, cols)
    shapely.prepare(v.polygon)
    inside = shapely.contains_xy(v.polygon, east, north_m)
    surface, base = np.full(grid.shape, np.nan), np.full(grid.shape, np.nan)
    at = np.column_stack([east[inside], north_m[inside]])
    surface[inside] = mesh_heights(v.surface, at)
    base[inside] = v.base_at(at)
    return Gridded(grid, surface, base)


def _assessment(
    name: str,
    v: PointVolume,
    g: Gridded,
    file: PointsFile,
    job: Job,
    ask: Assess,
    lease: Lease | None,
    zones: Any,
    date: Any,
) -> Assessment:
    made = volumes(v.amount, v.doubts)
    own = made.cut if v.amount.pit else made.fill
    return Assessment(
        id=name,
        target="points",
        survey_date=None if date is None else date.isoformat(),
        earlier_date=None,
        **body_fields(v.polygon, file.crs_wkt, v.amount, made, v.deepest, lease, job, ask),
        other_lease=None,
        **_zones(v, zones, own.value),
        base=BaseSurface(
            method=v.base,
            asked=ask.base,
            source="measured points" if v.base != "given level" else "given",
            sigma_m3=next((d.sigma_m3 for d in v.doubts if d.name == "base"), 0.0),
        ),
        counted=[],
        sections=_sections(v, g),
        fee=None if date is None else fee_part(job, ask, date),
        measure_more=places([(a.east, a.north, a.why) for a in v.advice], file.crs_wkt),
        form=form_part(job, ask, date),
        remarks=[*v.remarks, *file.remarks],
    )


def _zones(v: PointVolume, zones: Any, own: float) -> dict[str, Any]:
    """The volume's split by zones: the triangles cut by the zones' outlines."""
    if zones is None:
        return NO_SPLIT
    up, down, _ = over_function(v.surface, v.base_at)
    total = down if v.amount.pit else up

    def part(shape: Any) -> float:
        clipped = v.clipped(shape)
        if clipped is None or total <= 0:
            return 0.0
        fill, cut, _ = over_function(clipped, v.base_at)
        return (cut if v.amount.pit else fill) / total * own

    unsure = 0.0
    if zones.unsure_m:
        outer, core = part(zones.lease.buffer(zones.unsure_m)), part(zones.lease.buffer(-zones.unsure_m))
        unsure = max(outer - core, 0.0)
    return split_fields(part(zones.lease), part(zones.reach), own, unsure)


def _sections(v: PointVolume, g: Gridded) -> list[Profile]:
    from survey.pipelines.assess.measure import held
    from survey.pipelines.assess.parts import profile_of

    if v.deepest is None:
        return []
    axis = long_axis_deg(v.polygon)
    out = []
    for letter, bearing, why in (
        ("A", axis, "along the longest axis"),
        ("B", (axis + 90.0) % 180.0, "across the longest axis"),
    ):
        line = section_through(v.polygon, v.deepest[:2], name=letter, bearing_deg=bearing, overhang=0.1)
        step = max(g.grid.cell_m, line.length_m / 600)
        over = profile(held(g.surface), g.grid, line.line, step)
        under = profile(held(g.base), g.grid, line.line, step)
        out.append(profile_of(line, why, over, under))
    return out
