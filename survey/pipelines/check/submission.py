"""What a check leaves behind: findings as a table, missing ground and flags as shapes and pictures, the
report.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import shapely

from survey.pipelines.check.context import Context
from survey.pipelines.check.footprint import BUFFER_M, Coverage
from survey.pipelines.check.ground import Seen
from survey.pipelines.check.pictures import Drawn, box_bounds, flag_picture, missing_picture
from survey.record import Finding, Record

if TYPE_CHECKING:
    from survey.archive import RunFolder

COLUMNS = (
    "severity", "id", "verdict", "flag", "rule", "citation", "grade", "observed", "limit", "unit", "message",
    "mend", "subject",
)  # fmt: skip
_MOST_FLAG_PICTURES = 12


@dataclass(frozen=True)
class Submission:
    """Everything that was found, before it is written."""

    context: Context
    seen: Seen | None
    covers: dict[str, Coverage] = field(default_factory=dict)


def publish(folder: RunFolder, record: Record, s: Submission, reports: str | None = None) -> Record:
    """Write tables, shapes, pictures and reports into the run folder; the record with what was drawn.

    ``reports``: "none", "html", or both as a reviewer sends them back.
    """
    from survey.report.submission import write_submission

    record = draw_findings(folder, record, s)
    formats = {"none": (), "html": ("html",)}.get(reports or "all", ("html", "pdf"))
    write_submission(folder.path("findings.csv~").parent, record, formats)
    return record


def draw_findings(folder: RunFolder, record: Record, s: Submission) -> Record:
    """Write tables, shapes and pictures into the run folder; the record with what was drawn."""
    write_findings(folder, record.findings)
    drawn = _missing_pictures(folder, s) + _flag_pictures(folder, s)
    shapes = _shapes(s)
    if shapes is not None:
        folder.write_text("missing.geojson", shapes[0])
        folder.write_text("flags.geojson", shapes[1])
    checks = dict(record.checks or {}) | {"pictures": [d.public() for d in drawn]}
    return record.model_copy(update={"checks": checks})


def flag_of(finding: Finding) -> str | None:
    """The strength of a raised flag."""
    raised = finding.evidence.get("flag")
    return str(raised) if raised is not None and finding.verdict == "exempt, for review" else None


def write_findings(folder: RunFolder, findings: Sequence[Finding]) -> None:
    """``findings.csv``: one row per finding, what needs a person first."""
    from survey.law.finding import severity
    from survey.tables import write_csv

    rows = []
    for f in findings:
        flag = flag_of(f)
        values = {"severity": severity(f.verdict, flag), "flag": flag}
        row = [values.get(c, getattr(f, c, None)) for c in COLUMNS]
        rows.append(["" if v is None else v for v in row])
    write_csv(folder.path("findings.csv"), COLUMNS, rows)


# -- pictures
# --------------------------------------------------------------------------------------------------
def _lease_shape(s: Submission) -> Any | None:
    """The lease in the system of the surface that was read."""
    lease = s.context.filing.lease
    if lease is None:
        return None
    if s.seen is None:
        return lease.polygon
    return lease.to_crs(s.seen.plan.surface.grid.crs_wkt).polygon


def _missing_pictures(folder: RunFolder, s: Submission) -> list[Drawn]:
    from survey.boundary.bands import grown

    lease = _lease_shape(s)
    if lease is None:
        return []
    same: dict[bytes, tuple[str, list[str]]] = {}
    surface = s.seen.plan.surface if s.seen is not None else None
    for name, cover in s.covers.items():
        lacking = [cover.lease.where, cover.buffer.where]
        exempt = [cover.exempt.where]
        if sum(shape.area for shape in (*lacking, *exempt)) < 1.0:
            continue
        file = f"pictures/missing-{name.casefold().replace(' ', '-')}.png"
        picture = missing_picture(surface, lease, grown(lease, BUFFER_M), lacking, exempt)
        # Products of one flight mostly end at one line: what looks the same is shown once.
        same.setdefault(picture, (file, []))[1].append(name)
    for picture, (file, _) in same.items():
        folder.write_bytes(file, picture)
    return [
        Drawn(
            file,
            f"What the {_listed(names)} {'leaves' if len(names) == 1 else 'leave'} out",
            "Solid line: lease. Broken line: 100 m around it. Red: not covered. Orange: exempt, for review.",
        )
        for file, names in same.values()
    ]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _flag_pictures(folder: RunFolder, s: Submission) -> list[Drawn]:
    if s.seen is None:
        return []
    lease = _lease_shape(s)
    drawn: list[Drawn] = []
    for finding_id, flag in s.context.flags[:_MOST_FLAG_PICTURES]:
        picture = flag_picture(flag, s.seen.plan.surface, s.seen.plan.work, lease)
        if picture is None:
            continue
        file = f"pictures/flag-{len(drawn) + 1}.png"
        folder.write_bytes(file, picture)
        legend = "Orange boxes: where the flag points."
        if flag.picture_says:
            legend += f" Shades: {flag.picture_says}."
        drawn.append(Drawn(file, f"{flag.name} ({flag.strength}): {finding_id}", legend))
    return drawn


# -- shapes
# ----------------------------------------------------------------------------------------------------
def _shapes(s: Submission) -> tuple[str, str] | None:
    """``missing.geojson`` and ``flags.geojson`` (EPSG:4326), or None without a place."""
    lease = s.context.filing.lease
    if s.seen is not None:
        crs_wkt = s.seen.plan.surface.grid.crs_wkt
    elif lease is not None:
        crs_wkt = lease.crs_wkt
    else:
        return None
    missing = []
    for name, cover in s.covers.items():
        for zone, part in (("lease", cover.lease), ("buffer", cover.buffer), ("exempt", cover.exempt)):
            for shape in shapely.get_parts(part.where):
                if shape.area >= 0.01:
                    missing.append(({"product": name, "zone": zone, "area_m2": round(shape.area, 3)}, shape))
    flagged = []
    if s.seen is not None:
        grid = s.seen.plan.surface.grid
        for finding_id, flag in s.context.flags:
            for box in flag.where:
                b = box_bounds(box, grid)
                properties = {"finding": finding_id, "name": flag.name, "strength": flag.strength}
                flagged.append((properties, shapely.box(b.west, b.south, b.east, b.north)))
    return _geojson(missing, crs_wkt), _geojson(flagged, crs_wkt)


def _geojson(features: Sequence[tuple[dict[str, Any], Any]], crs_wkt: str) -> str:
    from shapely.geometry import mapping

    from survey.dem.mapping import transformer

    to = transformer(crs_wkt, "EPSG:4326")

    def lonlat(xy: Any) -> Any:
        import numpy as np

        lon, lat = to.transform(xy[:, 0], xy[:, 1])
        return np.round(np.stack([lon, lat], axis=1), 8)

    collection = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": properties,
                "geometry": mapping(shapely.transform(shape, lonlat)),
            }
            for properties, shape in features
        ],
    }
    return json.dumps(collection, ensure_ascii=False, allow_nan=False) + "\n"
