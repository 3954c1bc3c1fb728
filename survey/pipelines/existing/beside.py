"""What stood already when the later of two surveys was flown: undated, beside what changed between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from survey.pipelines.change.sites import Found
from survey.pipelines.existing.find import ExistingSettings, find_existing
from survey.remark import Remark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapely.geometry.base import BaseGeometry

    from survey.blocks import Engine
    from survey.boundary.lease import Lease
    from survey.boundary.registry import Registry
    from survey.pipelines.change.pair import Measurement
    from survey.pipelines.job import Job
    from survey.pipelines.opened import Opened
    from survey.record import Site

SHARED = 0.1
"""An old site of which more than this share (or that covers more than this share of a site of change) is the
site of change itself: it is listed once, as what changed."""


@dataclass(frozen=True)
class Undated:
    """Old sites with their outlines on the job grid, and what was decided by what."""

    sites: list[tuple[Site, BaseGeometry]]
    settings: dict[str, Any]
    notes: tuple[Remark, ...]


NONE = Undated([], {}, ())


def undated_beside(
    job: Job,
    after: Opened,
    lease: Lease,
    registry: Registry | None,
    m: Measurement,
    changed: Found,
    engine: Engine,
    tile_cells: int | None = None,
) -> Undated:
    """Pits and heaps that stand in the later survey and are none of the changes.

    They are found and measured on the later survey as it was delivered, and laid on the job grid by the shift
    that the alignment found; their volumes enter no sum.

    Parameters
    ----------
    lease : in the system of the job grid, as are the outlines of ``changed`` and of the result.

    Raises
    ------
    InputRefused
        The survey cannot be read.
    """
    from survey.boundary.zones import make_zones

    grid = after.surface.grid
    shift = (m.alignment.east_m, m.alignment.north_m)
    here = _moved_lease(lease.to_crs(grid.crs_wkt), -shift[0], -shift[1])
    near = None
    if registry is not None:
        near = registry.window(grid.bounds, grid.crs_wkt, on=after.survey.date, own=here)
    zones = make_zones(here, grid, others=near.leases if near is not None else ())
    made = find_existing(after, zones, here, near, engine, ExistingSettings.of_job(job), tile_cells)
    laid = [_laid(site, shape, grid.crs_wkt, m.job.crs_wkt, shift, lease) for site, shape in made.found.sites]
    old = apart_from([shape for _, shape in changed.sites], laid)
    said = made.settings | {
        "apart_from_changes_by_share": SHARED,
        "left_to_the_changes": len(laid) - len(old),
        "not_called_sites": len(made.found.dismissed),
    }
    note = Remark(
        "existing",
        f"{len(old)} pit(s) and heap(s) stood in the later survey besides what changed: found by their form, "
        "undated, measured on rebuilt ground, and in no sum of cut and fill.",
        "info",
    )
    return Undated(old, said, (note,))


def apart_from(
    changed: Sequence[BaseGeometry], old: Sequence[tuple[Site, BaseGeometry]]
) -> list[tuple[Site, BaseGeometry]]:
    """Those of ``old`` that are none of ``changed``."""
    import shapely

    if not changed:
        return list(old)
    solid = [shapely.make_valid(shape) for shape in changed]
    tree = shapely.STRtree(solid)
    out = []
    for site, outline in old:
        near = tree.query(outline, predicate="intersects").tolist()
        shared = [
            solid[k].intersection(outline).area / max(min(solid[k].area, outline.area), 1e-9) for k in near
        ]
        if max(shared, default=0.0) <= SHARED:
            out.append((site, outline))
    return out


def _moved_lease(lease: Lease, east_m: float, north_m: float) -> Lease:
    from shapely.affinity import translate

    return replace(
        lease,
        polygon=translate(lease.polygon, east_m, north_m),
        pillars=tuple(replace(p, east=p.east + east_m, north=p.north + north_m) for p in lease.pillars),
    )


def _laid(
    site: Site, outline: BaseGeometry, crs_wkt: str, job_wkt: str, shift: tuple[float, float], lease: Lease
) -> tuple[Site, BaseGeometry]:
    import numpy as np
    from shapely.affinity import translate

    from survey.boundary.crs import move, move_points
    from survey.boundary.position import position_of

    laid = translate(move(outline, crs_wkt, job_wkt, near=lease.lon_lat), *shift)
    place = position_of(laid, lease)
    update: dict[str, Any] = {
        "lon": place.lon,
        "lat": place.lat,
        "distance_m": place.distance_m,
        "bearing_deg": place.bearing_deg,
        "nearest_pillar": place.pillar,
    }
    if site.deepest_east_m is not None and site.deepest_north_m is not None:
        deepest = np.array([[site.deepest_east_m, site.deepest_north_m]])
        east, north = (move_points(deepest, crs_wkt, job_wkt, lease.lon_lat)[0] + shift).tolist()
        update |= {"deepest_east_m": east, "deepest_north_m": north}
    return site.model_copy(update=update), laid
