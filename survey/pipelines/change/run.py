"""Compare the surveys of a job and write what was found: the work behind ``excavation`` and ``outside``."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from survey.heap import give_back
from survey.pipelines.change.compare import Comparison, compare
from survey.pipelines.change.record import comparison_record
from survey.pipelines.runs import Run, run_in_folder

if TYPE_CHECKING:
    from survey.archive import RunFolder
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress
    from survey.record import Record


def run_comparison(job: Job, options: Options, progress: Progress, command: str) -> Record:
    """Measure every pair of surveys of the job and write the run folder.

    Raises
    ------
    SurveyError
    """

    def work(run: Run, folder: RunFolder) -> Record:
        with compared(folder, run) as comparison:
            record = comparison_record(run, comparison)
            return draw(folder, record, comparison, progress, detail=options.detailed(command))

    return run_in_folder(command, job, options, progress, work)


@contextmanager
def compared(folder: RunFolder, run: Run) -> Iterator[Comparison]:
    """Compare the surveys, and write ``change.tif`` unless it was asked to be left out.

    The file is put together beside whatever is done with the comparison, and stands when the context ends.
    """
    job, inputs, engine, tile = run.job, run.inputs, run.engine, run.options.tile
    if not run.options.change:
        yield compare(job, inputs, engine, None, tile)
        return
    from survey.pipelines.change.raster import assemble

    parts = folder.path("change-parts/x").parent
    parts.mkdir(parents=True, exist_ok=True)
    comparison = compare(job, inputs, engine, parts, tile)
    run.progress.stage("writing change.tif")
    with ThreadPoolExecutor(1) as beside:
        written = beside.submit(
            assemble, parts, comparison.pairs[-1].measurement.job, folder.path("change.tif")
        )
        yield comparison
        written.result()


def draw(
    folder: RunFolder, record: Record, c: Comparison, progress: Progress, *, detail: bool = True
) -> Record:
    """Write layers, pictures, sites and findings of a comparison; the record with what was drawn.

    ``detail``: also what only plans and CAD files show.
    """
    from survey.pipelines.publish import draw_comparison

    # Looking at regions left holes in memory; maps and, beside them, change.tif need the room.
    give_back()
    last = c.pairs[-1]
    return draw_comparison(
        folder,
        record,
        measurement=last.measurement,
        lease=c.lease.to_crs(last.measurement.job.crs_wkt),
        found=c.found,
        polygons=last.measurement.extra,
        orthos=(last.before.ortho, last.after.ortho),
        progress=progress,
        detail=detail,
    )
