"""What people open: drawn from the record, the layers and the pictures of a run. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from survey.record import Record
from survey.report.options import FORMATS, ReportOptions

if TYPE_CHECKING:
    from survey.report.folder import RunFolder

__all__ = ["FORMATS", "ReportOptions", "write_all"]


def write_all(run_dir: Path, record: Record | None = None, options: ReportOptions | None = None) -> list[str]:
    """Draw the reports of a run into its folder; the names of the files written, in a fixed order.

    ``record`` is read from ``run_dir/record.json`` if it is not given. Formats that need a map are left out
    where the run drew none.
    """
    from survey.report.folder import open_run

    options = options or ReportOptions()
    run = open_run(Path(run_dir), record)
    written: list[str] = []
    for name in FORMATS:
        if name in options.formats and name in _WRITERS:
            written += _WRITERS[name](run, options)
    return written


def _html(run: RunFolder, options: ReportOptions) -> list[str]:
    from survey.report.html import render_html

    return _keep(run, "report.html", render_html(run, options).encode("utf-8"))


def _pdf(run: RunFolder, options: ReportOptions) -> list[str]:
    from survey.report.paper.report import report_pdf

    return _keep(run, "report.pdf", report_pdf(run, options))


def _plans(run: RunFolder, options: ReportOptions) -> list[str]:
    from survey.report.paper.plans import environment_plan, plan_pdf, surface_plan
    from survey.report.paper.sections import sections_pdf
    from survey.report.words import Words

    words = Words(options.language)
    written: list[str] = []
    surface = surface_plan(run, options, words)
    for plan in (surface, environment_plan(run, options, words)):
        if plan is not None:
            written += _keep(run, plan.file, plan_pdf(run, plan, options))
    if surface is not None:
        written += _keep(run, "plan-sections.pdf", sections_pdf(run, options, surface.scale))
    return written


def _keep(run: RunFolder, name: str, data: bytes | None) -> list[str]:
    if data is None:
        return []
    (run.path / name).write_bytes(data)
    return [name]


_WRITERS: dict[str, Callable[[RunFolder, ReportOptions], list[str]]] = {
    "html": _html,
    "pdf": _pdf,
    "plans": _plans,
}
