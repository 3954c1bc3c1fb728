"""Lease boundaries and lists of pillars as strangers send them."""

# ruff: noqa: E501  (a case is a line)

from __future__ import annotations

import io
import json
import zipfile

from hostile_mine import ACCEPT, CRS, FLAG, NORTH, REFUSE, WEST, Case, Mine, lon_lat, ring

RING = ring()
DEGREES = lon_lat(RING)


def kml(coordinates: str, inner: str = "", head: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
        f"<Placemark><name>Lease</name><Polygon><outerBoundaryIs><LinearRing><coordinates>{coordinates}"
        f"</coordinates></LinearRing></outerBoundaryIs>{inner}</Polygon></Placemark></Document></kml>"
    )


def pairs(points, z: str = "") -> str:
    return " ".join(f"{x},{y}{z}" for x, y in points)


def square(east: float, north: float, side: float) -> list[tuple[float, float]]:
    """Closed, metres from the mine's north-western corner."""
    x, y = WEST + east, NORTH - north
    return [(x, y - side), (x + side, y - side), (x + side, y), (x, y), (x, y - side)]


def geojson(*shapes, **more) -> str:
    features = [
        {"type": "Feature", "properties": {"name": f"L{k}" if k else "L"}, "geometry": g}
        for k, g in enumerate(shapes)
    ]
    return json.dumps({"type": "FeatureCollection", "features": features} | more)


def polygon(*rings) -> dict:
    return {"type": "Polygon", "coordinates": list(rings)}


def gj(*shapes, **more):
    return lambda m: m.text("lease.geojson", geojson(*shapes, **more))


def as_kml(text):
    return lambda m: m.lease("lease.kml", text)


def kmz(*members: tuple[str, str | bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in members:
            z.writestr(name, content)
    return held.getvalue()


def vector(ending: str, driver: str, crs: str | None = CRS, points=RING):
    """The lease written by GDAL."""

    def change(m: Mine):
        import warnings

        import numpy as np
        import shapely
        from pyogrio.raw import write

        geometry = np.array([shapely.to_wkb(shapely.Polygon(points))], object)
        fields = [] if driver == "DXF" else [np.array(["L"], object)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write(
                m.folder / f"lease.{ending}", geometry, fields, [] if driver == "DXF" else ["name"],
                driver=driver, crs=crs, geometry_type="Polygon",
            )  # fmt: skip
        m.edit("lease.geojson", f"lease.{ending}")

    return change


def polyline(m: Mine):
    import ezdxf

    drawing = ezdxf.new("R2010")
    drawing.modelspace().add_lwpolyline(RING[:4], close=True, dxfattribs={"layer": "LEASE"})
    drawing.saveas(m.folder / "lease.dxf")
    m.edit("lease.geojson", "lease.dxf")


def without(ending: str, *parts: str):
    def change(m: Mine):
        vector("shp", "ESRI Shapefile")(m)
        for part in parts:
            (m.folder / f"lease.{part}").unlink()

    return change


def with_crs(change, crs: str = CRS):
    return lambda m: (change(m), m.edit("[lease]", f'[lease]\ncrs = "{crs}"'))


# -- pillars ---------------------------------------------------------------------------------------------
NAMES = ("P1", "P2", "P3", "P4")


def pillars(
    header: str = "pillar,longitude,latitude", rows=None, sep: str = ",", comma: bool = False, names=NAMES
) -> str:
    lines = [header.replace(",", sep)]
    for name, (x, y) in zip(names, rows or DEGREES[:4], strict=True):
        cells = [name, f"{x:.9f}", f"{y:.9f}"]
        if comma:
            cells = [c.replace(".", ",") for c in cells]
        lines.append(sep.join(cells))
    return "\n".join(lines) + "\n"


def csv(text: str | bytes, encoding: str = "utf-8"):
    data = text if isinstance(text, bytes) else text.encode(encoding)
    return lambda m: m.lease("lease.csv", data)


def dms(value: float, letters: str) -> str:
    d = int(value)
    minutes = (value - d) * 60
    return f"{d}°{int(minutes)}'{(minutes - int(minutes)) * 60:.5f}\"{letters}"


def devanagari(text: str) -> str:
    return text.translate({ord("0") + k: 0x0966 + k for k in range(10)})


DMS_ROWS = "pillar;latitude;longitude\n" + "".join(
    f"{n};{dms(y, 'N')};{dms(x, 'E')}\n" for n, (x, y) in zip(NAMES, DEGREES, strict=False)
)

CASES = [
    # outlines
    Case("lease-kml", "KML", ACCEPT, as_kml(kml(pairs(DEGREES)))),
    Case("lease-3d", "KML with heights", ACCEPT, as_kml(kml(pairs(DEGREES, ",312.5")))),
    Case("lease-unclosed", "a ring whose end is not its beginning", ACCEPT, as_kml(kml(pairs(DEGREES[:4]))), "closed"),
    Case("lease-kml-as-txt", "KML called .txt", ACCEPT, lambda m: m.lease("lease.txt", kml(pairs(DEGREES)))),
    Case("lease-json-as-kml", "GeoJSON called .kml", ACCEPT, lambda m: m.lease("lease.kml", (m.folder / "lease.geojson").read_bytes())),
    Case("lease-kmz", "KMZ", ACCEPT, lambda m: m.lease("lease.kmz", kmz(("doc.kml", kml(pairs(DEGREES)))))),
    Case("lease-kmz-path", "KMZ whose member leads elsewhere", ACCEPT, lambda m: m.lease("lease.kmz", kmz(("../../doc.kml", kml(pairs(DEGREES)))))),
    Case("lease-kmz-bomb", "KMZ that swells a thousandfold", REFUSE, lambda m: m.lease("lease.kmz", kmz(("doc.kml", b" " * 300_000_000))), "lease.kmz"),
    Case("lease-kmz-empty", "KMZ without KML", REFUSE, lambda m: m.lease("lease.kmz", kmz(("a.txt", "x"))), "lease.kmz"),
    Case("lease-gpkg", "GeoPackage", ACCEPT, vector("gpkg", "GPKG")),
    Case("lease-shp", "shapefile", ACCEPT, vector("shp", "ESRI Shapefile")),
    Case("lease-shp-no-prj", "shapefile without .prj", REFUSE, without("shp", "prj"), "reference system"),
    Case("lease-shp-no-prj-job", "shapefile without .prj, system named in the job", ACCEPT, with_crs(without("shp", "prj"))),
    Case("lease-shp-no-dbf", "shapefile without .dbf", ACCEPT, without("shp", "dbf")),
    Case("lease-shp-no-shx", "shapefile without .shx", ACCEPT, without("shp", "shx")),
    Case("lease-dxf", "DXF with a polyline, system named in the job", ACCEPT, with_crs(polyline)),
    Case("lease-dxf-hatch", "DXF whose polygon is a hatch, as GDAL and QGIS save it", ACCEPT, with_crs(vector("dxf", "DXF", None))),
    Case("lease-dxf-no-crs", "DXF, and nothing says in which system", REFUSE, polyline, "reference system", 1),
    Case("lease-geojson-metres", "GeoJSON in metres without a system", REFUSE, gj(polygon(RING)), ""),
    Case("lease-geojson-metres-job", "GeoJSON in metres, system named in the job", ACCEPT, with_crs(gj(polygon(RING)))),
    Case("lease-hole", "a hole elsewhere in the lease", ACCEPT, gj(polygon(DEGREES, lon_lat(square(34, 40, 6))[::-1]))),
    Case(
        "lease-multipart", "two blocks", ACCEPT,
        gj({"type": "MultiPolygon", "coordinates": [[DEGREES], [lon_lat(square(2, 10, 8))]]}),
    ),
    Case("lease-wound", "wound the other way", ACCEPT, gj(polygon(DEGREES[::-1]))),
    Case("lease-twice", "the same polygon twice", ACCEPT, gj(polygon(DEGREES), polygon(DEGREES)), ""),
    Case("lease-repeated-points", "points repeated", ACCEPT, gj(polygon([p for p in DEGREES for _ in range(3)]))),
    Case("lease-dense", "20,000 points on a side", ACCEPT, gj(polygon([*([DEGREES[0][0] + (DEGREES[1][0] - DEGREES[0][0]) * k / 20000, DEGREES[0][1] + (DEGREES[1][1] - DEGREES[0][1]) * k / 20000] for k in range(20000)), *DEGREES[1:]]))),
    Case("lease-bow-tie", "a bow-tie", REFUSE, gj(polygon([DEGREES[0], DEGREES[2], DEGREES[1], DEGREES[3], DEGREES[0]])), "lease.geojson", 1),
    Case("lease-two", "two different leases in a file", REFUSE, gj(polygon(lon_lat(square(30, 34, 40))), polygon(lon_lat(square(80, 60, 30)))), "lease.geojson", 1),
    Case("lease-empty-file", "an empty file", REFUSE, lambda m: m.text("lease.geojson", b""), "empty", 1),
    Case("lease-empty", "no feature", REFUSE, gj(), "lease.geojson", 1),
    Case("lease-null", "a feature without geometry", REFUSE, lambda m: m.text("lease.geojson", '{"type":"Feature","properties":{},"geometry":null}'), "lease.geojson"),
    Case("lease-point", "one point", REFUSE, gj({"type": "Point", "coordinates": list(DEGREES[0])}), "lease.geojson"),
    Case("lease-line", "a ring of no area", REFUSE, gj(polygon([DEGREES[0], DEGREES[1], DEGREES[0]])), "lease.geojson"),
    Case("lease-tiny", "a lease of half a square metre", REFUSE, gj(polygon(lon_lat(square(70, 74, 0.7)))), "lease.geojson"),
    Case("lease-nan", "coordinates that are not numbers", REFUSE, lambda m: m.text("lease.geojson", geojson(polygon(DEGREES)).replace(str(DEGREES[0][0]), "NaN")), "lease.geojson"),
    Case("lease-huge", "coordinates of 1e300", REFUSE, lambda m: m.text("lease.geojson", geojson(polygon(DEGREES)).replace(str(DEGREES[0][0]), "1e300")), "lease.geojson"),
    Case("lease-strings", "coordinates as text", REFUSE, lambda m: m.text("lease.geojson", '{"type":"Polygon","coordinates":[[["a","b"],["c","d"],["e","f"],["a","b"]]]}'), "lease.geojson"),
    Case("lease-deep", "lists nested 100,000 deep", REFUSE, lambda m: m.text("lease.geojson", '{"type":"Polygon","coordinates":' + "[" * 100_000), "lease.geojson"),
    Case("lease-swapped", "latitude before longitude", FLAG, gj(polygon([(y, x) for x, y in DEGREES])), "wrong order"),
    Case("lease-elsewhere", "a lease in another country", REFUSE, gj(polygon([(x - 68, y + 16) for x, y in DEGREES])), "lease", 1),
    Case("lease-far", "a lease 30 km off", REFUSE, gj(polygon([(x + 0.3, y) for x, y in DEGREES])), "lease", 1),
    Case("lease-half-covered", "half of the lease outside the survey", FLAG, gj(polygon(lon_lat(square(30, 34, 200)))), ""),
    Case("lease-entities", "KML with entities that swell", REFUSE, as_kml(kml("&a;", head='<!DOCTYPE k [<!ENTITY a "b">]>')), "lease.kml", 1),
    Case("lease-file-entity", "KML that asks for a file of the machine", REFUSE, as_kml(kml("&a;", head='<!DOCTYPE k [<!ENTITY a SYSTEM "file:///etc/passwd">]>')), "lease.kml", 1),
    Case("lease-link", "KML that is only a link into the network", REFUSE, as_kml('<kml xmlns="http://www.opengis.net/kml/2.2"><NetworkLink><Link><href>http://example.org/a.kml</href></Link></NetworkLink></kml>'), "link", 1),
    Case("lease-cut", "KML cut off", REFUSE, as_kml(kml(pairs(DEGREES))[:260]), "lease.kml", 1),
    Case("lease-html", "a web page called .kml", REFUSE, as_kml("<!doctype html><html><body>Sign in</body></html>"), "lease.kml", 1),
    Case("lease-pdf", "a PDF called .kml", REFUSE, as_kml("%PDF-1.7\n%âãÏÓ\n"), "lease.kml", 1),
    Case("lease-image", "the survey itself named as lease", REFUSE, lambda m: m.edit("lease.geojson", "before.tif"), "before.tif", 1),
    Case("lease-missing", "no such file", REFUSE, lambda m: (m.folder / "lease.geojson").unlink(), "lease.geojson", 1),
    # pillars
    Case("pillars-degrees", "pillars in degrees", ACCEPT, csv(pillars())),
    Case("pillars-bom", "with a byte order mark", ACCEPT, csv(pillars(), "utf-8-sig")),
    Case("pillars-semicolon", "semicolons and decimal commas", ACCEPT, csv(pillars(sep=";", comma=True))),
    Case("pillars-tabs", "tabs", ACCEPT, csv(pillars(sep="\t"))),
    Case("pillars-1252", "Windows-1252", ACCEPT, csv(pillars(names=("Pf\u00e4hl 1", "Pf\u00e4hl 2", "Pf\u00e4hl 3", "Pf\u00e4hl 4")), "cp1252")),
    Case("pillars-utf16", "UTF-16", ACCEPT, csv(pillars(), "utf-16")),
    Case("pillars-devanagari", "Devanagari words and digits", ACCEPT, csv("स्तंभ,देशांतर,अक्षांश\n" + "".join(devanagari(f"स्तंभ {n[1]},{x:.9f},{y:.9f}\n") for n, (x, y) in zip(NAMES, DEGREES, strict=False)))),
    Case("pillars-dms", "degrees, minutes and seconds with letters", ACCEPT, csv(DMS_ROWS)),
    Case("pillars-utm", "eastings and northings, system named in the job", ACCEPT, with_crs(csv(pillars("pillar,easting,northing", RING[:4])))),
    Case("pillars-utm-no-crs", "eastings and northings of an unknown zone", REFUSE, csv(pillars("pillar,easting,northing", RING[:4])), "", 1),
    Case("pillars-duplicate", "one row twice", ACCEPT, csv(pillars(rows=[*DEGREES[:2], DEGREES[1], *DEGREES[2:4]], names=("P1", "P2", "P2", "P3", "P4")))),
    Case("pillars-closed", "the first pillar again at the end", ACCEPT, csv(pillars(rows=DEGREES, names=(*NAMES, "P1")))),
    Case("pillars-order", "rows out of order, numbered", ACCEPT, csv(pillars(rows=[DEGREES[k] for k in (2, 0, 3, 1)], names=("P3", "P1", "P4", "P2"))), ""),
    Case("pillars-crossing", "an order that crosses itself, without numbers", REFUSE, csv(pillars(rows=[DEGREES[k] for k in (0, 2, 1, 3)], names=("A", "B", "C", "D"))), "lease.csv", 1),
    Case("pillars-swapped", "latitudes under longitude", FLAG, csv(pillars(rows=[(y, x) for x, y in DEGREES[:4]])), "wrong order"),
    Case("pillars-two-places", "one pillar at two places", REFUSE, csv(pillars(rows=[*DEGREES[:4], (DEGREES[1][0] + 1e-4, DEGREES[1][1])], names=(*NAMES, "P2"))), "P2", 1),
    Case("pillars-two", "two pillars", REFUSE, csv(pillars(rows=DEGREES[:2], names=NAMES[:2])), "lease.csv", 1),
    Case("pillars-header", "nothing but the names of columns", REFUSE, csv("pillar,longitude,latitude\n"), "lease.csv", 1),
    Case("pillars-gap", "a coordinate left out", REFUSE, csv(pillars().replace(f"{DEGREES[2][0]:.9f}", "")), "lease.csv", 1),
    Case("pillars-words", "a coordinate that is no number", REFUSE, csv(pillars().replace(f"{DEGREES[2][0]:.9f}", "near the well")), "lease.csv", 1),
    Case("pillars-typo", "one pillar a degree off", REFUSE, csv(pillars(rows=[*DEGREES[:3], (DEGREES[3][0] + 1, DEGREES[3][1])])), "", 1),
    Case("pillars-formula", "names that are formulas", ACCEPT, csv(pillars(names=("=cmd|' /C calc'!A0", "+1", "@SUM(1)", "-1")))),
    Case("pillars-binary", "bytes of chance", REFUSE, csv(bytes(range(256)) * 40), "lease.csv", 1),
    Case("pillars-no-header", "no names of columns", REFUSE, csv(pillars().split("\n", 1)[1]), "header", 1),
    Case("pillars-long-line", "a line of ten million characters", REFUSE, csv(pillars() + "x" * 10_000_000), "lease.csv"),
]  # fmt: skip
