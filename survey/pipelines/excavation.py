"""``survey excavation``: what was dug and dumped between the surveys of a job, per zone, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from survey.pipelines.change.run import run_comparison

if TYPE_CHECKING:
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress
    from survey.record import Record


def run_excavation(job: Job, options: Options, progress: Progress) -> Record:
    """Measure the job's surveys against each other and write the run folder.

    Raises
    ------
    SurveyError
        An input cannot be used; nothing is left behind.
    """
    return run_comparison(job, options, progress, "excavation")
