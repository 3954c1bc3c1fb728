"""A measured outline as the record has it: volumes, zones, worth and form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from survey.boundary.coverage import FULL
from survey.pipelines.assess.ground import weights_on
from survey.pipelines.assess.measure import EARLIER, Measured, Wish
from survey.pipelines.assess.parts import (
    NO_SPLIT,
    base_part,
    body_fields,
    fee_part,
    form_part,
    profiles,
    split_fields,
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
    target = made.target
    other = None
    if registry is not None and made.deepest is not None:
        here = registry.lease_at(*made.deepest, on=surveyed.after.survey.date)
        other = here.lease_id if here is not None else None
    return Assessment(
        id=target.id,
        target=DETECTED if target.site is not None else "polygons",
        survey_date=surveyed.after.date,
        earlier_date=surveyed.before.date if surveyed.before is not None and made.method == EARLIER else None,
        **body_fields(
            target.polygon,
            surveyed.grid.crs_wkt,
            made.amount,
            made.volumes,
            made.deepest,
            lease,
            job,
            ask,
        ),
        other_lease=other,
        **_zone_fields(made, zones),
        base=base_part(made, wish.base),
        counted=list(target.counted),
        sections=profiles(made),
        fee=fee_part(job, ask, ask.date or surveyed.after.survey.date),
        form=form_part(job, ask, surveyed.after.survey.date),
        remarks=list(made.remarks),
        working_cell_m=made.stage.grid.cell_m,
        outline_sigma_m=wish.outline_sigma_m
        if wish.outline_sigma_m is not None
        else max(0.1, made.stage.grid.cell_m / 2),
    )


def _zone_fields(made: Measured, zones: Zones | None) -> dict[str, Any]:
    """The volume's split across the boundary and the 100 m line; its parts sum to the whole."""
    if zones is None:
        return NO_SPLIT
    grid = made.stage.grid
    depth = made.base - made.surface if made.pit else made.surface - made.base
    each = np.where(np.isfinite(depth), np.maximum(depth, 0.0), 0.0) * made.weight
    total = float(each.sum())
    own = (made.volumes.cut if made.pit else made.volumes.fill).value

    def part(weights: Any) -> float:
        return (
            float((each * np.asarray(weights, np.float64) / FULL).sum()) / total * own if total > 0 else 0.0
        )

    on_lease, on_reach = weights_on(grid, zones.lease), weights_on(grid, zones.reach)
    reach = part(np.maximum(on_reach, on_lease))
    found = split_fields(part(on_lease), reach, own, part(_unsure(grid, zones)))
    return found if total > 0 else found | {"zone": zones.zone_of(*_middle(made))}


def _unsure(grid: Grid, zones: Zones) -> Any:
    """Weights of the ground so near the boundary that its own doubt leaves open whose it is."""
    if not zones.unsure_m:
        return np.zeros(grid.shape)
    outer = weights_on(grid, zones.lease.buffer(zones.unsure_m)).astype(np.int32)
    return np.maximum(outer - weights_on(grid, zones.lease.buffer(-zones.unsure_m)), 0)


def _middle(made: Measured) -> tuple[float, float]:
    point = made.target.polygon.representative_point()
    return float(point.x), float(point.y)
