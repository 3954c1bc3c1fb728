"""``survey assess``: pits and stocks measured for rule 91, from surveys or from a handful of points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.boundary.coverage import FULL
from survey.errors import InputRefused
from survey.pipelines.assess.ground import (
    Read,
    disturbed_ground,
    lay_stage,
    reader_of,
    reader_of_pair,
    weights_on,
)
from survey.pipelines.assess.measure import EARLIER, SURFACE, Measured, Wish, measure
from survey.pipelines.assess.parts import (
    base_part,
    doubt_parts,
    fee_part,
    form_part,
    lon_lat_of,
    materials_of,
    place_part,
    profiles,
    vertices,
    volume_fields,
    worth_part,
)
from survey.pipelines.assess.targets import (
    Target,
    from_polygons,
    from_sites,
    settle_overlaps,
    without_repeats,
)
from survey.pipelines.epochs import Opened, agreed, open_epochs, open_lease, open_registry, survey_part
from survey.pipelines.inputs import Inputs, open_inputs
from survey.pipelines.runs import engine_for, run_folder
from survey.pipelines.software import software
from survey.record import Clock, Note, Record, Site, SiteStatus, from_json
from survey.record_assess import Assessment
from survey.remark import Remark

if TYPE_CHECKING:
    from survey.blocks import Engine
    from survey.boundary.lease import Lease
    from survey.boundary.registry import Registry
    from survey.boundary.zones import Zones
    from survey.grid import Grid
    from survey.pipelines.assess.from_points import Gridded
    from survey.pipelines.change.pair import Measurement
    from survey.pipelines.job import Job
    from survey.pipelines.job.assess import Assess
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress

DETECTED = "detected"
UNDATED_NOT_ASKED = (
    "Assessed is what changed between the surveys outside the lease. Pits and heaps that stood there before "
    "the earlier survey are assessed too with existing = true under [detect]."
)
_CHANGED: SiteStatus = "changed between the surveys"
_EXISTING: SiteStatus = "existing: seen in one survey, undated"


@dataclass(frozen=True)
class Surveyed:
    """What the targets are measured on."""

    grid: Grid
    read: Read
    after: Opened
    before: Opened | None
    pair: Measurement | None
    disturbed: tuple[Any, ...]
    notes: tuple[Remark, ...]
    earlier: Opened | None = None  # for its pictures, whether or not it is the base
    shift_m: tuple[float, float] | None = None  # of the later survey, where the pair that told it is left out

    def alone(self) -> Surveyed:
        """The later survey by itself, where the pair laid it: for what stood there before the earlier one."""
        a = self.pair.alignment if self.pair is not None else None
        return replace(
            self,
            read=lambda piece: (self.read(piece)[0], None),
            before=None,
            pair=None,
            shift_m=(a.east_m, a.north_m) if a is not None else self.shift_m,
        )


@dataclass(frozen=True)
class Drawn:
    """What the drawing step needs beside the record: the measured outlines, by surveys or by points."""

    record: Record
    assessed: list[tuple[Assessment, Any]]
    surveyed: Surveyed | None
    measured: list[Measured]
    lease: Lease | None
    zones: Zones | None
    gridded: tuple[Gridded, ...] = ()


def run_assess(job: Job, options: Options, progress: Progress) -> Record:
    """Measure the job's targets and write the run folder, with a sheet for each.

    Raises
    ------
    SurveyError
        An input cannot be used; nothing is left behind.
    """
    from survey.pipelines.assess.publish import draw_assessments
    from survey.pipelines.publish import finish

    started = datetime.now(UTC)
    progress.stage("reading the job's files")
    with (
        engine_for(options, progress) as engine,
        open_inputs(job, threads=engine.threads) as inputs,
        run_folder(job, options, "assess", inputs.digest_inputs(), inputs.unchanged) as folder,
    ):
        if folder.up_to_date is not None:
            return from_json(folder.up_to_date)
        drawn = assess(job, inputs, engine, progress, started, options)
        record = draw_assessments(folder, drawn.record, drawn, progress)
        return finish(folder, record, job, options, progress)


def assess(
    job: Job, inputs: Inputs, engine: Engine, progress: Progress, started: datetime, options: Options
) -> Drawn:
    """Measure everything; nothing is written."""
    ask = job.assess
    assert ask is not None
    if ask.points is not None:
        from survey.pipelines.assess.from_points import assess_points

        return assess_points(job, ask, inputs, progress, started, options)
    surveyed, targets, lease, registry, zones, sites = _survey(job, ask, inputs, engine)
    targets, repeated = without_repeats(targets)
    surveyed = replace(surveyed, notes=(*surveyed.notes, *repeated))
    if not targets:
        said = Remark(
            "nothing-detected", "No pit or heap was detected outside the lease: nothing to assess.", "info"
        )
        surveyed = replace(surveyed, notes=(*surveyed.notes, said))
    wish = _wish(job, ask, inputs, surveyed)
    progress.stage("measuring outlines", len(targets))
    measured: dict[str, Measured] = {}
    settled = settle_overlaps(targets)
    held = {t.id: frozenset(t.within) for t in settled}
    for target in settled:
        inner = [measured[name] for name in target.within]
        measured[target.id] = _one(target, targets, surveyed, wish, held, inner)
        progress.advance()
    order = [measured[t.id] for t in sorted(targets, key=lambda t: t.order)]
    progress.stage("writing the record")
    assessed = [
        (_assessment(made, job, ask, surveyed, lease, zones, registry, wish), made.target.polygon)
        for made in order
    ]
    record = _record(job, inputs, surveyed, lease, assessed, sites, started, options)
    return Drawn(record, assessed, surveyed, order, lease, zones)


# -- what is measured on -----------------------------------------------------------------------------------
def _survey(
    job: Job, ask: Assess, inputs: Inputs, engine: Engine
) -> tuple[Surveyed, list[Target], Lease | None, Registry | None, Zones | None, list[Site]]:
    from survey.boundary.zones import make_zones, read_polygons

    if ask.targets == DETECTED:
        return _detected(job, ask, inputs, engine)
    epochs, notes = open_epochs(job, inputs)
    after = epochs[-1]
    before = epochs[-2] if len(epochs) > 1 and ask.base in ("auto", "earlier") else None
    if ask.base == "surface":
        before = _given_surface(job, ask, inputs, after)
    if before is None and ask.base == "earlier":
        raise InputRefused(
            'base = "earlier" needs two surveys with a DEM',
            mend='Add the earlier [[survey]], or base = "auto".',
        )
    grid = after.surface.grid if before is None else before.surface.grid
    assert ask.targets is not None
    crs = job.lease.crs if job.lease else None
    remarks: list[Remark] = list(notes)
    named = read_polygons(
        inputs.path(ask.targets), wanted_crs=grid.crs_wkt, crs=crs, notes=remarks, distinct=False
    )
    targets = from_polygons(named)
    lease = open_lease(job, inputs, grid.crs_wkt) if job.lease is not None else None
    registry = open_registry(job, inputs)
    near = None
    if registry is not None:
        near = registry.window(grid.bounds, grid.crs_wkt, on=after.survey.date, own=lease)
    zones = None if lease is None else make_zones(lease, grid, others=near.leases if near is not None else ())
    pair = None
    if before is not None:
        remarks += agreed(before, after, job) if before.reference is not None else ()
        pair = _pair(job, inputs, engine, before, after, zones or _zones_of(targets, grid), targets)
    if pair is not None:
        disturbed = tuple(_changes(pair))
    elif ask.base in ("level", "surface"):
        disturbed = ()
    else:
        disturbed = disturbed_ground(after, targets, engine)
    read = reader_of(after.surface) if pair is None else reader_of_pair(pair)
    surveyed = Surveyed(
        grid if pair is None else pair.job,
        read,
        after,
        before,
        pair,
        disturbed,
        tuple(remarks),
        epochs[-2] if len(epochs) > 1 else None,
    )
    return surveyed, targets, lease, near, zones, []


def _detected(
    job: Job, ask: Assess, inputs: Inputs, engine: Engine
) -> tuple[Surveyed, list[Target], Lease | None, Registry | None, Zones | None, list[Site]]:
    """Targets from what the surveys show: changes outside the lease, or old pits and heaps in one survey."""
    if job.lease is None:
        raise InputRefused(
            'targets = "detected" needs the lease', mend="Add [lease], or give a file of outlines as targets."
        )
    if len(job.measured) > 1:
        from survey.pipelines.change.compare import compare

        comparison = compare(job, inputs, engine)
        last = comparison.pairs[-1]
        m = last.measurement
        lease = comparison.lease.to_crs(m.job.crs_wkt)
        near = None
        if comparison.registry is not None:
            near = comparison.registry.window(
                m.job.bounds, m.job.crs_wkt, on=last.after.survey.date, own=lease
            )
        listed = comparison.found.sites
        targets = from_sites(listed, m.job.cell_m, outside_only=True)
        disturbed = tuple(p for _, p in (*listed, *last.found.dismissed))
        notes = [*comparison.notes]
        if job.detect.existing is not True:
            notes.append(Remark("undated-not-asked", UNDATED_NOT_ASKED, "info"))
        surveyed = Surveyed(
            m.job,
            reader_of_pair(m),
            last.after,
            last.before,
            m,
            disturbed,
            tuple(notes),
            last.before,
        )
        return surveyed, targets, lease, near, m.zones, [s for s, _ in listed]
    from survey.boundary.zones import make_zones
    from survey.pipelines.outside import existing_sites

    epochs, notes = open_epochs(job, inputs)
    after = epochs[-1]
    grid = after.surface.grid
    lease = open_lease(job, inputs, grid.crs_wkt)
    registry = open_registry(job, inputs)
    near = None
    if registry is not None:
        near = registry.window(grid.bounds, grid.crs_wkt, on=after.survey.date, own=lease)
    zones = make_zones(lease, grid, others=near.leases if near is not None else ())
    found = existing_sites(job, after, lease, near, zones, engine)
    targets = from_sites(found.sites, grid.cell_m, outside_only=True)
    disturbed = tuple(p for _, p in found.sites)
    surveyed = Surveyed(grid, reader_of(after.surface), after, None, None, disturbed, tuple(notes))
    return surveyed, targets, lease, near, zones, [s for s, _ in found.sites]


def _given_surface(job: Job, ask: Assess, inputs: Inputs, after: Opened) -> Opened:
    from survey.dem.surface import open_surface

    assert ask.base_surface is not None
    opened = open_surface(inputs.path(ask.base_surface), name=ask.base_surface)
    inputs.describe_surface(ask.base_surface, opened)
    return Opened(after.survey, opened, "given", None, None, tuple(opened.notes))


def _zones_of(targets: Sequence[Target], grid: Grid) -> Zones:
    """Zones for a job without a lease: the outlines themselves are what alignment has to serve."""
    import shapely

    from survey.boundary.lease import Lease
    from survey.boundary.zones import make_zones

    return make_zones(Lease(shapely.union_all([t.polygon for t in targets]), grid.crs_wkt), grid)


def _pair(
    job: Job,
    inputs: Inputs,
    engine: Engine,
    before: Opened,
    after: Opened,
    zones: Zones,
    targets: Sequence[Target],
) -> Measurement:
    import shapely

    from survey.pipelines.change.compare import _usable, _wishes
    from survey.pipelines.change.pair import Settings, measure_pair
    from survey.pipelines.checkpoints import checkpoint_reports, tie_of

    reports = checkpoint_reports(job, inputs, [o for o in (before, after) if o.bare_ground != "given"])
    union = shapely.union_all([t.polygon for t in targets])
    given = _usable(job, inputs, before, after)

    def usable(east: np.ndarray, north: np.ndarray) -> np.ndarray:
        free = ~shapely.contains_xy(union, east, north)
        return free if given is None else free & given(east, north)

    return measure_pair(
        before.surface,
        after.surface,
        zones,
        Settings(wishes=_wishes(job), probability=job.detect.probability, min_area_m2=job.detect.min_area_m2),
        engine,
        usable=usable,
        tie=None if before.bare_ground == "given" else tie_of(reports, before.date, after.date),
    )


def _changes(m: Measurement) -> list[Any]:
    """Outlines of everything that changed between the surveys."""
    from survey.pipelines.change.sites import outline

    return [outline(m, k) for k in m.regions]


# -- one outline -----------------------------------------------------------------------------------------
def _wish(job: Job, ask: Assess, inputs: Inputs, surveyed: Surveyed) -> Wish:
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
    from survey.pipelines.change.pair import nodes_grid

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


def _one(
    target: Target,
    targets: Sequence[Target],
    surveyed: Surveyed,
    wish: Wish,
    held: Mapping[str, frozenset[str]],
    inner: Sequence[Measured],
) -> Measured:
    """Measure one outline. ``held``: by outline, the ids of those within it."""
    import shapely

    if surveyed.pair is not None and target.site is not None and target.site.status == _EXISTING:
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
        return _one(target, targets, replace(surveyed, before=None), replace(wish, base="tin"), held, inner)
    return made


def _assessment(
    made: Measured,
    job: Job,
    ask: Assess,
    surveyed: Surveyed,
    lease: Lease | None,
    zones: Zones | None,
    registry: Registry | None,
    wish: Wish,
) -> Assessment:
    target, v = made.target, made.volumes
    crs_wkt = surveyed.grid.crs_wkt
    lon, lat = lon_lat_of(target.polygon, crs_wkt)
    pit = made.pit
    own = v.cut if pit else v.fill
    other = None
    if registry is not None and made.deepest is not None:
        here = registry.lease_at(*made.deepest, on=surveyed.after.survey.date)
        other = here.lease_id if here is not None else None
    materials = materials_of(job, ask, pit)
    return Assessment(
        id=target.id,
        kind="pit" if pit else "stock",
        target=DETECTED if target.site is not None else "polygons",
        crs=_crs_name(crs_wkt),
        survey_date=surveyed.after.date,
        earlier_date=surveyed.before.date if surveyed.before is not None and made.method == EARLIER else None,
        area_m2=made.amount.area_m2,
        measured_m2=made.amount.measured_m2,
        missing_m2=made.amount.missing_m2,
        perimeter_m=float(target.polygon.length),
        **volume_fields(v, pit),
        least_depth_m=made.amount.least_m,
        mean_depth_m=made.amount.mean_m,
        greatest_depth_m=made.amount.greatest_m,
        deepest_east_m=None if made.deepest is None else made.deepest[0],
        deepest_north_m=None if made.deepest is None else made.deepest[1],
        lon=lon,
        lat=lat,
        lease_id=None if lease is None else lease.lease_id,
        other_lease=other,
        **_zone_fields(made, zones),
        **place_part(target.polygon, lease),
        base=base_part(made, wish.base),
        doubts=doubt_parts(v),
        counted=list(target.counted),
        vertices=vertices(target.polygon, crs_wkt),
        sections=profiles(made),
        worth=worth_part(own, materials, ask),
        fee=fee_part(job, ask, ask.date or surveyed.after.survey.date),
        form=form_part(job, ask, surveyed.after.survey.date),
        remarks=list(made.remarks),
        working_cell_m=made.stage.grid.cell_m,
        outline_sigma_m=wish.outline_sigma_m
        if wish.outline_sigma_m is not None
        else max(0.1, made.stage.grid.cell_m / 2),
    )


def _crs_name(wkt: str) -> str:
    from pyproj import CRS

    crs = CRS.from_user_input(wkt)
    code = crs.to_epsg()
    return f"EPSG:{code} ({crs.name})" if code is not None else crs.name


def _zone_fields(made: Measured, zones: Zones | None) -> dict[str, Any]:
    """The volume's split across the boundary and the 100 m line; its parts sum to the whole."""
    names = ("lease_volume_m3", "buffer_volume_m3", "beyond_volume_m3", "unsure_volume_m3")
    if zones is None:
        return {"zone": None, **dict.fromkeys(names)}
    grid = made.stage.grid
    depth = made.base - made.surface if made.pit else made.surface - made.base
    each = np.where(np.isfinite(depth), np.maximum(depth, 0.0), 0.0) * made.weight
    total = float(each.sum())
    own = (made.volumes.cut if made.pit else made.volumes.fill).value
    on_lease, on_reach = weights_on(grid, zones.lease), weights_on(grid, zones.reach)

    def part(weights: Any) -> float:
        return (
            float((each * np.asarray(weights, np.float64) / FULL).sum()) / total * own if total > 0 else 0.0
        )

    lease = part(on_lease)
    buffer = part(np.maximum(on_reach.astype(np.int32) - on_lease, 0))
    beyond = max(own - lease - buffer, 0.0)
    split = {"lease": lease, "buffer": buffer, "beyond": beyond}
    zone = max(split, key=lambda name: split[name]) if total > 0 else zones.zone_of(*_middle(made))
    return {
        "zone": zone,
        "lease_volume_m3": lease,
        "buffer_volume_m3": buffer,
        "beyond_volume_m3": beyond,
        "unsure_volume_m3": part(_unsure(grid, zones)),
    }


def _unsure(grid: Grid, zones: Zones) -> Any:
    """Weights of the ground so near the boundary that its own doubt leaves open whose it is."""
    if not zones.unsure_m:
        return np.zeros(grid.shape)
    outer = weights_on(grid, zones.lease.buffer(zones.unsure_m)).astype(np.int32)
    return np.maximum(outer - weights_on(grid, zones.lease.buffer(-zones.unsure_m)), 0)


def _middle(made: Measured) -> tuple[float, float]:
    point = made.target.polygon.representative_point()
    return float(point.x), float(point.y)


# -- the record ------------------------------------------------------------------------------------------
def site_of(a: Assessment, found: Site | None) -> Site:
    """An assessed outline as a site, so that maps, layers and the phone show it."""
    status: SiteStatus = _CHANGED if a.base.method == EARLIER else _EXISTING
    own = a.volume_m3
    lease = a.lease_volume_m3 or 0.0
    return Site(
        id=a.id,
        kind="pit" if a.kind == "pit" else "heap",
        status=found.status if found is not None else status,
        zone=a.zone or "beyond",
        lease_id=a.other_lease,
        area_m2=a.area_m2,
        volume_m3=own,
        volume_lo_m3=a.volume_lo_m3,
        volume_hi_m3=a.volume_hi_m3,
        min_depth_m=a.least_depth_m,
        mean_depth_m=a.mean_depth_m,
        max_depth_m=a.greatest_depth_m,
        outside_volume_m3=max(own - lease - (a.unsure_volume_m3 or 0.0), 0.0) if a.zone is not None else own,
        unsure_volume_m3=a.unsure_volume_m3 or 0.0,
        distance_m=math.nan if a.distance_m is None else a.distance_m,
        bearing_deg=math.nan if a.bearing_deg is None else a.bearing_deg,
        base=a.base.method,
        confidence=found.confidence if found is not None else 1.0,
        why=found.why if found is not None else "assessed: its outline was given by the job",
        lease_volume_m3=lease,
        buffer_volume_m3=a.buffer_volume_m3 or 0.0,
        beyond_volume_m3=a.beyond_volume_m3 or 0.0,
        nearest_pillar=a.nearest_pillar,
        lon=a.lon,
        lat=a.lat,
        deepest_east_m=a.deepest_east_m,
        deepest_north_m=a.deepest_north_m,
    )


def _record(
    job: Job,
    inputs: Inputs,
    surveyed: Surveyed,
    lease: Lease | None,
    assessed: Sequence[tuple[Assessment, Any]],
    sites: Sequence[Site],
    started: datetime,
    options: Options,
) -> Record:
    from survey.pipelines.record_parts import alignment_part, error_part, grid_part

    grid, m = surveyed.grid, surveyed.pair
    by_id = {s.id: s for s in sites}
    notes = [Note(code=n.code, message=n.message, severity=n.severity) for n in surveyed.notes]
    if m is not None:
        notes += [Note(code=n.code, message=n.message, severity=n.severity) for n in m.notes]
    epochs = [o for o in (surveyed.before, surveyed.after) if o is not None and o.bare_ground != "given"]
    return base_record(
        job,
        inputs,
        started,
        options,
        surveys=[survey_part(o, job) for o in epochs],
        grid=grid_part(grid),
        lease=lease_part(lease),
        alignment=None if m is None else alignment_part(m),
        error=None if m is None else error_part(m),
        sites=[site_of(a, by_id.get(a.id)) for a, _ in assessed],
        assessments=[a.model_dump() for a, _ in assessed],
        notes=notes,
    )


def lease_part(lease: Lease | None) -> dict[str, Any] | None:
    if lease is None:
        return None
    return {
        "lease_id": lease.lease_id,
        "name": lease.name,
        "area_ha": lease.area_ha,
        "boundary_sigma_m": lease.sigma_m,
        "pillars": [asdict(p) for p in lease.pillars],
    }


def base_record(job: Job, inputs: Inputs, started: datetime, options: Options, **parts: Any) -> Record:
    """The fields that every assessment's record has."""
    finished = datetime.now(UTC)
    return Record(
        command="assess",
        job=job.public() | {"id": job.id, "digest": job.digest()},
        mine=job.mine.model_dump(mode="json", exclude_none=True),
        clock=Clock(started=started, finished=finished, seconds=(finished - started).total_seconds()),
        software=software(),
        sources=inputs.sources(),
        settings={"options": options.public()},
        **parts,
    )
