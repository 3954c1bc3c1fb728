"""``surface.xml``: both surfaces and the pillars as LandXML 1.2, which mine-planning programs read.

Points are *northing easting height*, as LandXML orders them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from survey.report.files.surface import triangles_of

if TYPE_CHECKING:
    from survey.report.folder import RunFolder

NAMESPACE = "http://www.landxml.org/schema/LandXML-1.2"


def landxml_text(run: RunFolder) -> str | None:
    """The document; None where the run kept no surface."""
    from pyproj import CRS

    surfaces = triangles_of(run)
    if not surfaces:
        return None
    crs = CRS.from_wkt(run.crs_wkt) if run.crs_wkt else None
    epsg = crs.to_epsg() if crs is not None else None
    day = max(s.survey for s in surfaces)[:10]
    name = str(run.record.mine.get("name") or run.record.job.get("id") or "mine")
    version = run.record.software.get("mine-survey", "")
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<LandXML xmlns="{NAMESPACE}" version="1.2" date={quoteattr(day)} time="00:00:00" '
        'language="English" readOnly="false">',
        '<Units><Metric areaUnit="squareMeter" linearUnit="meter" volumeUnit="cubicMeter" '
        'temperatureUnit="celsius" pressureUnit="milliBars" angularUnit="decimal degrees" '
        'directionUnit="decimal degrees"/></Units>',
        f"<CoordinateSystem name={quoteattr(crs.name if crs else 'unknown')}"
        + (f' epsgCode="{epsg}"' if epsg else "")
        + "/>",
        f"<Project name={quoteattr(name)}/>",
        f'<Application name="mine-survey" version={quoteattr(version)}/>',
    ]
    pillars = list(run.layer("pillars").rows())
    if pillars:
        out.append('<CgPoints name="boundary pillars">')
        for row in pillars:
            out.append(
                f"<CgPoint name={quoteattr(str(row['name']))}>{row['north']:.4f} {row['east']:.4f}</CgPoint>"
            )
        out.append("</CgPoints>")
    out.append("<Surfaces>")
    for surface in surfaces:
        low, high = surface.points[:, 2].min(), surface.points[:, 2].max()
        about = f"thinned to {surface.tolerance_m:g} m"
        out.append(f"<Surface name={quoteattr(surface.survey)} desc={quoteattr(about)}>")
        out.append(f'<Definition surfType="TIN" elevMin="{low:.4f}" elevMax="{high:.4f}"><Pnts>')
        out += [
            f'<P id="{k}">{north:.4f} {east:.4f} {height:.4f}</P>'
            for k, (east, north, height) in enumerate(surface.points.tolist(), 1)
        ]
        out.append("</Pnts><Faces>")
        out += [f"<F>{a} {b} {c}</F>" for a, b, c in (surface.faces + 1).tolist()]
        out.append("</Faces></Definition></Surface>")
    out.append("</Surfaces></LandXML>")
    return "\n".join(out) + "\n"
