"""``tables.xlsx`` and ``tables-*.csv``: the record's tables for a spreadsheet.

Numbers are numbers in full; texts are never formulas, whatever sign they begin with.
"""

from __future__ import annotations

import datetime
import io
import math
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from survey.record import BenchVolumes, Dismissed, Finding, Record, Site, Source, ZoneVolumes
from survey.report.g1 import g1_rows
from survey.report.numbers import Numbers
from survey.report.words import Words

if TYPE_CHECKING:
    from survey.report.folder import RunFolder
    from survey.report.options import ReportOptions

Cell = str | float | int | bool | None

_FIXED = (1980, 1, 1, 0, 0, 0)
_DAY = "2000-01-01T00:00:00Z"


@dataclass(frozen=True)
class Sheet:
    """``name`` is the sheet's in the workbook and the ending of the CSV."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def sheets_of(run: RunFolder, options: ReportOptions) -> list[Sheet]:
    """All tables that hold something. Columns carry the names and units of ``record.json``."""
    record = run.record
    words = Words(options.language)
    zones = [*record.zones, *record.polygons, *([record.river_bed] if record.river_bed else [])]
    g1 = g1_rows(record, words, Numbers(words, options.indian_digits))
    made = [
        _models("zones", ZoneVolumes, zones),
        _years(record),
        _models("benches", BenchVolumes, record.benches),
        _models("sites", Site, record.sites, leave=("parts", "evidence")),
        _models("dismissed", Dismissed, record.dismissed, leave=("evidence",)),
        _models("findings", Finding, record.findings, leave=("evidence",)),
        _layer(run, "pillars", ("name", "lon", "lat", "east", "north")),
        _layer(run, "levels", ("subject", "kind", "level_m", "above_rim_m")),
        _layer(
            run,
            "bench_lines",
            ("kind", "mean_level_m", "height_m", "face_angle_deg", "berm_width_m", "length_m", "survey"),
        ),
        Sheet(
            "form-g1",
            ("item", "entry", "measured", "interval", "from"),
            [(r.item, r.text, r.figure, r.interval, r.source) for r in g1],
        ),
        _models("sources", Source, record.sources, leave=("detail",)),
    ]
    return [sheet for sheet in made if sheet.rows]


def _models(name: str, model: Any, rows: Sequence[Any], leave: Sequence[str] = ()) -> Sheet:
    columns = [column for column in model.model_fields if column not in leave]
    return Sheet(name, columns, [[_cell(getattr(row, column)) for column in columns] for row in rows])


def _years(record: Record) -> Sheet:
    """Each pair of surveys of a series, and the first against the last."""
    figures = [f"{name}{end}_m3" for name in ("cut", "fill", "net") for end in ("", "_lo", "_hi")]
    columns = ["from", "to", "zone", *figures, "closes_by_m3"]
    if len(record.pairs) < 2:
        return Sheet("years", columns, [])
    parts = [(p.before, p.after, z.model_dump()) for p in record.pairs for z in p.zones]
    if record.total:
        parts += [(record.total["from"], record.total["to"], z) for z in record.total["zones"]]
    rows = [[first, last, *(_cell(z.get(column)) for column in columns[2:])] for first, last, z in parts]
    return Sheet("years", columns, rows)


def _layer(run: RunFolder, name: str, columns: Sequence[str]) -> Sheet:
    rows = [[_cell(row.get(column)) for column in columns] for row in run.layer(name).rows()]
    return Sheet(name.replace("_", "-"), columns, rows)


def _cell(value: Any) -> Cell:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (str, float, int, bool)) else str(value)


def xlsx_bytes(sheets: Sequence[Sheet]) -> bytes:
    """A workbook with a sheet a table; the same tables give the same bytes."""
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook()
    book.remove(book.active)
    book.properties.creator = "mine-survey"
    book.properties.created = datetime.datetime(2000, 1, 1)
    for sheet in sheets:
        page = book.create_sheet(sheet.name[:31])
        page.append(list(sheet.columns))
        for cell in page[1]:
            cell.font = Font(bold=True)
        for r, row in enumerate(sheet.rows, 2):
            for c, value in enumerate(row, 1):
                cell = page.cell(r, c)
                if isinstance(value, str):
                    # A text stays a text: "=HYPERLINK(…)" in a mine's name must not run on opening.
                    cell.value = _legal(value)
                    cell.data_type = "s"
                    cell.quotePrefix = value[:1] in "=+-@\t\r"
                else:
                    cell.value = value
                    if isinstance(value, float):
                        cell.number_format = "#,##0.000"
        for c, column in enumerate(sheet.columns, 1):
            longest = max([len(column), *(len(str(row[c - 1] or "")) for row in sheet.rows[:200])])
            page.column_dimensions[get_column_letter(c)].width = min(longest + 2, 48)
        page.freeze_panes = "A2"
        page.auto_filter.ref = page.dimensions
    out = io.BytesIO()
    book.save(out)
    return _without_clock(out.getvalue())


def _legal(text: str) -> str:
    """Without the control signs that a workbook's XML cannot hold; at most what a cell takes."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", text)[:32_000]


def _without_clock(data: bytes) -> bytes:
    """The same workbook with the time of saving taken out of it and of its ZIP."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + _DAY.encode(), content)
            target.writestr(zipfile.ZipInfo(name, _FIXED), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()
