"""Deliveries as files: readable by plain means, repeatable, and without their truth inside."""

from __future__ import annotations

import csv
import hashlib
import json
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from shapely.geometry import shape

from survey.sample_data import make_demo, make_scene, write_delivery
from survey.sample_data.delivery import DeliveryForm
from survey.sample_data.demo import demo_jobs

SMALL = {"size_m": (240.0, 240.0), "ortho": True, "dtm": True, "checkpoints": 6, "vehicles": 2}


def digest(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def scene():
    return make_scene(31, **SMALL)


def test_a_delivery_holds_what_the_job_names(scene, tmp_path):
    job = write_delivery(scene, tmp_path / "in", tmp_path / "truth")
    spec = tomllib.loads(job.read_text())
    assert set(spec) == {"job", "mine", "lease", "survey"}
    for survey in spec["survey"]:
        for key in ("dem", "dtm", "ortho", "checkpoints"):
            assert (job.parent / survey[key]).is_file()
    assert (job.parent / spec["lease"]["boundary"]).is_file()
    assert not list((tmp_path / "in").rglob("*truth*"))
    assert {p.name for p in (tmp_path / "truth").iterdir()} == {"truth.json", "truth.geojson"}
    with rasterio.open(job.parent / spec["survey"][0]["dem"]) as dem:
        assert dem.crs.to_epsg() == 32643
        assert np.array_equal(dem.read(1), scene.before, equal_nan=True)
        assert dem.transform == scene.before_grid.transform
    with rasterio.open(job.parent / spec["survey"][1]["ortho"]) as ortho:
        assert ortho.count == 3
        # JPEG loses little: the mean colours stay.
        assert np.abs(ortho.read().astype(float) - scene.orthos[1]).mean() < 8


def test_the_same_scene_writes_the_same_bytes(scene, tmp_path):
    for name in ("a", "b"):
        write_delivery(make_scene(31, **SMALL), tmp_path / name, tmp_path / f"t{name}")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "ta") == digest(tmp_path / "tb")


@pytest.mark.parametrize(
    "form",
    [
        {"compress": "deflate", "tiled": False, "nodata": -9999.0},
        {"compress": "lzw", "dtype": "float64"},
        {"compress": "none", "nodata": None},
        {"compress": "zstd", "dtype": "int16"},
    ],
)
def test_every_form_holds_the_same_heights(form, tmp_path):
    wishes = {"before_artefacts": replace(demo_jobs()[0].options.before_artefacts, rim_m=60.0)}
    scene = make_scene(31, **wishes)
    write_delivery(scene, tmp_path / "in", tmp_path / "truth", DeliveryForm(**form))
    with rasterio.open(tmp_path / "in" / "2024" / "dsm.tif") as dem:
        heights = dem.read(1, masked=True).astype(float).filled(np.nan) * dem.scales[0] + dem.offsets[0]
    assert np.isnan(scene.before).any()
    tolerance = 0.0051 if form.get("dtype") == "int16" else 1e-9
    np.testing.assert_allclose(heights, scene.before, atol=tolerance, rtol=0)


@pytest.mark.parametrize("boundary", ["kml", "kmz", "geojson", "gpkg", "csv"])
def test_every_boundary_is_the_lease(scene, boundary, tmp_path):
    from pyproj import Transformer

    bare = replace(scene, options=replace(scene.options, ortho=False, dtm=False, checkpoints=0))
    write_delivery(bare, tmp_path / "in", tmp_path / "truth", DeliveryForm(boundary=boundary))
    path = tmp_path / "in" / f"lease.{boundary}"
    if boundary == "csv":
        rows = list(csv.DictReader(path.read_text().splitlines()))
        ring = [(float(r["longitude"]), float(r["latitude"])) for r in rows]
    elif boundary == "gpkg":
        import pyogrio

        _, _, wkb, _ = pyogrio.raw.read(path)
        assert shapely.from_wkb(wkb[0]).equals(scene.lease)
        return
    elif boundary == "geojson":
        ring = json.loads(path.read_text())["features"][0]["geometry"]["coordinates"][0]
    else:
        text = path.read_text() if boundary == "kml" else zipfile.ZipFile(path).read("doc.kml").decode()
        numbers = text.split("<LinearRing><coordinates>")[1].split("</coordinates>")[0].split()
        ring = [tuple(map(float, t.split(",")[:2])) for t in numbers]
        assert text.count("<name>BP-") == len(scene.lease.exterior.coords) - 1
    there = Transformer.from_crs(4326, 32643, always_xy=True)
    back = shapely.Polygon([there.transform(x, y) for x, y in ring])
    assert back.symmetric_difference(scene.lease).area < 0.05  # nine decimals of a degree: 0.1 mm


def test_a_zipped_delivery_keeps_only_the_job_outside(scene, tmp_path):
    job = write_delivery(scene, tmp_path / "in", tmp_path / "truth", DeliveryForm(zipped=True))
    assert {p.name for p in (tmp_path / "in").iterdir()} == {"job.toml", "delivery.zip"}
    spec = tomllib.loads(job.read_text())
    names = zipfile.ZipFile(tmp_path / "in" / spec["job"]["delivery"]).namelist()
    assert {s["dem"] for s in spec["survey"]} <= set(names)


def test_truth_may_not_lie_in_the_delivery(scene, tmp_path):
    with pytest.raises(ValueError, match="truth"):
        write_delivery(scene, tmp_path / "in", tmp_path / "in" / "truth")


def test_truth_files_tell_the_same_story(scene, tmp_path):
    write_delivery(scene, tmp_path / "in", tmp_path / "truth")
    whole = json.loads((tmp_path / "truth" / "truth.json").read_text())
    features = json.loads((tmp_path / "truth" / "truth.geojson").read_text())["features"]
    sites = [f for f in features if f["properties"]["role"] == "site"]
    assert [s["properties"]["volume_m3"] for s in sites] == [s["volume_m3"] for s in whole["sites"]]
    assert whole["lease_wkt"].startswith("POLYGON")
    for feature in features:
        polygon = shape(feature["geometry"])
        assert polygon.is_valid
        assert abs(polygon.centroid.x - 74.62) < 0.01


def test_a_multispectral_orthomosaic_names_its_bands(tmp_path):
    scene = make_scene(31, ortho=True, bands=4)
    write_delivery(scene, tmp_path / "in", tmp_path / "truth")
    with rasterio.open(tmp_path / "in" / "2025" / "ortho.tif") as ortho:
        assert ortho.descriptions == ("blue", "green", "red", "nir")
        assert np.array_equal(ortho.read(), scene.orthos[1])


def test_the_demo_is_whole_and_small(tmp_path):
    # Orthomosaics with their own cells, not enlarged to 5 cm: that costs half of the time and adds 6 MB.
    plain = [replace(j, form=replace(j.form, ortho_repeat=1)) for j in demo_jobs()]
    jobs = make_demo(tmp_path, plain)
    assert [j.parent.name for j in jobs] == ["working-mine", "clean-filing", "late-filing"]
    size = sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file())
    assert size < 19e6
    truth = json.loads((tmp_path / "truth" / "working-mine" / "truth.json").read_text())
    kinds = {(s["kind"], s["zone"]) for s in truth["sites"]}
    assert {("pit", "lease"), ("heap", "lease"), ("pit", "buffer"), ("pit", "beyond")} <= kinds
    across = [s for s in truth["sites"] if s["kind"] == "pit" and min(s["lease_m3"], s["buffer_m3"]) > 20]
    assert len(across) == 1
    assert len(truth["dismissed"]) >= 10
    # The two good filings cover the lease and 100 m around it; the late one does not.
    for job, complete in zip(demo_jobs(), (True, True, False), strict=True):
        told = json.loads((tmp_path / "truth" / job.name / "truth.json").read_text())
        asked = shapely.from_wkt(told["lease_wkt"]).buffer(100.0)
        for year in sorted(p for p in (tmp_path / job.name).iterdir() if p.is_dir()):
            with rasterio.open(year / "dsm.tif") as dem:
                gone, t = np.isnan(dem.read(1)), dem.transform
            rows, cols = np.nonzero(gone[::4, ::4])
            missing = shapely.contains_xy(asked, t.c + t.a * (4 * cols + 0.5), t.f + t.e * (4 * rows + 0.5))
            missing_m2 = missing.sum() * 16 * t.a**2
            box = shapely.box(*rasterio.transform.array_bounds(*gone.shape, t))
            assert box.contains(asked)
            assert (missing_m2 < 300) if complete else (missing_m2 > 5000)
