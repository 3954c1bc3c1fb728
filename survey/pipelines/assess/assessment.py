"""A measured outline as the record has it: volumes, zones, worth and form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from survey.boundary.coverage import FULL
from survey.pipelines.assess.ground import (
    weights_on,
)
from survey.pipelines.assess.measure import EARLIER, Measured, Wish
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
from survey.pipelines.assess.surveyed import DETECTED, Surveyed
from survey.record_assess import Assessment

if TYPE_CHECKING:
    from survey.boundary.lease import Lease
    from survey.boundary.registry import Registry
    from survey.boundary.zones import Zones
    from survey.grid import Grid
    from survey.pipelines.job import Job
    from survey.pipelines.job.assess import Assess


def assessment_of(
    made: Measured,
    job: Job,
    ask: Assess,
    surveyed: Surveyed,
    lease: Lease | None,
    zones: Zones | None,
    registry: Registry | None,
    wish: Wish,
) -> Assessment:
    """Everything that the record says of one outline."""
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
