"""Write everything a comparison leaves behind: layers, pictures, sites, findings, reports, and the record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from survey.grid import Grid
from survey.pipelines.drawing.draw import derive
from survey.pipelines.drawing.inputs import DrawingOptions, Epoch, NamedShape, Shapes
from survey.pipelines.sealing import settled, write_record
from survey.record import Finding, Record, Site, canonical
from survey.volumetrics.coarse_sums import means

if TYPE_CHECKING:
    from survey.archive import RunFolder
    from survey.boundary.lease import Lease
    from survey.imagery.ortho import Ortho
    from survey.pipelines.change.pair import Measurement
    from survey.pipelines.change.sites import Found
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress
    from survey.report import ReportOptions


@dataclass(frozen=True)
class HeldHeights:
    """Heights of the drawing grid, held whole."""

    heights: NDArray[np.float32]

    def read(self, piece: Grid) -> NDArray[np.float32]:
        r, c = piece.row0, piece.col0
        return self.heights[r : r + piece.height, c : c + piece.width]


def draw_comparison(
    folder: RunFolder,
    record: Record,
    *,
    measurement: Measurement,
    lease: Lease,
    found: Found,
    polygons: Sequence[tuple[str, BaseGeometry]],
    orthos: tuple[Ortho | None, Ortho | None],
    progress: Progress,
    detail: bool = True,
) -> Record:
    """Write layers, pictures, sites and findings; the record with what was drawn.

    ``detail``: also what only plans and CAD files show.
    """
    m = measurement
    progress.stage("drawing maps and layers")
    grid, before, after, _ = means(list(m.coarse), m.job)
    a = m.alignment
    dates = [s["date"] for s in record.surveys][-2:]
    drawing = derive(
        folder.path("results.gpkg").parent,
        grid=grid,
        after=Epoch(dates[1], HeldHeights(after), orthos[1], (a.east_m, a.north_m)),
        before=Epoch(dates[0], HeldHeights(before), orthos[0]),
        shapes=Shapes.around(
            lease,
            m.zones,
            sites=found.sites,
            dismissed=found.dismissed,
            polygons=[NamedShape(name, "polygon", shape) for name, shape in polygons],
        ),
        level_m=m.level_m,
        findings=record.findings,
        options=DrawingOptions(detail=detail),
    )
    record = record.model_copy(update={"settings": record.settings | {"drawing": drawing}})
    folder.write_text("sites.geojson", sites_geojson(found.sites, m.job.crs_wkt))
    write_findings(folder, record.findings)
    return record


def finish(folder: RunFolder, record: Record, job: Job, options: Options, progress: Progress) -> Record:
    """Write the reports that were asked for, and last the record."""
    from survey.report import write_all

    formats = options.formats(record.command)
    record = settled(folder, record)
    if formats:
        progress.stage("drawing reports")
        write_all(folder.path("results.gpkg~").parent, record, report_options(job, formats))
    return write_record(folder, record, progress.took())


def report_options(job: Job, formats: tuple[str, ...] | None = None) -> ReportOptions:
    from survey.report import FORMATS, ReportOptions

    r = job.report
    return ReportOptions(
        formats=FORMATS if formats is None else formats,
        language=r.language,
        indian_digits=r.indian_grouping,
        scale=r.scale,
        sheet="A0" if r.sheet == "auto" else r.sheet,
        original=r.original,
    )


def sites_geojson(sites: Sequence[tuple[Site, BaseGeometry]], crs_wkt: str) -> str:
    """The contract's ``sites.geojson``: EPSG:4326, seven decimals (a centimetre)."""
    from shapely import get_coordinates, set_coordinates
    from shapely.geometry import mapping

    from survey.dem.mapping import transformer

    to = transformer(crs_wkt, "EPSG:4326")
    features = []
    for site, shape in sites:
        xy = get_coordinates(shape)
        lon, lat = to.transform(xy[:, 0], xy[:, 1])
        moved = set_coordinates(shape.__class__(shape), np.round(np.stack([lon, lat], axis=1), 8))
        features.append(
            {"type": "Feature", "id": site.id, "properties": canonical(site), "geometry": mapping(moved)}
        )
    collection: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    return json.dumps(collection, ensure_ascii=False, allow_nan=False) + "\n"


FINDING_COLUMNS = (
    "id", "rule", "citation", "verdict", "observed", "limit", "unit", "message", "mend", "grade", "subject",
)  # fmt: skip


def write_findings(folder: RunFolder, findings: Sequence[Finding]) -> None:
    from survey.tables import write_csv

    rows = [[getattr(f, c) for c in FINDING_COLUMNS] for f in findings]
    write_csv(
        folder.path("findings.csv"), FINDING_COLUMNS, [["" if v is None else v for v in r] for r in rows]
    )
