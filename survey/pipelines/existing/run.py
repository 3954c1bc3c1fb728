"""``survey outside`` where the job has one survey only: what stands there, undated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import shapely

from survey.boundary.zones import Zones, make_zones
from survey.errors import InputRefused
from survey.pipelines.change.sites import Found
from survey.pipelines.epochs import open_epochs, open_lease, open_registry, survey_part
from survey.pipelines.existing.find import ExistingSettings, find_existing
from survey.pipelines.height_unit import doubts_on_one
from survey.pipelines.map_scale import map_remarks
from survey.pipelines.opened import Opened
from survey.pipelines.record_head import lease_part, record_head
from survey.pipelines.record_parts import grid_part, notes_of
from survey.pipelines.runs import Run, run_in_folder
from survey.record import Record

if TYPE_CHECKING:
    from survey.archive import RunFolder
    from survey.boundary.lease import Lease
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress


def run_one_survey(job: Job, options: Options, progress: Progress) -> Record:
    """Find what stands in the job's only survey and write the run folder.

    Raises
    ------
    SurveyError
        An input cannot be used; nothing is left behind.
    """

    def work(run: Run, folder: RunFolder) -> Record:
        standing = one_survey(run)
        return draw_standing(folder, standing.record, standing, progress)

    return run_in_folder("outside", job, options, progress, work)


@dataclass(frozen=True)
class Standing:
    """What stands in one survey, and what it takes to draw it."""

    record: Record
    after: Opened
    lease: Lease
    zones: Zones
    found: Found


def one_survey(run: Run) -> Standing:
    """Find what stands in the job's only survey; nothing is written."""
    job, inputs, engine, options = run.job, run.inputs, run.engine, run.options
    # The ground is read three times: a file that must be decoded as a whole is unpacked first.
    epochs, notes = open_epochs(job, inputs, unpack=engine.local, threads=engine.threads)
    after = epochs[-1]
    grid = after.surface.grid
    lease = open_lease(job, inputs, grid.crs_wkt)
    b = grid.bounds
    if not lease.polygon.intersects(shapely.box(b.west, b.south, b.east, b.north)):
        raise InputRefused(
            "does not cover any of the lease",
            file=after.surface.name,
            mend="Check that survey and boundary are of the same mine, and their reference systems.",
        )
    registry = open_registry(job, inputs)
    near = None
    if registry is not None:
        near = registry.window(grid.bounds, grid.crs_wkt, on=after.survey.date, own=lease)
    zones = make_zones(lease, grid, others=near.leases if near is not None else ())
    made = find_existing(after, zones, lease, near, engine, ExistingSettings.of_job(job), options.tile)
    run.progress.stage("writing the record")
    doubts = doubts_on_one(after.surface, job.mine.state, after.survey.date)
    remarks = [*notes, *doubts, *made.notes, *(r for r in lease.notes if r.severity != "info")]
    record = Record(
        **record_head(run.command, job, inputs, run.started),
        surveys=[survey_part(after, job)],
        grid=grid_part(grid),
        lease=lease_part(lease),
        sites=[s for s, _ in made.found.sites],
        dismissed=[d for d, _ in made.found.dismissed],
        notes=notes_of([*remarks, *map_remarks(grid)]),
        settings={"existing": made.settings, "options": options.public()},
    )
    return Standing(record, after, lease, zones, made.found)


def draw_standing(folder: RunFolder, record: Record, standing: Standing, progress: Progress) -> Record:
    """Write layers, pictures, sites and findings; the record with what was drawn."""
    from survey.pipelines import publish
    from survey.pipelines.drawing.draw import derive
    from survey.pipelines.drawing.inputs import Epoch, Shapes

    after, lease, zones, found = standing.after, standing.lease, standing.zones, standing.found
    progress.stage("drawing maps and layers")
    grid = after.surface.grid
    drawing = derive(
        folder.path("results.gpkg").parent,
        grid=grid,
        after=Epoch(after.date, after.surface, after.ortho),
        before=None,
        shapes=Shapes.around(lease, zones, sites=found.sites, dismissed=found.dismissed),
        findings=record.findings,
    )
    record = record.model_copy(update={"settings": record.settings | {"drawing": drawing}})
    folder.write_text("sites.geojson", publish.sites_geojson(found.sites, grid.crs_wkt))
    publish.write_findings(folder, record.findings)
    return record
