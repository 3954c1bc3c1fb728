"""Compare the surveys of a job: every pair measured and judged. Nothing is written."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from survey.boundary.zones import make_zones, read_polygons
from survey.dem.align import Wishes
from survey.errors import InputRefused
from survey.pipelines.change.doubts import doubts, misfit, sameness
from survey.pipelines.change.pair import Measurement, Settings, measure_pair
from survey.pipelines.change.rims import to_the_rim
from survey.pipelines.change.sites import Found, dismissed_mask, make_found
from survey.pipelines.change.tell_apart import in_plain_words, small_changes, tell_apart
from survey.pipelines.change.workings import settle_workings
from survey.pipelines.checkpoints import CheckpointReport, checkpoint_reports, tie_of
from survey.pipelines.epochs import agreed, open_epochs, open_lease, open_registry
from survey.pipelines.existing.beside import NONE, Undated, undated_beside
from survey.pipelines.height_unit import doubts_on_unit
from survey.pipelines.inputs import Inputs
from survey.pipelines.layers import FIXED
from survey.pipelines.opened import Opened
from survey.pipelines.record_parts import all_zone_sums, zone_volumes
from survey.record import ZoneVolumes
from survey.remark import Remark
from survey.volumetrics.telling import Verdict

if TYPE_CHECKING:
    from survey.blocks import Engine
    from survey.boundary.lease import Lease
    from survey.boundary.registry import Registry
    from survey.pipelines.job import Job


@dataclass(frozen=True)
class Compared:
    """One pair of surveys, measured and judged."""

    before: Opened
    after: Opened
    measurement: Measurement
    verdicts: list[Verdict]
    found: Found
    zones: list[ZoneVolumes]
    polygons: list[ZoneVolumes]
    river_bed: ZoneVolumes | None

    @property
    def dismissed(self) -> NDArray[np.bool_]:
        return dismissed_mask(self.verdicts)


@dataclass(frozen=True)
class Comparison:
    """All pairs of a job, the last of which is the year on year that the record leads with."""

    lease: Lease
    registry: Registry | None
    epochs: list[Opened]
    pairs: list[Compared]
    span: Compared | None
    checkpoints: list[CheckpointReport]
    notes: list[Remark]
    undated: Undated = NONE

    @property
    def found(self) -> Found:
        """What changed in the last pair, and what stood there before, if that was asked for."""
        last = self.pairs[-1].found
        return Found([*last.sites, *self.undated.sites], last.dismissed)


def compare(
    job: Job, inputs: Inputs, engine: Engine, change_parts: Path | None = None, tile: int | None = None
) -> Comparison:
    """Open, check and measure; nothing is written but the pieces of the change raster of the last pair.

    One run compares once: whoever asks again, for the same inputs, is given what was found.
    """
    if inputs.comparison is None or change_parts is not None:
        inputs.comparison = _compare(job, inputs, engine, change_parts, tile)
    found: Comparison = inputs.comparison
    return found


def _compare(
    job: Job, inputs: Inputs, engine: Engine, change_parts: Path | None, tile: int | None
) -> Comparison:
    epochs, notes = open_epochs(job, inputs, unpack=engine.local, threads=engine.threads)
    if len(epochs) < 2:
        raise InputRefused("two surveys with a surface are needed to compare them")
    remarks = [*notes]
    for before, after in itertools.pairwise(epochs):
        remarks += [r for r in agreed(before, after, job) if r not in remarks]
    engine.see([e.surface.path for e in epochs], change_parts)
    reports = checkpoint_reports(job, inputs, epochs)
    remarks += doubts(epochs, reports, inputs)
    first = epochs[0].surface.grid
    lease = open_lease(job, inputs, first.crs_wkt)
    remarks += [r for r in lease.notes if r.severity != "info"]
    registry = open_registry(job, inputs)
    pairs = []
    for index, (before, after) in enumerate(itertools.pairwise(epochs)):
        parts = change_parts if index == len(epochs) - 2 else None
        pairs.append(_one_pair(job, inputs, engine, before, after, lease, registry, reports, parts, tile))
        remarks += sameness(before, after, inputs, pairs[-1].measurement)
        remarks += misfit(after, pairs[-1].measurement)
        remarks += doubts_on_unit(pairs[-1].measurement, job.mine.state, after.survey.date)
        pairs[-1].measurement.look_away()
    span = None
    if len(epochs) > 2:
        span = _one_pair(job, inputs, engine, epochs[0], epochs[-1], lease, registry, reports, None, tile)
        span.measurement.look_away()
    last = pairs[-1]
    remarks.append(in_plain_words(last.measurement))
    remarks += small_changes(last.measurement, last.verdicts, job.detect.min_area_m2)
    undated = NONE
    if job.detect.existing is True:
        m = last.measurement
        here = lease.to_crs(m.job.crs_wkt)
        undated = undated_beside(job, epochs[-1], here, registry, m, last.found, engine, tile)
        remarks += undated.notes
    return Comparison(lease, registry, epochs, pairs, span, reports, remarks, undated)


def _one_pair(
    job: Job,
    inputs: Inputs,
    engine: Engine,
    before: Opened,
    after: Opened,
    lease: Lease,
    registry: Registry | None,
    reports: Sequence[CheckpointReport],
    parts: Path | None,
    tile: int | None,
) -> Compared:
    grid = before.surface.grid
    here = lease.to_crs(grid.crs_wkt)
    _need_overlap(here, before, after)
    nearby = None
    if registry is not None:
        nearby = registry.window(grid.bounds, grid.crs_wkt, on=after.survey.date, own=here)
    zones = make_zones(here, grid, others=nearby.leases if nearby is not None else ())
    extra = _named(job, inputs, grid.crs_wkt)
    settings = Settings(
        wishes=_wishes(job),
        probability=job.detect.probability,
        min_area_m2=job.detect.min_area_m2,
        bench_height_m=job.measure.bench_height_m,
        bench_origin_m=job.measure.bench_origin_m,
    )
    m = measure_pair(
        before.surface,
        after.surface,
        zones,
        settings,
        engine,
        extra=extra,
        usable=_usable(job, inputs, before, after),
        tie=tie_of(reports, before.date, after.date),
        change_parts=parts,
        tile=tile,
    )
    if engine.progress is not None:
        engine.progress.stage("telling changes apart")
    m, spoken = settle_workings(m, job.detect.min_area_m2, before.ortho, after.ortho, engine.threads)
    verdicts = tell_apart(
        m,
        job.detect.min_area_m2,
        job.detect.probability,
        job.detect.min_depth_m,
        before.ortho,
        after.ortho,
        engine.threads,
        spoken,
    )
    m, verdicts = to_the_rim(m, verdicts, engine.threads)
    found = make_found(m, verdicts, here, nearby, after.survey.date)
    sums = all_zone_sums(
        m,
        dismissed_mask(verdicts),
        job.error.systematic_m or 0.0,
        np.array([v.outline_share for v in verdicts]),
        np.array([v.chance for v in verdicts]),
    )
    main = [zone_volumes(z, *sums[z]) for z in ("lease", "buffer", "beyond")]
    polygons, river = [], None
    for index, (name, _) in enumerate(extra):
        k = FIXED + index
        volumes = zone_volumes(
            "river bed" if name == RIVER_BED else "polygon",
            *sums[name],
            name=name,
            lowest_m=m.totals.lowest[k],
            highest_m=m.totals.highest[k],
            mean_slope_deg=_mean_slope(m, extra[index][1]),
        )
        if name == RIVER_BED:
            river = volumes
        else:
            polygons.append(volumes)
    return Compared(before, after, m, verdicts, found, main, polygons, river)


RIVER_BED = "river bed"


def _need_overlap(lease: Lease, before: Opened, after: Opened) -> None:
    for survey in (before, after):
        grid = survey.surface.grid
        b = grid.bounds
        box = shapely.box(b.west, b.south, b.east, b.north)
        if not lease.to_crs(grid.crs_wkt).polygon.intersects(box):
            centre = lease.polygon.centroid
            raise InputRefused(
                f"does not cover any of the lease, which lies around {centre.x:.0f} east, "
                f"{centre.y:.0f} north; the survey covers {b.west:.0f}…{b.east:.0f} east, "
                f"{b.south:.0f}…{b.north:.0f} north",
                file=survey.surface.name,
                mend="Check that survey and boundary are of the same mine, and their reference systems.",
            )


def _named(job: Job, inputs: Inputs, crs_wkt: str) -> list[tuple[str, BaseGeometry]]:
    """The job's further polygons, and its river bed as one."""
    out: list[tuple[str, BaseGeometry]] = []
    crs = job.lease.crs if job.lease else None
    if job.measure.polygons is not None:
        out += read_polygons(inputs.path(job.measure.polygons), wanted_crs=crs_wkt, crs=crs)
    if job.measure.river_bed is not None:
        bed = read_polygons(inputs.path(job.measure.river_bed), wanted_crs=crs_wkt, crs=crs)
        out.append((RIVER_BED, shapely.union_all([p for _, p in bed])))
    return out


def _wishes(job: Job) -> Wishes:
    if job.align.off:
        return Wishes(False, False, False, False)

    def word(value: object) -> bool | None:
        return None if value == "auto" else bool(value)

    a = job.align
    return Wishes(word(a.horizontal), word(a.vertical), word(a.tilt), word(a.dome))


def _usable(
    job: Job, inputs: Inputs, before: Opened, after: Opened
) -> Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]] | None:
    """Ground that may be stable: inside what the job calls stable, outside its workings."""
    crs = job.lease.crs if job.lease else None
    wkt = before.surface.grid.crs_wkt
    stable, workings = (
        shapely.union_all([p for _, p in read_polygons(inputs.path(name), wanted_crs=wkt, crs=crs)])
        if name is not None
        else None
        for name in (job.align.stable, job.align.workings)
    )
    if stable is None and workings is None:
        return None

    def usable(east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.bool_]:
        ok = np.ones(east.size, np.bool_)
        if stable is not None:
            ok &= shapely.contains_xy(stable, east, north)
        if workings is not None:
            ok &= ~shapely.contains_xy(workings, east, north)
        return ok

    return usable


def _mean_slope(m: Measurement, shape: BaseGeometry) -> float | None:
    """Mean slope of the earlier ground at the sampled points inside a polygon, degrees."""
    at = m.alignment.points
    inside = shapely.contains_xy(shape, at.east, at.north)
    if not inside.any():
        return None
    return float(np.degrees(np.arctan(at.slope[inside])).mean())
