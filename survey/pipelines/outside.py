"""``survey outside``: what was dug and heaped between the surveys of a job, in the lease and outside it.

With one survey only: what stands in it, undated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from survey.pipelines.change.run import run_comparison
from survey.pipelines.existing.find import existing_sites
from survey.pipelines.existing.run import run_one_survey

if TYPE_CHECKING:
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress
    from survey.record import Record

__all__ = ["existing_sites", "run_outside"]


def run_outside(job: Job, options: Options, progress: Progress) -> Record:
    """Find every pit, heap and backfill between the job's surveys and write the run folder.

    Raises
    ------
    SurveyError
        An input cannot be used; nothing is left behind.
    """
    if not job.measured and sum(survey.ortho is not None for survey in job.surveys) > 1:
        from survey.pipelines.triggers.ortho import run_ortho_surveys

        return run_ortho_surveys(job, options, progress)
    if len(job.measured) == 1:
        return run_one_survey(job, options, progress)
    return run_comparison(job, options, progress, "outside")
