"""The record of an assessment, and each outline as a site for maps and layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from survey.pipelines.assess.measure import EARLIER
from survey.pipelines.assess.surveyed import Surveyed
from survey.pipelines.epochs import survey_part
from survey.pipelines.record_head import lease_part, record_head
from survey.record import Record, Site, SiteStatus
from survey.record_assess import Assessment

if TYPE_CHECKING:
    from survey.boundary.lease import Lease
    from survey.pipelines.runs import Run

CHANGED: SiteStatus = "changed between the surveys"
EXISTING: SiteStatus = "existing: seen in one survey, undated"


def site_of(a: Assessment, found: Site | None) -> Site:
    """An assessed outline as a site, so that maps, layers and the phone show it."""
    status: SiteStatus = CHANGED if a.base.method == EARLIER else EXISTING
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


def record_of(
    run: Run,
    surveyed: Surveyed,
    lease: Lease | None,
    assessed: Sequence[tuple[Assessment, Any]],
    sites: Sequence[Site],
) -> Record:
    """The whole record: surveys, alignment, outlines as sites and as assessments, and what was noted."""
    from survey.pipelines.map_scale import map_remarks
    from survey.pipelines.record_parts import alignment_part, error_part, grid_part, notes_of

    grid, m = surveyed.grid, surveyed.pair
    by_id = {s.id: s for s in sites}
    epochs = [o for o in (surveyed.before, surveyed.after) if o is not None and o.bare_ground != "given"]
    return Record(
        **record_head(run.command, run.job, run.inputs, run.started),
        surveys=[survey_part(o, run.job) for o in epochs],
        grid=grid_part(grid),
        lease=lease_part(lease),
        alignment=None if m is None else alignment_part(m),
        error=None if m is None else error_part(m),
        sites=[site_of(a, by_id.get(a.id)) for a, _ in assessed],
        assessments=[a.model_dump() for a, _ in assessed],
        notes=notes_of([*surveyed.notes, *(() if m is None else m.notes), *map_remarks(grid)]),
        settings={"options": run.options.public()},
    )
