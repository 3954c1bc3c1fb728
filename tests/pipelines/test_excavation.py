"""From files to numbers: two and more surveys of a mine, and what may not pass."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.testing as npt
import pytest
import rasterio
from surveys_on_disk import frustum_m3, ground, pit, scene, write_dem, write_job, write_lease

from survey.blocks import Engine
from survey.errors import InputRefused
from survey.grid import Grid
from survey.pipelines.change.compare import Comparison, compare
from survey.pipelines.inputs import open_inputs
from survey.pipelines.job import load_job


def measured(
    job_file: Path, workers: int = 1, tile: int | None = None, parts: Path | None = None
) -> Comparison:
    job = load_job(job_file)
    with open_inputs(job) as inputs, Engine(workers) as engine:
        return compare(job, inputs, engine, parts, tile)


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """Three yearly surveys: a pit of known volume in the second, deepened by half as much in the third."""
    folder = tmp_path_factory.mktemp("mine")
    g = scene()
    write_lease(folder / "lease.geojson", g)
    write_dem(folder / "a.tif", g, ground(g, 1))
    write_dem(folder / "b.tif", g, ground(g, 2, dig=lambda x, y: pit(x, y, g), east=0.2, north=-0.3, up=0.1))
    write_dem(folder / "c.tif", g, ground(g, 3, dig=lambda x, y: 1.5 * pit(x, y, g), up=-0.05))
    return folder, g


def test_the_pit_comes_out_with_an_interval_that_holds(mine):
    folder, _ = mine
    c = measured(write_job(folder, {"2024-04-20": "a.tif", "2025-04-21": "b.tif"}))
    lease, buffer, _ = c.pairs[0].zones
    assert lease.cut_lo_m3 <= frustum_m3() <= lease.cut_hi_m3
    npt.assert_allclose(lease.cut_m3, frustum_m3(), rtol=0.01)
    # An interval that says nothing would hold too: 2 cm noise over 450 m² of pit is some cubic metres.
    assert lease.cut_hi_m3 - lease.cut_lo_m3 < 0.05 * frustum_m3()
    assert buffer.cut_m3 == 0
    assert lease.rest_net_lo_m3 <= 0 <= lease.rest_net_hi_m3
    a = c.pairs[0].measurement.alignment
    npt.assert_allclose([a.east_m, a.north_m, a.correction.up], [0.2, -0.3, 0.1], atol=0.02)


def test_areas_are_those_of_the_polygons(mine):
    folder, _g = mine
    c = measured(write_job(folder, {"2024-04-20": "a.tif", "2025-04-21": "b.tif"}))
    lease, buffer, beyond = c.pairs[0].zones
    # A 70 m square, and its buffer clipped by nothing: 4·70·100 + π·100². The lease went through degrees.
    npt.assert_allclose(lease.area_m2, 4900, rtol=2e-5)
    npt.assert_allclose(buffer.area_m2, 28_000 + np.pi * 1e4, rtol=2e-4)
    # The scene is 200 m wide: 60 m of buffer are missing on two sides, 70 m less on the others.
    assert buffer.missing_m2 > 15_000
    npt.assert_allclose(lease.measured_m2, lease.area_m2, rtol=1e-3)
    npt.assert_allclose(lease.measured_m2 + buffer.measured_m2 + beyond.measured_m2, 200 * 200, rtol=0.02)


def test_parts_sum_to_the_whole(mine):
    folder, _ = mine
    c = measured(write_job(folder, {"2024-04-20": "a.tif", "2025-04-21": "b.tif"}))
    m = c.pairs[0].measurement
    whole = m.totals.rise[-1] / (65536 * 4096) * m.job.cell_area_m2
    parts = sum(z.net_m3 + z.rest_net_m3 - z.dismissed_cut_m3 + z.dismissed_fill_m3 for z in c.pairs[0].zones)
    npt.assert_allclose(parts, whole, atol=1e-6)


def test_years_add_up(mine):
    folder, _ = mine
    job = write_job(
        folder, {"2024-04-20": "a.tif", "2025-04-21": "b.tif", "2026-04-20": "c.tif"}, name="years"
    )
    c = measured(job)
    assert [(p.before.date, p.after.date) for p in c.pairs] == [
        ("2024-04-20", "2025-04-21"),
        ("2025-04-21", "2026-04-20"),
    ]
    assert c.span is not None
    first, second, both = (x.zones[0] for x in (*c.pairs, c.span))
    npt.assert_allclose(second.cut_m3, 0.5 * frustum_m3(), rtol=0.02)
    assert both.cut_lo_m3 <= 1.5 * frustum_m3() <= both.cut_hi_m3
    npt.assert_allclose(first.net_m3 + second.net_m3, both.net_m3, atol=0.01 * frustum_m3())


def test_other_cell_origin_and_zone_of_the_later_survey(mine):
    folder, g = mine
    fine = Grid(g.crs_wkt, g.west - 7.03, g.north + 6.11, 0.37, 0.37, 580, 580)
    write_dem(folder / "fine.tif", fine, ground(fine, 4, dig=lambda x, y: pit(x, y, g)))
    c = measured(write_job(folder, {"2024-04-20": "a.tif", "2025-04-21": "fine.tif"}, name="fine"))
    lease = c.pairs[0].zones[0]
    assert lease.cut_lo_m3 <= frustum_m3() <= lease.cut_hi_m3
    npt.assert_allclose(lease.cut_m3, frustum_m3(), rtol=0.01)


@pytest.mark.parametrize("times", [2, 3, 4])
def test_coarser_cells_of_the_later_survey(mine, times):
    """On the same lattice: between its cells the later survey is drawn with a ruler."""
    folder, g = mine
    cell, n = g.cell_east * times, g.height // times
    coarse = Grid(g.crs_wkt, g.west, g.north, cell, cell, n, n)
    write_dem(folder / "coarse.tif", coarse, ground(coarse, 4, dig=lambda x, y: pit(x, y, g)))
    c = measured(write_job(folder, {"2024-04-20": "a.tif", "2025-04-21": "coarse.tif"}, name="coarse"))
    lease = c.pairs[0].zones[0]
    assert lease.cut_lo_m3 <= frustum_m3() <= lease.cut_hi_m3
    npt.assert_allclose(lease.cut_m3, frustum_m3(), rtol=0.01)


@pytest.mark.parametrize("step_m", [0.01, 0.1])
def test_heights_in_whole_steps_have_noise_too(mine, step_m):
    """Over a decimetre 2 cm of noise leave most stable cells of both surveys on the very same step."""
    folder, g = mine
    for name, seed, dig in (("early", 1, None), ("late", 2, lambda x, y: pit(x, y, g))):
        write_dem(folder / f"{name}.tif", g, np.round(ground(g, seed, dig=dig) / step_m) * step_m)
    c = measured(write_job(folder, {"2024-04-20": "early.tif", "2025-04-21": "late.tif"}, name="steps"))
    lease = c.pairs[0].zones[0]
    assert lease.cut_lo_m3 <= frustum_m3() <= lease.cut_hi_m3
    npt.assert_allclose(lease.cut_m3, frustum_m3(), rtol=0.01)
    noise = c.pairs[0].measurement.noise
    assert noise is not None
    # Noise and rounding of both surveys; once more for where the heights lay within their steps.
    least = np.sqrt(2 * 0.02**2 + 2 * step_m**2 / 12)
    assert 0.9 * least <= noise.flat_m <= 1.1 * np.sqrt(least**2 + 2 * step_m**2 / 12)
    assert [
        n.message.count("rounded") for n in c.pairs[0].measurement.notes if n.code == "rounded-heights"
    ] == [
        1,
        1,
    ]


def test_a_damaged_model_is_refused_although_the_other_is_measured(mine):
    folder, g = mine
    write_dem(folder / "whole.tif", g, ground(g, 9))
    (folder / "torn.tif").write_bytes((folder / "whole.tif").read_bytes()[:-4000])
    text = write_job(folder, {"2024-04-20": "a.tif", "2025-04-21": "b.tif"}, name="torn")
    job = text.read_text()
    job = job.replace('dem = "a.tif"', 'dem = "torn.tif"\ndtm = "a.tif"')
    text.write_text(job.replace('dem = "b.tif"', 'dem = "whole.tif"\ndtm = "b.tif"'))
    with pytest.raises(InputRefused, match=r"torn\.tif"):
        measured(text)
    text.write_text(text.read_text().replace("torn.tif", "whole.tif"))
    assert measured(text).pairs[0].zones[0].cut_m3 > 0


def test_feet_and_south_up_give_the_same_cubic_metres(mine):
    folder, g = mine
    heights = ground(g, 2, dig=lambda x, y: pit(x, y, g), up=0.1)
    write_dem(folder / "feet.tif", g, heights / 0.3048)
    with rasterio.open(folder / "feet.tif", "r+") as file:
        file.units = ("ft",)
    t = g.transform
    with rasterio.open(
        folder / "south.tif", "w", driver="GTiff", height=g.height, width=g.width, count=1, dtype="float64",
        crs=g.crs_wkt, nodata=np.nan, transform=rasterio.Affine(t.a, 0, t.c, 0, -t.e, g.bounds.south),
    ) as file:  # fmt: skip
        file.write(heights[::-1], 1)
    found = [
        measured(write_job(folder, {"2024-04-20": "a.tif", "2025-04-21": f"{n}.tif"}, name=n))
        .pairs[0]
        .zones[0]
        .cut_m3
        for n in ("feet", "south")
    ]
    npt.assert_allclose(found, frustum_m3(), rtol=0.01)
    npt.assert_allclose(found[0], found[1], rtol=1e-4)


def test_benches_polygons_and_river_bed(mine):
    folder, g = mine
    b = g.bounds

    def box(name, w, s, e, n):  # type: ignore[no-untyped-def]
        ring = [[b.west + x, b.south + y] for x, y in ((w, s), (e, s), (e, n), (w, n), (w, s))]
        return {
            "type": "Feature",
            "properties": {"name": name},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }

    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32643"}}
    for file, boxes in (
        ("blocks.geojson", [box("west half", 80, 70, 100, 110), box("east half", 100, 70, 120, 110)]),
        ("river.geojson", [box("bed", 0, 0, 40, 200)]),
    ):
        (folder / file).write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": boxes}))
    more = '[measure]\nbench_height_m = 2.0\npolygons = "blocks.geojson"\nriver_bed = "river.geojson"\n'
    c = measured(write_job(folder, {"2024-04-20": "a.tif", "2025-04-21": "b.tif"}, name="benches", more=more))
    west, east = c.pairs[0].polygons
    assert (west.name, east.name) == ("west half", "east half")
    # The pit is cut through its middle by the two polygons' common side.
    npt.assert_allclose([west.cut_m3, east.cut_m3], frustum_m3() / 2, rtol=0.02)
    bed = c.pairs[0].river_bed
    assert bed is not None
    assert (
        bed.net_lo_m3 <= bed.rest_net_m3 + bed.net_m3 <= bed.net_hi_m3
        or bed.rest_net_lo_m3 <= 0 <= bed.rest_net_hi_m3
    )
    assert bed.lowest_m is not None
    assert 290 < bed.lowest_m < bed.highest_m < 310  # type: ignore[operator]
    from survey.pipelines.record_parts import bench_volumes

    benches = bench_volumes(c.pairs[0].measurement, c.pairs[0].dismissed, c.pairs[0].zones[0])
    npt.assert_allclose(sum(x.cut_m3 for x in benches), c.pairs[0].zones[0].cut_m3, rtol=1e-6)
    assert all(x.crest_m - x.floor_m == 2.0 for x in benches)


def test_tiles_and_workers_change_nothing(mine, tmp_path):
    folder, _ = mine
    job = write_job(folder, {"2024-04-20": "a.tif", "2025-04-21": "b.tif"})
    ways = [measured(job, w, t) for w, t in ((1, None), (2, None), (2, 64), (3, 37))]
    one = ways[0].pairs[0]
    for other in (w.pairs[0] for w in ways[1:]):
        assert [z.model_dump() for z in other.zones] == [z.model_dump() for z in one.zones]
        assert [s.model_dump() for s, _ in other.found.sites] == [s.model_dump() for s, _ in one.found.sites]
        assert [d.model_dump() for d, _ in other.found.dismissed] == [
            d.model_dump() for d, _ in one.found.dismissed
        ]


def refused(folder: Path, surveys: dict[str, str], match: str, **more) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputRefused, match=match):
        measured(write_job(folder, surveys, name="bad", **more))


def test_surveys_that_do_not_meet_are_refused(mine):
    folder, g = mine
    away = Grid(g.crs_wkt, g.west + 5000, g.north, 0.5, 0.5, 64, 64)
    write_dem(folder / "away.tif", away, np.full(away.shape, 300.0) + np.arange(64) * 0.01)
    refused(folder, {"2024-04-20": "a.tif", "2025-04-21": "away.tif"}, "lease|overlap")


def test_heights_that_nobody_named_are_refused(mine):
    folder, _ = mine
    refused(folder, {"2024-04-20": "a.tif", "2025-04-21": "b.tif"}, "heights", height=None)


def test_an_offset_of_the_geoid_is_refused_with_a_hint(mine):
    folder, g = mine
    write_dem(folder / "ellipsoidal.tif", g, ground(g, 2) - 52.0)
    refused(folder, {"2024-04-20": "a.tif", "2025-04-21": "ellipsoidal.tif"}, "52")


def test_the_change_raster_is_the_aligned_rise(mine, tmp_path):
    from survey.pipelines.change.raster import assemble

    folder, g = mine
    parts = tmp_path / "parts"
    parts.mkdir()
    c = measured(write_job(folder, {"2024-04-20": "a.tif", "2025-04-21": "b.tif"}), workers=2, parts=parts)
    m = c.pairs[0].measurement
    assemble(parts, m.job, tmp_path / "change.tif")
    assert not parts.exists()
    with rasterio.open(tmp_path / "change.tif") as file:
        assert file.shape == m.job.shape
        assert file.dtypes == ("float32",)
        assert file.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG"
        change = file.read(1)
        assert np.isnan(file.nodata)
    whole = m.totals.rise[-1] / (65536 * 4096)
    # Kept to 1/4096 m: rounding errors of 160,000 cells add as a random walk.
    npt.assert_allclose(np.nansum(change.astype(np.float64)), whole, atol=400 / 4096)
    assert g.shape == m.job.shape
