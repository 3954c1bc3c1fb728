"""What a run keeps for its reports: layers that another library reads, pictures within their bytes."""

from __future__ import annotations

import hashlib
import io
import json
import math
import sqlite3
import struct
from itertools import pairwise
from xml.etree import ElementTree

import closed_form_run as mine
import numpy as np
import pytest
import shapely
from PIL import Image

from survey.errors import OutputError
from survey.grid import Bounds
from survey.report.colours import legend, painted, scale_limit_m
from survey.report.gpkg import Layer, layer_names, read_layer, write_layers
from survey.report.pictures import encoded, read_index, save, write_index
from survey.report.qgis import styles


def rows_by_sqlite(path, table):
    """Attributes and shapes read without GDAL: SQLite and the header of a GeoPackage geometry."""
    with sqlite3.connect(path) as base:
        base.row_factory = sqlite3.Row
        found = [dict(row) for row in base.execute(f'SELECT * FROM "{table}" ORDER BY fid')]
    base.close()
    for row in found:
        blob = row.get("geom")
        if blob is not None:
            size = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}[(blob[3] >> 1) & 7]
            assert blob[:2] == b"GP"
            assert struct.unpack("<i", blob[4:8])[0] == 32643
            row["shape"] = shapely.from_wkb(blob[8 + size :])
    return found


def test_all_layers_of_the_contract_are_there(run):
    outlines = {"lease", "pillars", "zones", "other_leases", "polygons", "sites", "dismissed"}
    ground = {"contours", "bench_lines", "sections", "profiles", "faces", "levels", "triangles"}
    assert set(layer_names(run.gpkg)) == outlines | ground | {"findings"}


def test_another_reader_finds_the_same_sites(run):
    rows = {row["id"]: row for row in rows_by_sqlite(run.gpkg, "sites")}
    for site, polygon in mine.sites():
        row = rows[site.id]
        assert row["shape"].equals(shapely.multipolygons([polygon]))
        assert row["volume_m3"] == site.volume_m3
        assert row["zone"] == site.zone
        assert row["nearest_pillar"] == site.nearest_pillar


def test_contours_lie_at_their_height_on_the_formula(run):
    rows = rows_by_sqlite(run.gpkg, "contours")
    assert len(rows) > 20
    for row in rows:
        points = shapely.get_coordinates(row["shape"], include_z=True)
        assert (points[:, 2] == row["level_m"]).all()
    gentle = [r for r in rows if r["level_m"] == 325.0]
    points = np.concatenate([shapely.get_coordinates(r["shape"]) for r in gentle])
    near = np.hypot(points[:, 0] - mine.DUMP[0], points[:, 1] - mine.DUMP[1]) > 45
    height = mine.after(*points[near].T)
    # 2 cm of noise on 0.5 m cells, averaged four by four, on ground that falls by 3.6 %.
    assert np.abs(height - 325.0).max() < 0.08


def test_profiles_follow_the_formulas(run):
    for row in rows_by_sqlite(run.gpkg, "profiles"):
        formula = mine.after if row["epoch"] == "after" else mine.before
        points = shapely.get_coordinates(row["shape"], include_z=True)
        expected = formula(points[:, 0], points[:, 1])
        off = np.abs(points[:, 2] - expected)
        # Noise, thinning to 5 cm, and half a cell beside a 65° face.
        assert np.median(off) < 0.05
        assert off.max() < 0.5 * mine.CELL * math.tan(math.radians(70)) + 0.15


def test_benches_of_the_pit_and_levels_of_dump_and_floor(run):
    crests = [r for r in rows_by_sqlite(run.gpkg, "bench_lines") if r["kind"] == "crest"]
    pit = [r for r in crests if r["height_m"] < 8]
    assert len(pit) == 3
    for row in pit:
        assert row["height_m"] == pytest.approx(6.0, abs=0.1)
        # The pit is squeezed north–south, so its faces stand at 65° to about 69°.
        assert 64.0 <= row["face_angle_deg"] <= 70.0
    levels = {(r["subject"], r["kind"]): r for r in rows_by_sqlite(run.gpkg, "levels")}
    top = levels["S-0520-0660", "top"]
    assert top["above_rim_m"] == pytest.approx(14.0, abs=0.4)
    floor = levels["S-0412-0388", "floor"]
    assert floor["above_rim_m"] == pytest.approx(-18.0, abs=0.6)


def test_the_thinned_surface_keeps_its_stated_tolerance(run):
    (row,) = [r for r in rows_by_sqlite(run.gpkg, "triangles") if r["epoch"] == "after"]
    corners = shapely.get_coordinates(row["shape"], include_z=True).reshape(-1, 4, 3)[:, :3]
    middle = corners.mean(axis=1)
    off = np.abs(middle[:, 2] - mine.after(middle[:, 0], middle[:, 1]))
    assert row["worst_m"] <= row["tolerance_m"]
    # Centroids lie between cells: the formula's own curvature and noise come on top.
    assert np.quantile(off, 0.99) < row["tolerance_m"] + 0.35
    assert row["triangles"] == len(corners)


def test_qgis_finds_a_style_for_every_layer_that_has_geometry(run):
    with sqlite3.connect(run.gpkg) as base:
        styled = base.execute(
            "SELECT f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles"
        ).fetchall()
        drawn = {r[0] for r in base.execute("SELECT table_name FROM gpkg_geometry_columns")}
        listed = base.execute(
            "SELECT data_type FROM gpkg_contents WHERE table_name = 'layer_styles'"
        ).fetchone()
    base.close()
    assert {name for name, *_ in styled} == drawn
    assert listed == ("attributes",)
    for name, column, qml, default in styled:
        assert default == 1
        assert column == "geom"
        root = ElementTree.fromstring(qml.split("\n", 1)[1])
        symbols = {s.get("name") for s in root.iter("symbol")}
        assert {c.get("symbol") for c in root.iter("category")} <= symbols, name
        assert symbols


def test_styles_name_columns_that_exist(run):
    for name, qml in styles().items():
        root = ElementTree.fromstring(qml.split("\n", 1)[1])
        attribute = root.find("renderer-v2").get("attr")
        assert attribute is None or attribute in read_layer(run.gpkg, name).columns


def test_the_same_layers_give_the_same_bytes(tmp_path):
    layer = Layer(
        "lease", "MultiPolygon", [shapely.multipolygons([mine.lease_polygon()])], {"a": [1.5], "b": ["x"]}
    )
    for name in ("one.gpkg", "two.gpkg"):
        write_layers(tmp_path / name, [layer], mine.grid().crs_wkt)
    assert (tmp_path / "one.gpkg").read_bytes() == (tmp_path / "two.gpkg").read_bytes()


def test_nulls_numbers_flags_and_texts_come_back(tmp_path):
    columns = {
        "text": ["अ", None, "=1+1"],
        "number": [1.5, math.nan, None],
        "count": [1, None, 3],
        "flag": [True, False, None],
        "nothing": [None, None, None],
    }
    shapes = [shapely.points(0, 0), shapely.points(1, 1), None]
    write_layers(tmp_path / "t.gpkg", [Layer("t", "Point", shapes, columns)], mine.grid().crs_wkt)
    back = read_layer(tmp_path / "t.gpkg", "t")
    assert back.columns["text"] == ["अ", None, "=1+1"]
    assert back.columns["number"] == [1.5, None, None]
    assert back.columns["count"] == [1, None, 3]
    assert back.geometry[2] is None
    assert len(read_layer(tmp_path / "t.gpkg", "absent")) == 0
    assert layer_names(tmp_path / "absent.gpkg") == []


def test_a_layer_with_columns_of_different_length_is_a_fault():
    with pytest.raises(ValueError, match="2 values for 1"):
        Layer("x", "Point", [None], {"a": [1, 2]})


# -- pictures --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("budget", [4_000, 30_000])
def test_a_picture_of_pure_noise_still_fits_its_bytes(budget):
    noise = np.random.default_rng(0).integers(0, 256, (500, 700, 3), dtype=np.uint8)
    data, width, height = encoded(noise, budget)
    assert len(data) <= budget
    assert Image.open(io.BytesIO(data)).size == (width, height)
    assert width / height == pytest.approx(1.4, rel=0.02)


def test_flat_colours_stay_exact():
    classes = legend(5.0, 0.1)
    rise = np.linspace(-7, 7, 64 * 64).reshape(64, 64).astype(np.float32)
    data, *_ = encoded(painted(rise, 5.0, 0.1), 100_000, flat_colours=True)
    seen = {tuple(p) for p in np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).reshape(-1, 3)}
    wanted = {tuple(int(str(c["colour"])[k : k + 2], 16) for k in (1, 3, 5)) for c in classes}
    assert seen == wanted


def test_pictures_are_those_that_the_index_describes(run):
    index = json.loads((run.path / "pictures/index.json").read_text())["pictures"]
    both = {(name, epoch) for name in ("hillshade", "ortho") for epoch in ("before", "after")}
    assert {(p["name"], p["epoch"]) for p in index if p["name"] != "chip"} == both | {("change", None)}
    assert {p["site"] for p in index if p["name"] == "chip"} == {site.id for site, _ in mine.sites()}
    for p in index:
        data = (run.path / p["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == p["sha256"]
        assert Image.open(io.BytesIO(data)).size == (p["width"], p["height"])


def test_the_change_picture_is_red_where_it_was_dug_and_blue_where_it_was_heaped(run):
    picture = run.picture("change")
    image = np.asarray(Image.open(run.path / picture.file).convert("RGBA")).astype(int)

    def at(point):
        x = round(
            (point[0] - picture.bounds.west) / (picture.bounds.east - picture.bounds.west) * picture.width
        )
        y = round(
            (picture.bounds.north - point[1]) / (picture.bounds.north - picture.bounds.south) * picture.height
        )
        return image[y, x]

    red, blue = at(mine.OUTSIDE), at(mine.DUMP)
    assert red[0] > red[2] + 60
    assert blue[2] > blue[0] + 60
    assert at((mine.WEST + 8, mine.NORTH - 6))[3] == 0  # never flown: transparent
    grey = at((500_060.0, 2_800_330.0))
    assert max(grey[:3]) - min(grey[:3]) < 12


def test_a_picture_outside_its_folder_is_refused(tmp_path):
    picture = save(
        tmp_path,
        "pictures/a.webp",
        np.zeros((4, 4, 3), np.uint8),
        Bounds(0, 0, 1, 1),
        budget_bytes=10_000,
        name="x",
    )
    from dataclasses import replace

    write_index(tmp_path, [replace(picture, file="../../etc/passwd")])
    with pytest.raises(OutputError, match="outside its folder"):
        read_index(tmp_path)
    (tmp_path / "pictures/index.json").write_text("{")
    with pytest.raises(OutputError, match="damaged"):
        read_index(tmp_path)


# -- colours ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("limit", "level"), [(0.5, 0.15), (20.0, 0.085), (1.0, 0.0), (2.0, 5.0)])
def test_the_legend_has_no_gap_and_rises(limit, level):
    classes = legend(limit, level)
    assert classes[0]["low_m"] == -limit
    assert classes[-1]["high_m"] == limit
    for one, two in pairwise(classes):
        assert one["high_m"] == two["low_m"]
        assert one["low_m"] < one["high_m"]


def test_cut_and_fill_stay_apart_for_the_colour_blind():
    """Machado, Oliveira & Fernandes (2009), deuteranopia and protanopia at full severity, in linear RGB."""
    from survey.report.colours import CUT, FILL, rgb

    deuter = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
    protan = np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]])

    def lab(colour, blind):
        linear = (np.array(rgb(colour)) / 255) ** 2.2
        seen = np.clip(blind @ linear, 0, 1)
        xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ seen
        f = np.cbrt(np.maximum(xyz / np.array([0.9505, 1.0, 1.089]), 0.008856))
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    for blind in (deuter, protan):
        for cut in CUT:
            for fill in FILL:
                assert np.linalg.norm(lab(cut, blind) - lab(fill, blind)) > 12


def test_the_scale_ends_at_a_usual_number():
    assert scale_limit_m(0.3) == 0.5
    assert scale_limit_m(4.2) == 5.0
    assert scale_limit_m(1e9) == 100.0
    assert scale_limit_m(math.nan) == 0.5
