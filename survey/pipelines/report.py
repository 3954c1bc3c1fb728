"""``survey report RUN``: draw the reports of a run again, from its own folder and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress
    from survey.report.words import Language


def run_report(
    run: Path, options: Options, progress: Progress, language: Language | None = None
) -> list[Path]:
    """Draw all reports of the run in the folder ``run``; the files drawn, in a fixed order.

    Neither the surveys nor the job file are needed: what was measured stands in ``record.json``, what is
    drawn in ``results.gpkg`` and ``pictures/``. The record is not touched. ``language``: that of the job if
    not given; what the record says in English is said again in it.

    Raises
    ------
    InputRefused
        ``run`` is not the folder of a run, or its record is damaged.
    OutputError
        A report cannot be written.
    """
    from survey.report import ReportOptions, write_all
    from survey.report.folder import open_run

    progress.stage("drawing reports")
    folder = run.parent if run.name == "record.json" else run
    record = open_run(folder).record
    looks = ReportOptions.of_record(record)
    if language is not None:
        looks = replace(looks, language=language)
    return [folder / name for name in write_all(folder, record, looks)]
