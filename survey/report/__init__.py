"""What people open: drawn from the record, the layers and the pictures of a run. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from survey.errors import OutputError
from survey.record import Record
from survey.report.options import FORMATS, ReportOptions

if TYPE_CHECKING:
    from survey.report.folder import RunFolder

__all__ = ["FORMATS", "ReportOptions", "write_all"]


def write_all(run_dir: Path, record: Record | None = None, options: ReportOptions | None = None) -> list[str]:
    """Draw the reports of a run into its folder; the names of the files written, in a fixed order.

    ``record`` is read from ``run_dir/record.json`` if it is not given, ``options`` are those of the job.
    Formats that need a map are left out where the run drew none.

    Raises
    ------
    InputRefused
        There is no readable record.
    OutputError
        A file cannot be written.
    """
    from survey.report.folder import open_run

    run = open_run(Path(run_dir), record)
    options = options or ReportOptions.of_record(run.record)
    if run.record.command == "check":
        from survey.report.submission import write_submission

        kinds = tuple(kind for kind in ("html", "pdf") if kind in options.formats)
        return write_submission(run.path, run.record, kinds, options)
    if run.record.triggers is not None:
        from survey.report.digest import write_digest

        return write_digest(run.path, run.record, options.language)
    written: list[str] = []
    for name in FORMATS:
        if name in options.formats:
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


def _sheets(run: RunFolder, options: ReportOptions) -> list[str]:
    if not run.record.assessments:
        return []
    from survey.report.sheet.sheet import sheets

    return [name for file, data in sheets(run, options) for name in _keep(run, file, data)]


def _dxf(run: RunFolder, options: ReportOptions) -> list[str]:
    from survey.report.files.dxf import dxf_text

    if run.extent is None:
        return []
    return _keep(run, "plan.dxf", dxf_text(run, _plan_scale(run, options)).encode("utf-8"))


def _landxml(run: RunFolder, options: ReportOptions) -> list[str]:
    from survey.report.files.landxml import landxml_text

    text = landxml_text(run)
    return _keep(run, "surface.xml", None if text is None else text.encode("utf-8"))


def _str(run: RunFolder, options: ReportOptions) -> list[str]:
    from survey.report.files.surpac import string_files

    return [
        name
        for file, text in string_files(run).items()
        for name in _keep(run, f"surpac/{file}", text.encode("ascii"))
    ]


def _kml(run: RunFolder, options: ReportOptions) -> list[str]:
    from survey.report.files.kml import kml_bytes, kmz_bytes

    return [
        *_keep(run, "sites.kml", kml_bytes(run, options)),
        *_keep(run, "sites.kmz", kmz_bytes(run, options)),
    ]


def _tables(run: RunFolder, options: ReportOptions) -> list[str]:
    from survey.report.files.tables import sheets_of, xlsx_bytes
    from survey.tables import write_csv

    sheets = sheets_of(run, options)
    if not sheets:
        return []
    written = _keep(run, "tables.xlsx", xlsx_bytes(sheets))
    for sheet in sheets:
        name = f"tables/{sheet.name}.csv"
        rows = [["" if value is None else value for value in row] for row in sheet.rows]
        (run.path / "tables").mkdir(exist_ok=True)
        write_csv(run.path / name, list(sheet.columns), rows, bom=options.language == "hi")
        written.append(name)
    return written


def _plan_scale(run: RunFolder, options: ReportOptions) -> int:
    from survey.report.paper.plans import surface_plan
    from survey.report.words import Words

    plan = surface_plan(run, options, Words(options.language))
    return 1000 if plan is None else plan.scale


def _keep(run: RunFolder, name: str, data: bytes | None) -> list[str]:
    if data is None:
        return []
    target = run.path / name
    target.parent.mkdir(exist_ok=True)
    # A reader that has the old report open, or a full disk, must not find half of the new one.
    fresh = target.with_name(target.name + "~new")
    try:
        fresh.write_bytes(data)
        fresh.replace(target)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise OutputError(
            f"cannot be written ({error.strerror or error})",
            file=target,
            mend="Is the disk full, or the folder write-protected?",
        ) from error
    return [name]


_WRITERS: dict[str, Callable[[RunFolder, ReportOptions], list[str]]] = {
    "html": _html,
    "pdf": _pdf,
    "plans": _plans,
    "sheets": _sheets,
    "dxf": _dxf,
    "landxml": _landxml,
    "str": _str,
    "kml": _kml,
    "tables": _tables,
}
