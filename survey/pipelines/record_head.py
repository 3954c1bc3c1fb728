"""What every record begins with: the command, the job, the mine, the clock, the software and the sources."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from survey.pipelines.software import software
from survey.record import Clock

if TYPE_CHECKING:
    from survey.boundary.lease import Lease
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.job import Job


def record_head(command: str, job: Job, inputs: Inputs, started: datetime) -> dict[str, Any]:
    """The fields of ``Record`` that do not depend on what was measured."""
    finished = datetime.now(UTC)
    return {
        "command": command,
        "job": job.public() | {"id": job.id, "digest": job.digest()},
        "mine": job.mine.model_dump(mode="json", exclude_none=True),
        "clock": Clock(started=started, finished=finished, seconds=(finished - started).total_seconds()),
        "software": software(),
        "sources": inputs.sources(),
    }


def lease_part(lease: Lease | None) -> dict[str, Any] | None:
    """The lease as a record names it."""
    if lease is None:
        return None
    return {
        "lease_id": lease.lease_id,
        "name": lease.name,
        "area_ha": lease.area_ha,
        "boundary_sigma_m": lease.sigma_m,
        "pillars": [asdict(p) for p in lease.pillars],
    }
