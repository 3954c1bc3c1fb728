"""One lease, written in every format by hand or by other libraries than the readers use."""

from __future__ import annotations

import json
import struct
import warnings
import zipfile
from pathlib import Path

import ezdxf
import numpy as np
import pyogrio.raw
import shapely
from pyproj import CRS
from shapely.geometry import MultiPolygon, Polygon, box, mapping

from survey.boundary.crs import LON_LAT, move
from survey.boundary.lease import Lease, read_lease

UTM43 = CRS.from_epsg(32643).to_wkt()
CORNERS = [(459_000.0, 2_799_000.0), (459_700.0, 2_799_050.0), (459_800.0, 2_799_600.0),
           (459_300.0, 2_799_900.0), (458_950.0, 2_799_500.0)]  # fmt: skip
LEASE = Polygon(CORNERS)
HOLED = LEASE - box(459_300, 2_799_300, 459_400, 2_799_400)
BLOCKS = MultiPolygon([LEASE, box(460_000, 2_799_000, 460_300, 2_799_200)])


def lon_lat(shape):
    return move(shape, UTM43, LON_LAT)


def codes(lease: Lease) -> set[str]:
    return {note.code for note in lease.notes}


def kml_ring(ring, heights: bool = False) -> str:
    tail = ",350" if heights else ""
    return (
        "<LinearRing><coordinates>"
        + " ".join(f"{float(x)!r},{float(y)!r}{tail}" for x, y in ring)
        + "</coordinates></LinearRing>"
    )


def kml_polygon(shape, heights: bool = False) -> str:
    parts = []
    for part in shapely.get_parts(shape):
        inner = "".join(f"<innerBoundaryIs>{kml_ring(r.coords)}</innerBoundaryIs>" for r in part.interiors)
        outer = f"<outerBoundaryIs>{kml_ring(part.exterior.coords, heights)}</outerBoundaryIs>"
        parts.append(f"<Polygon>{outer}{inner}</Polygon>")
    return parts[0] if len(parts) == 1 else f"<MultiGeometry>{''.join(parts)}</MultiGeometry>"


def placemark(name: str, geometry: str, extra: str = "") -> str:
    return f"<Placemark><name>{name}</name>{extra}{geometry}</Placemark>"


def kml(*placemarks: str, namespace: str = 'xmlns="http://www.opengis.net/kml/2.2"', head: str = "") -> str:
    body = f"<kml {namespace}><Document>{''.join(placemarks)}</Document></kml>"
    return f'<?xml version="1.0" encoding="UTF-8"?>{head}{body}'


def feature(shape, **properties):
    return {"type": "Feature", "properties": properties, "geometry": mapping(shape)}


def collection(*features, **more):
    return json.dumps({"type": "FeatureCollection", "features": list(features), **more})


def write_vector(
    path: Path, shapes, driver: str, crs: str | None, *, layer=None, append=False, kind=None, **columns
):
    fields = list(columns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that no crs was given is what some tests want
        pyogrio.raw.write(
            path,
            geometry=np.array(shapely.to_wkb(shapes), object),
            field_data=[np.array(columns[f], object) for f in fields],
            fields=fields,
            crs=crs,
            driver=driver,
            layer=layer,
            append=append,
            geometry_type=kind or shapes[0].geom_type,
        )
    return path


def write_dxf(path: Path, *rings, layers=("LEASE",), close=True, version="R2010"):
    drawing = ezdxf.new(version)
    for ring, layer in zip(rings, layers, strict=False):
        space = drawing.modelspace()
        add = space.add_polyline2d if version == "R12" else space.add_lwpolyline
        add(ring, close=close, dxfattribs={"layer": layer})
    drawing.saveas(path)
    return path


def write_any(folder: Path, kind: str, shape) -> tuple[Path, str | None]:
    """The shape in one format; and the crs that a job must state for it."""
    if kind == "kml":
        path = folder / "a.kml"
        path.write_text(kml(placemark("Lease", kml_polygon(lon_lat(shape)))), encoding="utf-8")
    elif kind == "kmz":
        path = folder / "a.kmz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("doc.kml", kml(placemark("Lease", kml_polygon(lon_lat(shape)))))
            archive.writestr("files/icon.png", b"\x89PNG")
    elif kind == "geojson":
        path = folder / "a.geojson"
        path.write_text(collection(feature(lon_lat(shape), name="Lease")))
    elif kind == "geojson utm":
        path = folder / "a.json"
        named = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32643"}}
        path.write_text(collection(feature(shape), crs=named))
    elif kind == "gpkg":
        path = write_vector(folder / "a.gpkg", [shape], "GPKG", "EPSG:32643", layer="lease", name=["L"])
    elif kind == "shp":
        path = write_vector(
            folder / "a.shp", [shape], "ESRI Shapefile", "EPSG:32643", name=["L"], kind="Polygon"
        )
    elif kind == "dxf":
        return write_dxf(folder / "a.dxf", shape.exterior.coords[:-1]), "EPSG:32643"
    return path, None


KINDS = ["kml", "kmz", "geojson", "geojson utm", "gpkg", "shp", "dxf"]


def kml_lease(tmp_path, text: str, name="lease.kml", **options) -> Lease:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_lease(path, **options)


def corners_lon_lat():
    from survey.boundary.crs import move_points

    return move_points(np.array(CORNERS), UTM43, LON_LAT)


def shp_record(code: int, rings, extra: bytes = b"") -> bytes:
    points = np.concatenate([np.asarray(r, "<f8") for r in rings])
    starts = np.cumsum([0, *(len(r) for r in rings[:-1])]).astype("<i4")
    body = (
        struct.pack("<i4d2i", code, 0, 0, 0, 0, len(rings), len(points))
        + starts.tobytes()
        + points.tobytes()
        + extra
    )
    return struct.pack(">2i", 1, len(body) // 2) + body


def shp_file(path: Path, *records: bytes, code: int = 5) -> Path:
    body = b"".join(records)
    head = struct.pack(">7i", 9994, 0, 0, 0, 0, 0, (100 + len(body)) // 2) + struct.pack(
        "<2i8d", 1000, code, *[0] * 8
    )
    path.write_bytes(head + body)
    path.with_suffix(".prj").write_text(CRS.from_epsg(32643).to_wkt("WKT1_ESRI"))
    return path


def ring(shape) -> np.ndarray:
    return np.array(shape.exterior.coords)
