"""``survey outside``: what was dug and heaped between the surveys of a job, in the lease and outside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from survey.pipelines.compare import run_comparison

if TYPE_CHECKING:
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress
    from survey.record import Record


def run_outside(job: Job, options: Options, progress: Progress) -> Record:
    """Find every pit, heap and backfill between the job's surveys and write the run folder.

    Raises
    ------
    SurveyError
        An input cannot be used; nothing is left behind.
    """
    return run_comparison(job, options, progress, "outside")
