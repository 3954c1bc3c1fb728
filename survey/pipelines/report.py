"""``survey report RUN``: draw the reports of a run again, from its own folder and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress


def run_report(run: Path, options: Options, progress: Progress) -> list[Path]:
    """Draw all reports of the run in the folder ``run``; the files drawn, in a fixed order.

    Neither the surveys nor the job file are needed: what was measured stands in ``record.json``, what is
    drawn in ``results.gpkg`` and ``pictures/``. The record is not touched.

    Raises
    ------
    InputRefused
        ``run`` is not the folder of a run, or its record is damaged.
    OutputError
        A report cannot be written.
    """
    from survey.report import write_all

    progress.stage("drawing reports")
    folder = run.parent if run.name == "record.json" else run
    return [folder / name for name in write_all(folder)]
