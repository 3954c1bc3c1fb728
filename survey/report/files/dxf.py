"""``plan.dxf``: the plan for CAD, in metres of the survey's system, heights as Z.

R2013, one layer a kind of thing, contours as polylines with elevation, benches as polylines in space, the
later surface as triangles. Texts are sized for the scale of the surface plan: 2.5 mm when plotted at it.
Outlines of sites are simplified to a fine line's breadth on that plan and leave out what it cannot draw, as
the note of their layer says. Coordinates are those of the survey, so that the drawing falls into place beside
other drawings of the mine.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.report.draw.outlines import SPECK_MM, without_specks
from survey.report.files.surface import triangles_of

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from survey.report.folder import RunFolder

# name: AutoCAD colour index, line type, lineweight in 1/100 mm
LAYERS: dict[str, tuple[int, str, int]] = {
    "LEASE_BOUNDARY": (7, "Continuous", 60),
    "LEASE_PILLARS": (7, "Continuous", 35),
    "LEASE_PILLARS_TEXT": (7, "Continuous", 18),
    "BUFFER_100M": (150, "DASHED", 25),
    "OTHER_LEASES": (200, "DASHDOT", 35),
    "WORKINGS_DUMPS": (8, "DOT", 18),
    "SITES_PIT": (1, "Continuous", 40),
    "SITES_HEAP": (5, "DASHED", 40),
    "SITES_BACKFILL": (3, "DASHED", 40),
    "SITES_TEXT": (7, "Continuous", 18),
    "CONTOURS": (34, "Continuous", 13),
    "CONTOURS_INDEX": (32, "Continuous", 30),
    "CONTOURS_TEXT": (32, "Continuous", 18),
    "BENCH_CREST": (7, "Continuous", 25),
    "BENCH_TOE": (7, "DASHED", 18),
    "SECTIONS": (30, "DASHDOT", 18),
    "SECTIONS_TEXT": (30, "Continuous", 18),
    "LEVELS": (7, "Continuous", 18),
    "SURFACE_AFTER": (9, "Continuous", 9),
}
_PAPER_TEXT_MM = 2.5
_FINE_LINE_MM = 0.2


def dxf_text(run: RunFolder, scale: int) -> str:
    """The drawing as text; the same run gives the same text."""
    import ezdxf
    from ezdxf import options as ezdxf_options

    # ezdxf stamps drawings with the time and fresh identities unless told that bytes must repeat.
    former = ezdxf_options.write_fixed_meta_data_for_testing
    ezdxf_options.write_fixed_meta_data_for_testing = True
    try:
        doc = ezdxf.new("R2013", setup=["linetypes"], units=6)
        doc.header["$MEASUREMENT"] = 1
        doc.header["$LTSCALE"] = scale / 1000 * 5
        for name, (colour, linetype, weight) in LAYERS.items():
            doc.layers.add(name, color=colour, linetype=linetype, lineweight=weight)
        least, tolerance = _least_m2(scale), _tolerance_m(run, scale)
        for name in LAYERS:
            if name.startswith("SITES_") and name != "SITES_TEXT":
                doc.layers.get(name).description = (
                    f"Outlines to {tolerance:g} m; parts and holes below {least:g} m2 left out (1:{scale}). "
                    "The full outlines are in results.gpkg."
                )
        # Triangles hide all else: they are there, and switched off until wanted.
        doc.layers.get("SURFACE_AFTER").off()
        doc.styles.add("SURVEY", font="arial.ttf")
        _draw(run, doc.modelspace(), _PAPER_TEXT_MM * scale / 1000, least, tolerance)
        _place(run, doc)
        extent = run.extent
        if extent is not None:
            doc.header["$EXTMIN"] = (extent.west, extent.south, 0)
            doc.header["$EXTMAX"] = (extent.east, extent.north, 0)
            middle = (extent.west + extent.east) / 2, (extent.south + extent.north) / 2
            doc.set_modelspace_vport(height=(extent.north - extent.south) * 1.1 or 100.0, center=middle)
        # Left to itself the library lists the classes in the order of a set.
        doc.classes.add_required_classes(doc.dxfversion)
        doc.classes.classes = dict(sorted(doc.classes.classes.items()))
        out = io.StringIO()
        doc.write(out)
        return out.getvalue()
    finally:
        ezdxf_options.write_fixed_meta_data_for_testing = former


def _least_m2(scale: int) -> float:
    """The least part of an outline that the plan of that scale draws."""
    return (SPECK_MM * scale / 1000) ** 2


def _tolerance_m(run: RunFolder, scale: int) -> float:
    """How far an outline may lie off the one that was found: as triangles may, or a fine line's breadth."""
    drawing = run.record.settings.get("drawing")
    stated = drawing.get("tin_tolerance_m") if isinstance(drawing, dict) else None
    return max(float(stated or 0.0), _FINE_LINE_MM * scale / 1000)


def _draw(run: RunFolder, space: Any, size: float, least_m2: float, tolerance_m: float) -> None:
    import shapely

    def text(
        content: str, layer: str, east: float, north: float, *, height: float = size, turn: float = 0.0
    ) -> None:
        from ezdxf.enums import TextEntityAlignment

        space.add_text(
            content, height=height, rotation=turn, dxfattribs={"layer": layer, "style": "SURVEY"}
        ).set_placement((east, north), align=TextEntityAlignment.MIDDLE_CENTER)

    _rings(space, run.lease, "LEASE_BOUNDARY")
    for row in run.layer("zones").rows():
        if row["zone"] == "buffer":
            outer = row["geometry"] if run.lease is None else shapely.union_all([row["geometry"], run.lease])
            _rings(space, outer, "BUFFER_100M")
    for row in run.layer("other_leases").rows():
        _rings(space, row["geometry"], "OTHER_LEASES")
    for row in run.layer("polygons").rows():
        _rings(space, row["geometry"], "WORKINGS_DUMPS")
        middle = row["geometry"].representative_point()
        text(str(row["name"]), "SITES_TEXT", middle.x, middle.y)
    for row in run.layer("pillars").rows():
        space.add_circle(
            (row["east"], row["north"]), radius=size * 0.5, dxfattribs={"layer": "LEASE_PILLARS"}
        )
        space.add_point((row["east"], row["north"]), dxfattribs={"layer": "LEASE_PILLARS"})
        text(str(row["name"]), "LEASE_PILLARS_TEXT", row["east"] + 2 * size, row["north"] + size)
    for row in run.layer("sites").rows():
        layer = f"SITES_{str(row['kind']).upper()}"
        shape = shapely.simplify(without_specks(row["geometry"], least_m2), tolerance_m)
        _rings(space, shape, layer if layer in LAYERS else "WORKINGS_DUMPS")
        _, _, east, north = row["geometry"].bounds
        text(str(row["id"]), "SITES_TEXT", east, north + size)
    for row in run.layer("contours").rows():
        line = shapely.get_coordinates(row["geometry"])
        layer = "CONTOURS_INDEX" if row["is_index"] else "CONTOURS"
        closed = bool(len(line) > 2 and np.array_equal(line[0], line[-1]))
        polyline = space.add_lwpolyline(
            (line[:-1] if closed else line).tolist(), close=closed, dxfattribs={"layer": layer}
        )
        polyline.dxf.elevation = float(row["level_m"])
        if row["is_index"] and shapely.length(row["geometry"]) > 20 * size:
            _on_line(line, f"{row['level_m']:g}", text)
    for row in run.layer("bench_lines").rows():
        layer = "BENCH_CREST" if row["kind"] == "crest" else "BENCH_TOE"
        points = shapely.get_coordinates(row["geometry"], include_z=True)
        space.add_polyline3d(points.tolist(), dxfattribs={"layer": layer})
    for row in run.layer("sections").rows():
        ends = shapely.get_coordinates(row["geometry"])
        space.add_line(ends[0].tolist(), ends[-1].tolist(), dxfattribs={"layer": "SECTIONS"})
        if row["kind"] == "regular":
            way = (ends[-1] - ends[0]) / max(float(np.hypot(*(ends[-1] - ends[0]))), 1e-9)
            for end, sign, name in ((ends[0], -1, f"{row['section']}"), (ends[-1], 1, f"{row['section']}'")):
                east, north = end + sign * 2 * size * way
                text(name, "SECTIONS_TEXT", float(east), float(north), height=1.4 * size)
    for row in run.layer("levels").rows():
        point = row["geometry"]
        space.add_point((point.x, point.y, point.z), dxfattribs={"layer": "LEVELS"})
        text(f"{row['level_m']:.1f}", "LEVELS", point.x + 2 * size, point.y)
    for surface in triangles_of(run):
        if surface.epoch == "after":
            for corners in surface.points[surface.faces].tolist():
                space.add_3dface(corners, dxfattribs={"layer": "SURFACE_AFTER"})


def _on_line(line: np.ndarray, label: str, text: Any) -> None:
    """A label in the middle of a line, turned along it and never upside down."""
    gap = np.concatenate([[0.0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
    k = min(int(np.searchsorted(gap, gap[-1] / 2)), len(line) - 1)
    way = line[k] - line[k - 1]
    turn = float(np.degrees(np.arctan2(way[1], way[0])))
    turn = turn - 180 if turn > 90 else turn + 180 if turn <= -90 else turn
    middle = (line[k] + line[k - 1]) / 2
    text(label, "CONTOURS_TEXT", float(middle[0]), float(middle[1]), turn=turn)


def _rings(space: Any, shape: BaseGeometry | None, layer: str) -> None:
    import shapely

    if shape is None or shape.is_empty:
        return
    for part in shapely.get_parts(shape):
        if part.geom_type == "Polygon":
            for ring in (part.exterior, *part.interiors):
                points = shapely.get_coordinates(ring)[:-1].tolist()
                space.add_lwpolyline(points, close=True, dxfattribs={"layer": layer})


def _place(run: RunFolder, doc: Any) -> None:
    """Say where on earth the drawing lies, where its system is a UTM zone of WGS 84."""
    from pyproj import CRS

    extent = run.extent
    code = CRS.from_wkt(run.crs_wkt).to_epsg() if run.crs_wkt else None
    if extent is None or code is None or not (32601 <= code <= 32660 or 32701 <= code <= 32760):
        return
    south = code >= 32700
    zone = code - (32700 if south else 32600)
    middle = (extent.west + extent.east) / 2, (extent.south + extent.north) / 2
    name = f"UTM84-{zone}{'S' if south else 'N'}"
    axes = "".join(
        f"<CoordinateSystemAxis><AxisOrder>{k}</AxisOrder><AxisName>{axis}ing</AxisName>"
        f"<AxisAbbreviation>{axis[0]}</AxisAbbreviation><AxisDirection>{axis}</AxisDirection></CoordinateSystemAxis>"
        for k, axis in ((1, "East"), (2, "North"))
    )
    parameters = "".join(
        f"<ParameterValue><OperationParameterId>{key}</OperationParameterId>"
        f'<Value uom="{unit}">{value}</Value></ParameterValue>'
        for key, unit, value in (
            ("Longitude of natural origin", "degree", zone * 6 - 183),
            ("Latitude of natural origin", "degree", 0),
            ("Scale factor at natural origin", "unity", 0.9996),
            ("False easting", "Meter", 500000),
            ("False northing", "Meter", 10_000_000 if south else 0),
        )
    )
    definition = (
        '<?xml version="1.0" encoding="UTF-16" standalone="no" ?>\n'
        '<Dictionary version="1.0" xmlns="http://www.osgeo.org/mapguide/coordinatesystem">\n'
        f'<ProjectedCoordinateSystem id="{name}"><Name>{name}</Name><DatumId>WGS84</DatumId>'
        f'<Axis uom="Meter">{axes}</Axis><Conversion><Projection>'
        f"<OperationMethodId>Transverse Mercator</OperationMethodId>{parameters}</Projection></Conversion>"
        "</ProjectedCoordinateSystem>\n"
        f'<Alias id="{code}" type="CoordinateSystem"><ObjectId>{name}</ObjectId>'
        "<Namespace>EPSG Code</Namespace></Alias>\n</Dictionary>\n"
    )
    place = doc.modelspace().new_geodata()
    place.setup_local_grid(design_point=middle, reference_point=middle, crs=definition)
