"""Existing pits and heaps from one survey: found by form, measured on rebuilt ground, marked as undated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.dem.recent import Recent
from survey.dem.sampling import WINDOW_CELLS
from survey.dem.steps import step_of
from survey.errors import InputRefused
from survey.pipelines.change.sites import Found
from survey.pipelines.existing.scan import STRENGTHS, TILE_CELLS, Seen, settle
from survey.pipelines.existing.wide import search
from survey.record import Dismissed, Site, SiteStatus, Zone
from survey.remark import Remark
from survey.volumetrics.existing import Look
from survey.volumetrics.existing_tell import WEIGHTS, dismissal, reasons
from survey.volumetrics.existing_wide import WORTH, WideLook

if TYPE_CHECKING:
    from survey.blocks import Engine
    from survey.boundary.lease import Lease
    from survey.boundary.registry import Registry
    from survey.boundary.zones import Zones
    from survey.pipelines.job import Job
    from survey.pipelines.opened import Opened

EXISTING: SiteStatus = "existing: seen in one survey, undated"
ONE_SURVEY = Remark(
    "one-survey",
    "There is no earlier survey: what stands here was found by its form and is undated; the ground before "
    "was rebuilt from the ground around each site.",
    "info",
)


@dataclass(frozen=True)
class ExistingSettings:
    """What is called a site. All of it is printed in the record.

    ``least_m2``, ``least_m``: smaller or shallower bodies are not looked for. ``site_from``: probability from
    which a body is a site; ``listed_from``: from which one that is none is listed as dismissed.
    ``outline_sigma_m``: 1 σ of where the rim runs.
    """

    least_m2: float = 40.0
    least_m: float = 0.4
    site_from: float = 0.5
    listed_from: float = 0.03
    outline_sigma_m: float = 0.5
    look: Look = field(default_factory=Look)
    wide: WideLook = field(default_factory=WideLook)

    @classmethod
    def of_job(cls, job: Job) -> ExistingSettings:
        d = job.detect
        return cls(least_m2=d.min_area_m2, least_m=0.4 if d.min_depth_m is None else d.min_depth_m)

    def public(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Existing:
    """What one survey shows, and by what it was judged (for the record's settings)."""

    found: Found
    settings: dict[str, Any]
    notes: tuple[Remark, ...]


def find_existing(
    opened: Opened,
    zones: Zones,
    lease: Lease,
    registry: Registry | None,
    engine: Engine,
    settings: ExistingSettings,
    tile_cells: int | None = None,
) -> Existing:
    """Find, measure and place every pit and heap that stands in one survey.

    Parameters
    ----------
    zones, lease, registry :
        All in the system of ``opened.surface.grid``.

    Raises
    ------
    InputRefused
        The survey cannot be read.
    """
    step = _step_of(opened)
    if step > settings.least_m:
        return Existing(Found([], []), settings.public(), (_too_coarse(step),))
    tile = TILE_CELLS
    if tile_cells is not None:
        tile = max(256, tile_cells // settings.look.block(opened.surface.grid))
    # Windows overlap, and a block or a strip is decoded as a whole.
    made = search(
        Recent(opened.surface),
        settings.look,
        engine,
        opened.ortho,
        settings.least_m2,
        settings.least_m,
        tile,
        settings.wide,
    )
    bodies = [b for b in settle(made.bodies) if b.form.area_m2 >= settings.least_m2]
    chosen = [b for b in bodies if b.probability >= settings.site_from]
    others = [b for b in bodies if settings.listed_from <= b.probability < settings.site_from]
    every = _Neighbours([b.outline for b in (*chosen, *others) if b.probability >= 0.15])
    measured = engine.map(
        partial(_measured, opened, lease, zones, settings, every), chosen, stage="measuring pits and heaps"
    )
    sites = [
        (_site(body, figures, opened, lease, registry), body.outline)
        for body, figures in zip(chosen, measured, strict=True)
        if figures is not None and figures.volume_m3 > 0
    ]
    dismissed = [(_dismissed(body, zones, lease), body.outline) for body in others]
    said = {
        **settings.public(),
        "limits": [float(x) for x in made.limits],
        "strengths": list(STRENGTHS),
        "working_cell_m": made.working.cell_m,
        "zones_looked_at": made.zones,
        "hollows_looked_at": made.hollows,
        "bodies_looked_at": len(made.bodies),
        "weights": {("pit" if sign < 0 else "heap"): w for sign, w in WEIGHTS.items()},
        "hollow_weights": WORTH,
        "orthomosaic": opened.ortho is not None,
    }
    notes = [ONE_SURVEY]
    if opened.ortho is None:
        notes.append(
            Remark(
                "no-ortho",
                "No orthomosaic: trees, crops and water were told apart by form alone.",
            )
        )
    return Existing(Found(sites, dismissed), said, tuple(notes))


def existing_sites(
    job: Job, after: Opened, lease: Lease, near: Registry | None, zones: Zones, engine: Engine
) -> Found:
    """``find_existing`` with the job's settings: the sites alone."""
    return find_existing(after, zones, lease, near, engine, ExistingSettings.of_job(job)).found


def _step_of(opened: Opened) -> float:
    grid = opened.surface.grid
    side = WINDOW_CELLS
    rows, cols = (sorted({n * k // 4 for k in (1, 2, 3)}) for n in (grid.height, grid.width))
    return step_of(opened.surface.read(grid.at(r, r + side, c, c + side)) for r in rows for c in cols)


def _too_coarse(step_m: float) -> Remark:
    return Remark(
        "rounded-heights",
        f"Heights are rounded to steps of {step_m:g} m, which break the ground as rims do: pits and heaps "
        "that stood before were not looked for. The heights as they were measured are needed for that.",
        "serious",
    )


# -- measuring ---------------------------------------------------------------------------------------------
class _Neighbours:
    """Outlines of all bodies: disturbed ground, which carries no base."""

    def __init__(self, outlines: Sequence[Any]) -> None:
        self.outlines = list(outlines)

    def near(self, outline: Any, reach_m: float) -> list[Any]:
        import shapely

        box = shapely.box(*outline.bounds).buffer(reach_m)
        return [o for o in self.outlines if o is not outline and not o.equals(outline) and o.intersects(box)]


@dataclass(frozen=True)
class _Figures:
    volume_m3: float
    lo_m3: float
    hi_m3: float
    area_m2: float
    least_m: float
    mean_m: float
    greatest_m: float
    base: str
    deepest: tuple[float, float] | None
    lease_m3: float
    buffer_m3: float
    beyond_m3: float
    theirs_m3: float
    unsure_in_m3: float
    unsure_out_m3: float
    doubts: dict[str, float]
    remarks: tuple[str, ...]


def _measured(
    opened: Opened, lease: Lease, zones: Zones, settings: ExistingSettings, every: _Neighbours, body: Seen
) -> _Figures | None:
    from survey.boundary.zones import make_zones
    from survey.pipelines.assess.ground import lay_stage, reader_of
    from survey.pipelines.assess.measure import Wish, measure
    from survey.pipelines.assess.targets import Target

    pit = body.sign < 0
    others = every.near(body.outline, 400.0)
    ortho = None if opened.ortho is None else (opened.ortho, (0.0, 0.0))
    try:
        stage = lay_stage(
            opened.surface.grid,
            reader_of(opened.surface),
            body.outline,
            others=others,
            ortho=ortho,
            bare=opened.bare_ground == "dtm",
        )
        made = measure(
            Target(_name(body), body.outline, 0, "pit" if pit else "stock"),
            stage,
            Wish(outline_sigma_m=settings.outline_sigma_m),
        )
    except InputRefused:
        return None
    own = made.volumes.cut if pit else made.volumes.fill
    depth = (made.base - made.surface) if pit else (made.surface - made.base)
    each = np.where(np.isfinite(depth), np.maximum(depth, 0.0), 0.0) * made.weight
    total = float(each.sum())
    shares = make_zones(lease, stage.grid, others=zones.others).shares(stage.grid)

    def part(*weights: Any) -> float:
        return (
            sum(float((each * np.asarray(w, np.float64)).sum()) for w in weights)
            / 4096
            / max(total, 1e-9)
            * own.value
        )

    in_lease, buffer = part(shares.lease), part(shares.buffer_free, shares.buffer_theirs)
    a = made.amount
    return _Figures(
        own.value,
        own.lo,
        own.hi,
        a.area_m2,
        a.least_m,
        a.mean_m,
        a.greatest_m,
        made.method,
        made.deepest,
        in_lease,
        buffer,
        max(own.value - in_lease - buffer, 0.0),
        part(shares.buffer_theirs, shares.beyond_theirs),
        part(shares.unsure_inside),
        part(shares.unsure_outside),
        {d.name: d.sigma_m3 for d in made.volumes.doubts},
        made.remarks,
    )


def _name(body: Seen) -> str:
    return f"E{body.first[0]:06d}-{body.first[1]:06d}"


def _site(body: Seen, f: _Figures, opened: Opened, lease: Lease, registry: Registry | None) -> Site:
    from survey.boundary.position import position_of

    place = position_of(body.outline, lease)
    parts: dict[Zone, float] = {"lease": f.lease_m3, "buffer": f.buffer_m3, "beyond": f.beyond_m3}
    other = None
    if registry is not None and f.deepest is not None:
        here = registry.lease_at(*f.deepest, on=opened.survey.date)
        other = here.lease_id if here is not None else None
    return Site(
        id=_name(body),
        kind="pit" if body.sign < 0 else "heap",
        status=EXISTING,
        zone=max(parts, key=lambda name: parts[name]),
        lease_id=other,
        area_m2=f.area_m2,
        volume_m3=f.volume_m3,
        volume_lo_m3=f.lo_m3,
        volume_hi_m3=f.hi_m3,
        min_depth_m=f.least_m,
        mean_depth_m=f.mean_m,
        max_depth_m=f.greatest_m,
        outside_volume_m3=max(f.buffer_m3 + f.beyond_m3 - f.unsure_out_m3, 0.0),
        unsure_volume_m3=f.unsure_in_m3 + f.unsure_out_m3,
        distance_m=place.distance_m,
        bearing_deg=place.bearing_deg,
        base=f.base,
        confidence=body.probability,
        why=reasons(body.form, body.cover, body.around),
        lease_volume_m3=max(f.lease_m3 - f.unsure_in_m3, 0.0),
        buffer_volume_m3=f.buffer_m3,
        beyond_volume_m3=f.beyond_m3,
        other_lease_volume_m3=f.theirs_m3,
        nearest_pillar=place.pillar,
        lon=place.lon,
        lat=place.lat,
        deepest_east_m=None if f.deepest is None else f.deepest[0],
        deepest_north_m=None if f.deepest is None else f.deepest[1],
        evidence={**_evidence(body), "doubts_m3": f.doubts, "remarks": list(f.remarks)},
    )


def _dismissed(body: Seen, zones: Zones, lease: Lease) -> Dismissed:
    from survey.boundary.position import position_of

    place = position_of(body.outline, lease)
    reason, why = dismissal(body.form, body.cover, body.around)
    volume = max(body.form.mean_m, 0.0) * body.form.area_m2
    return Dismissed(
        id=_name(body),
        reason=reason,
        why=why,
        zone=zones.zone_of(place.east, place.north),
        area_m2=body.form.area_m2,
        cut_m3=volume if body.sign < 0 else 0.0,
        fill_m3=volume if body.sign > 0 else 0.0,
        confidence=1.0 - body.probability,
        lon=place.lon,
        lat=place.lat,
        evidence=_evidence(body),
    )


def _evidence(body: Seen) -> dict[str, Any]:
    return {
        "form": body.form.public(),
        "cover": None if body.cover is None else body.cover.public(),
        "cover_around": None if body.around is None else body.around.public(),
    }
