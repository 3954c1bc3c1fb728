"""What people open: drawn from the record, the layers and the pictures of a run. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from survey.record import Record
from survey.report.options import FORMATS, ReportOptions

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
        if name in options.formats:
            written += _WRITERS[name](run, options)
    return written


def _html(run, options) -> list[str]:  # type: ignore[no-untyped-def]
    from survey.report.html import render_html

    (run.path / "report.html").write_text(render_html(run, options), encoding="utf-8")
    return ["report.html"]


_WRITERS: dict[str, Callable[..., list[str]]] = {"html": _html}
