"""``survey demo``: make the sample deliveries and run the main job on each."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from survey.pipelines.commands import breaches, pipeline
from survey.pipelines.job import load_job
from survey.pipelines.summary import summary

if TYPE_CHECKING:
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress


def run_demo(folder: Path, options: Options, progress: Progress) -> str:
    """Deliveries in ``folder/deliveries``, results in ``folder/runs``; what to print.

    Raises
    ------
    SurveyError
    """
    from survey.sample_data.demo import make_demo

    progress.stage("making the sample deliveries")
    jobs = make_demo(folder / "deliveries")
    chosen = replace(options, out=folder / "runs", force=True)
    told = []
    for path in jobs:
        job = load_job(path)
        command = "excavation" if "excavation" in job.tasks else "check"
        record = pipeline(command)(job, chosen, progress)
        told.append(summary(record, chosen.out))
        if breaches(command, record):
            told.append("  (this delivery is made to breach the rules)")
    reports = [os.path.relpath(p) for p in sorted(chosen.out.glob("*/report.html")) if p.is_file()]
    told.append("Open in a browser:\n" + "\n".join(f"  {p}" for p in reports))
    return "\n\n".join(told)
