"""Files for other programs, each read back by a library that did not write it."""

from __future__ import annotations

import csv
import io
import math
import warnings
import zipfile

import closed_form_run as mine
import ezdxf
import numpy as np
import pyogrio.raw
import pytest
import shapely
from defusedxml import ElementTree
from openpyxl import load_workbook
from PIL import Image

from survey.report import ReportOptions, write_all
from survey.report.files.dxf import LAYERS, dxf_text
from survey.report.files.kml import NAMESPACE, kml_bytes
from survey.report.files.landxml import NAMESPACE as LANDXML
from survey.report.files.surpac import string_files
from survey.report.files.tables import Sheet, xlsx_bytes
from survey.report.folder import RunFolder
from survey.report.gpkg import Layer, write_layers


def gdal_rows(path, layer=None):
    meta, _, wkb, data = pyogrio.raw.read(path, layer=layer)
    shapes = shapely.from_wkb(wkb) if wkb is not None else [None] * len(data[0])
    names = [str(f) for f in meta["fields"]]
    return [
        dict(zip([*names, "shape"], [*values, shape], strict=True))
        for *values, shape in zip(*data, shapes, strict=True)
    ]


# -- DXF ---------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def dxf(drawn) -> ezdxf.document.Drawing:
    return ezdxf.readfile(drawn / "plan.dxf")


def test_the_audit_of_the_drawing_is_clean(dxf):
    audit = dxf.audit()
    assert not audit.errors
    assert not audit.fixes
    assert dxf.dxfversion >= "AC1024"  # R2010
    assert dxf.units == 6
    assert set(LAYERS) <= {layer.dxf.name for layer in dxf.layers}


def test_gdal_reads_the_same_lease_contours_and_benches(drawn, run):
    with warnings.catch_warnings():
        # GDAL closes the triangles' rings itself, and says so for each.
        warnings.filterwarnings("ignore", message="Non closed ring")
        rows = gdal_rows(drawn / "plan.dxf")
    by_layer: dict[str, list] = {}
    for row in rows:
        by_layer.setdefault(row["Layer"], []).append(row["shape"])
    lease = shapely.polygonize(by_layer["LEASE_BOUNDARY"]).geoms[0]
    assert lease.symmetric_difference(mine.lease_polygon()).area < 1e-3
    contours = by_layer["CONTOURS"] + by_layer["CONTOURS_INDEX"]
    stored = run.layer("contours")
    assert len(contours) == len(stored)
    assert sum(s.length for s in contours) == pytest.approx(sum(s.length for s in stored.geometry), rel=1e-6)
    levels = sorted({round(float(shapely.get_coordinates(s, include_z=True)[0, 2]), 3) for s in contours})
    assert levels == sorted(set(stored.columns["level_m"]))
    assert len(by_layer["BENCH_CREST"]) == stored_count(run, "bench_lines", "crest")


def test_outlines_of_sites_are_those_a_plan_can_draw(tmp_path, run):
    square = shapely.box(500_000, 2_800_000, 500_100, 2_800_100)
    # An edge along cells of 0.1 m, which no pen follows, and specks beside a part that a plan does draw.
    steps = [(500_000 + x / 10, 2_800_100 + (x % 2) / 10) for x in range(1000, -1, -1)]
    ragged = shapely.Polygon([(500_000, 2_800_000), (500_100, 2_800_000), *steps]).buffer(0)
    specks = [shapely.box(500_200 + 9 * k, 2_800_000, 500_202 + 9 * k, 2_800_002) for k in range(50)]
    other = shapely.box(500_300, 2_800_200, 500_320, 2_800_220)
    hole = shapely.box(500_050, 2_800_050, 500_051, 2_800_051)
    shape = shapely.union_all([ragged.difference(hole), other, *specks])
    folder = RunFolder(tmp_path, run.record)
    write_layers(
        tmp_path / "results.gpkg",
        [Layer("sites", "MultiPolygon", [shape], {"id": ["C1"], "kind": ["pit"]})],
        run.crs_wkt,
    )
    drawing = ezdxf.read(io.StringIO(dxf_text(folder, 1000)))
    rings = [shapely.Polygon(line.get_points("xy")) for line in drawing.modelspace().query("LWPOLYLINE")]
    assert len(rings) == 2
    assert max(len(r.exterior.coords) for r in rings) < 10
    drawn = shapely.union_all(rings)
    assert drawn.hausdorff_distance(shapely.union(square, other)) <= 0.3
    note = drawing.layers.get("SITES_PIT").description
    assert "25 m2" in note
    assert "0.2 m" in note
    # Ten times larger on paper, and what was a speck is drawn.
    fine = ezdxf.read(io.StringIO(dxf_text(folder, 100)))
    assert len(list(fine.modelspace().query("LWPOLYLINE"))) == 53


def stored_count(run, layer, kind):
    return sum(value == kind for value in run.layer(layer).columns["kind"])


def test_texts_are_two_and_a_half_millimetres_at_the_plans_scale(dxf):
    heights = {t.dxf.height for t in dxf.modelspace().query("TEXT[layer=='LEASE_PILLARS_TEXT']")}
    assert heights == {2.5}  # 1:1000
    assert {t.dxf.text for t in dxf.modelspace().query("TEXT[layer=='LEASE_PILLARS_TEXT']")} == {
        p["name"] for p in mine.pillars()
    }


def test_the_triangles_are_those_that_were_kept_and_are_switched_off(dxf, run):
    faces = list(dxf.modelspace().query("3DFACE"))
    (row,) = [r for r in run.layer("triangles").rows() if r["epoch"] == "after"]
    assert len(faces) == row["triangles"]
    area = 0.0
    for face in faces:
        a, b, c = (np.array(face[k]) for k in range(3))
        area += _area(a, b, c)
    assert area == pytest.approx(shapely.area(shapely.force_2d(row["geometry"])), rel=1e-6)
    assert dxf.layers.get("SURFACE_AFTER").is_off()


def _area(a, b, c):
    return abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])) / 2


def test_the_drawing_says_where_on_earth_it_lies(dxf):
    place = dxf.modelspace().get_geodata()
    assert place.get_crs() == (32643, True)
    assert tuple(place.dxf.design_point)[:2] == tuple(place.dxf.reference_point)[:2]


def test_the_same_run_gives_the_same_drawing(run):
    assert dxf_text(run, 1000) == dxf_text(run, 1000)


# -- LandXML -----------------------------------------------------------------------------------------------
def test_landxml_holds_both_surfaces_with_northing_first(drawn):
    root = ElementTree.parse(drawn / "surface.xml").getroot()
    ns = {"l": LANDXML}
    assert root.tag == f"{{{LANDXML}}}LandXML"
    assert root.find("l:CoordinateSystem", ns).get("epsgCode") == "32643"
    surfaces = root.findall("l:Surfaces/l:Surface", ns)
    assert [s.get("name") for s in surfaces] == ["2024-04-20", "2025-04-25"]
    for surface, formula in zip(surfaces, (mine.before, mine.after), strict=True):
        points = {p.get("id"): [float(v) for v in p.text.split()] for p in surface.iter(f"{{{LANDXML}}}P")}
        table = np.array(list(points.values()))
        off = np.abs(table[:, 2] - formula(table[:, 1], table[:, 0]))
        assert np.median(off) < 0.08  # points are cells of the surface; those with the most noise come first
        for face in surface.iter(f"{{{LANDXML}}}F"):
            corners = np.array([points[k] for k in face.text.split()])
            (n0, e0), (n1, e1), (n2, e2) = corners[:, :2]
            assert (e1 - e0) * (n2 - n0) - (e2 - e0) * (n1 - n0) > 0  # anticlockwise seen from above


def test_landxml_pillars(drawn):
    root = ElementTree.parse(drawn / "surface.xml").getroot()
    found = {p.get("name"): [float(v) for v in p.text.split()] for p in root.iter(f"{{{LANDXML}}}CgPoint")}
    assert found == {p["name"]: [p["north"], p["east"]] for p in mine.pillars()}


# -- Surpac ------------------------------------------------------------------------------------------------
def read_strings(text):
    """Segments of a string file: a reader written from the format's description, not from our writer."""
    lines = text.splitlines()
    assert lines[0].count(",") == 3
    assert [float(v) for v in lines[1].split(",")] == [0.0] * 7
    assert lines[-1].split(",")[-1].strip() == "END"
    segments, current = [], []
    for line in lines[2:-1]:
        fields = [f.strip() for f in line.split(",")]
        if int(fields[0]) == 0:
            segments.append(current)
            current = []
        else:
            current.append((int(fields[0]), float(fields[1]), float(fields[2]), float(fields[3]), fields[4]))
    assert not current
    return segments


def test_string_files_hold_the_lines_with_northing_first(drawn, run):
    (lease,) = read_strings((drawn / "surpac/lease.str").read_text("ascii"))
    assert lease[0][1:3] == (mine.LEASE[0][1], mine.LEASE[0][0])
    contours = read_strings((drawn / "surpac/contours.str").read_text("ascii"))
    assert len(contours) == len(run.layer("contours"))
    for segment, level in zip(contours, run.layer("contours").columns["level_m"], strict=True):
        assert {p[3] for p in segment} == {round(level, 3)}
    assert len(read_strings((drawn / "surpac/benches.str").read_text("ascii"))) == len(
        run.layer("bench_lines")
    )


def test_commas_and_foreign_letters_do_not_break_a_string_file(run, tmp_path):

    shape = shapely.multipolygons([shapely.box(0, 0, 1, 1)])
    write_layers(
        tmp_path / "results.gpkg",
        [Layer("sites", "MultiPolygon", [shape], {"id": ["खान, 1\n2"], "kind": ["pit"]})],
        mine.grid().crs_wkt,
    )
    text = string_files(RunFolder(tmp_path, run.record))["sites.str"]
    assert len(read_strings(text)[0]) == 5


# -- KML ---------------------------------------------------------------------------------------------------
def test_gdal_reads_the_sites_where_they_lie(drawn):
    from pyproj import Transformer

    back = Transformer.from_crs(4326, 32643, always_xy=True)
    layers = {str(name) for name, _ in pyogrio.list_layers(drawn / "sites.kml")}
    assert {"lease boundary", "boundary pillars", "sites", "100 m outside the lease"} <= layers
    rows = {row["Name"]: row for row in gdal_rows(drawn / "sites.kml", "sites")}
    for site, polygon in mine.sites():
        shape = shapely.transform(
            shapely.force_2d(rows[site.id]["shape"]), lambda p: np.column_stack(back.transform(*p.T))
        )
        # Eight decimals of a degree are a millimetre.
        assert shape.symmetric_difference(polygon).area < 0.001 * polygon.length
        assert float(rows[site.id]["volume_m3"]) == pytest.approx(site.volume_m3)


def test_a_card_is_a_table_whose_text_is_text(run):
    root = ElementTree.fromstring(kml_bytes(run, ReportOptions()))
    cards = [d.text for d in root.iter(f"{{{NAMESPACE}}}description") if d.text.startswith("<table>")]
    assert len(cards) == len(run.record.sites)
    assert any("cone at 21 degrees &lt;/script&gt;&lt;b&gt;bare&lt;/b&gt;" in card for card in cards)


def test_the_kmz_carries_its_pictures(drawn, run):
    with zipfile.ZipFile(drawn / "sites.kmz") as archive:
        names = archive.namelist()
        assert names[0] == "doc.kml"
        document = archive.read("doc.kml").decode()
        chips = [p for p in run.pictures if p.name == "chip"]
        assert len(names) == 1 + len(chips)
        for name in names[1:]:
            assert f'src="{name}"' in document.replace("&quot;", '"')
            assert Image.open(io.BytesIO(archive.read(name))).format == "JPEG"


# -- tables ------------------------------------------------------------------------------------------------
def test_gdal_reads_the_same_numbers_from_the_workbook(drawn, run):
    rows = gdal_rows(drawn / "tables.xlsx", "sites")
    assert [row["id"] for row in rows] == [s.id for s in run.record.sites]
    for row, site in zip(rows, run.record.sites, strict=True):
        assert row["volume_m3"] == pytest.approx(site.volume_m3)
        assert row["volume_lo_m3"] == pytest.approx(site.volume_lo_m3)
    zones = gdal_rows(drawn / "tables.xlsx", "zones")
    assert [row["zone"] for row in zones][:3] == ["lease", "buffer", "beyond"]


@pytest.mark.parametrize(
    "evil", ['=HYPERLINK("http://x","y")', "+1+1", "-2+3", "@SUM(A1)", "\tx", "\x07bell"]
)
def test_a_text_never_becomes_a_formula(evil):
    data = xlsx_bytes([Sheet("t", ("name", "n"), [(evil, 1.5), ("plain", None)])])
    book = load_workbook(io.BytesIO(data))
    cell = book["t"]["A2"]
    assert cell.data_type == "s"
    assert "<f>" not in zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml").decode()
    assert cell.value.strip() == evil.replace("\x07", "").strip()
    assert book["t"]["B2"].value == 1.5


def test_csv_tables_are_safe_and_complete(drawn, run):
    with open(drawn / "tables/sites.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["volume_m3"]) for row in rows] == [s.volume_m3 for s in run.record.sites]
    with open(drawn / "tables/form-g1.csv", encoding="utf-8", newline="") as file:
        g1 = list(csv.reader(file))
    assert g1[4][:2] == ["I.12(iv)", "Used for waste disposal"]


def test_a_workbook_has_no_clock():
    sheet = [Sheet("t", ("a",), [(1.0,), (math.pi,)])]
    assert xlsx_bytes(sheet) == xlsx_bytes(sheet)


# -- all together ------------------------------------------------------------------------------------------
def test_drawing_again_gives_every_file_the_same_bytes(drawn, run_dir, tmp_path):
    import shutil

    folder = tmp_path / "again"
    shutil.copytree(run_dir, folder)
    names = write_all(folder)
    assert len(names) == len(set(names)) > 20
    for name in names:
        assert (folder / name).read_bytes() == (drawn / name).read_bytes(), name
    assert not list(folder.rglob("*~new"))


def test_only_what_was_asked_for_is_drawn(run_dir, tmp_path):
    import shutil

    shutil.copytree(run_dir, tmp_path / "r")
    assert write_all(tmp_path / "r", options=ReportOptions(formats=("kml",))) == ["sites.kml", "sites.kmz"]
