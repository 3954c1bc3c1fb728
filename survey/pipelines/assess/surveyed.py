"""What targets are measured on: one survey, a pair of them, or a given surface; and the targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import InputRefused
from survey.pipelines.assess.ground import (
    Read,
    disturbed_ground,
    reader_of,
    reader_of_pair,
)
from survey.pipelines.assess.targets import (
    Target,
    from_polygons,
    from_sites,
)
from survey.pipelines.epochs import agreed, open_epochs, open_lease, open_registry
from survey.pipelines.inputs import Inputs
from survey.pipelines.opened import Opened
from survey.record import Site
from survey.remark import Remark

if TYPE_CHECKING:
    from survey.blocks import Engine
    from survey.boundary.lease import Lease
    from survey.boundary.registry import Registry
    from survey.boundary.zones import Zones
    from survey.grid import Grid
    from survey.pipelines.change.pair import Measurement
    from survey.pipelines.job import Job
    from survey.pipelines.job.assess import Assess

DETECTED = "detected"
UNDATED_NOT_ASKED = (
    "Assessed is what changed between the surveys outside the lease. Pits and heaps that stood there before "
    "the earlier survey are assessed too with existing = true under [detect]."
)


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


def surveyed_of(
    job: Job, ask: Assess, inputs: Inputs, engine: Engine
) -> tuple[Surveyed, list[Target], Lease | None, Registry | None, Zones | None, list[Site]]:
    """Open what the job names: (surveyed, targets, lease, registry near by, zones, sites that were found)."""
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
        said = [*comparison.notes]
        if job.detect.existing is not True:
            said.append(Remark("undated-not-asked", UNDATED_NOT_ASKED, "info"))
        filled = sum(s.kind == "backfill" and s.outside_volume_m3 > 0 for s, _ in listed)
        if filled:
            said.append(Remark("backfill-not-assessed", _filled_again(filled), "info"))
        surveyed = Surveyed(
            m.job,
            reader_of_pair(m),
            last.after,
            last.before,
            m,
            disturbed,
            tuple(said),
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


def _filled_again(count: int) -> str:
    return (
        f"Pits outside the lease that were filled again, wholly or in part: {count}. That is neither dug "
        "nor stocked mineral, and was not assessed. Name an outline under targets to have it measured all "
        "the same."
    )


def _given_surface(job: Job, ask: Assess, inputs: Inputs, after: Opened) -> Opened:
    from survey.dem.opening import open_surface

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
