"""``survey assess``: pits and stocks measured for rule 91, from surveys or from a handful of points."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from survey.pipelines.assess.assessment import assessment_of
from survey.pipelines.assess.drawn import Drawn
from survey.pipelines.assess.measure import Measured
from survey.pipelines.assess.outline import measured_outline, wish_of
from survey.pipelines.assess.record import record_of
from survey.pipelines.assess.surveyed import surveyed_of
from survey.pipelines.assess.targets import settle_overlaps, without_repeats
from survey.pipelines.runs import Run, run_in_folder
from survey.record import Record
from survey.remark import Remark

if TYPE_CHECKING:
    from survey.archive import RunFolder
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress


def run_assess(job: Job, options: Options, progress: Progress) -> Record:
    """Measure the job's targets and write the run folder, with a sheet for each.

    Raises
    ------
    SurveyError
        An input cannot be used; nothing is left behind.
    """
    from survey.pipelines.assess.publish import draw_assessments

    def work(run: Run, folder: RunFolder) -> Record:
        drawn = assess(run)
        return draw_assessments(folder, drawn.record, drawn, progress)

    return run_in_folder("assess", job, options, progress, work)


def assess(run: Run) -> Drawn:
    """Measure everything; nothing is written."""
    job, inputs, progress = run.job, run.inputs, run.progress
    ask = job.assess
    assert ask is not None
    if ask.points is not None:
        from survey.pipelines.assess.from_points import assess_points

        return assess_points(run, ask)
    surveyed, targets, lease, registry, zones, sites = surveyed_of(job, ask, inputs, run.engine)
    targets, repeated = without_repeats(targets)
    surveyed = replace(surveyed, notes=(*surveyed.notes, *repeated))
    if not targets:
        said = Remark(
            "nothing-detected", "No pit or heap was detected outside the lease: nothing to assess.", "info"
        )
        surveyed = replace(surveyed, notes=(*surveyed.notes, said))
    wish = wish_of(job, ask, inputs, surveyed)
    progress.stage("measuring outlines", len(targets))
    measured: dict[str, Measured] = {}
    settled = settle_overlaps(targets)
    held = {t.id: frozenset(t.within) for t in settled}
    for target in settled:
        inner = [measured[name] for name in target.within]
        measured[target.id] = measured_outline(target, targets, surveyed, wish, held, inner)
        progress.advance()
    order = [measured[t.id] for t in sorted(targets, key=lambda t: t.order)]
    progress.stage("writing the record")
    assessed = [
        (assessment_of(made, job, ask, surveyed, lease, zones, registry, wish), made.target.polygon)
        for made in order
    ]
    record = record_of(run, surveyed, lease, assessed, sites)
    return Drawn(record, assessed, surveyed, order, lease, zones)
