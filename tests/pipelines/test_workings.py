"""A benched pit is one pit, a small pit keeps to itself, and nothing is lost on the way."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
from pyproj import CRS
from rasterio import Affine
from shapely.geometry import box, mapping

from survey.blocks import Engine
from survey.grid import Grid
from survey.pipelines.change import compare as comparing
from survey.pipelines.change.compare import Compared, compare
from survey.pipelines.change.pair import Measurement
from survey.pipelines.change.sites import outline
from survey.pipelines.change.tell_apart import _half_a_cell_m2
from survey.pipelines.change.workings import settle_workings
from survey.pipelines.inputs import open_inputs
from survey.pipelines.job import load_job
from survey.sample_data import make_scene, write_delivery
from survey.sample_data.forms import DeliveryForm

WISHES = {
    "size_m": (300.0, 300.0),
    "cell_m": 0.5,
    "lease_radius_m": 90.0,
    "workings_growth": 0.06,  # the faces of each bench go back a little: rings
    "sites_lease": 0,
    "sites_boundary": 0,
    "sites_buffer": 1,
    "shapes": ("faces",),
    "site_radius_m": (5.0, 8.0),
    "ortho": True,
    "quad_points": 20_000,
}


@pytest.fixture(scope="module")
def scene() -> Any:
    return make_scene(7, **WISHES)


@pytest.fixture(scope="module")
def job_file(scene: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workings")
    return write_delivery(scene, folder / "in", folder / "truth", DeliveryForm(job_id="WORKINGS"))


def run(job_file: Path, tile: int | None = None) -> tuple[Measurement, Compared]:
    """The measurement as the sweep left it, and what became of it."""
    swept: list[Measurement] = []

    def kept(m: Measurement, *more: Any) -> Any:
        swept.append(m)
        return settle_workings(m, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "settle_workings", kept)
        job = load_job(job_file)
        with Engine(1) as engine, open_inputs(job) as inputs:
            last = compare(job, inputs, engine, None, tile).pairs[-1]
    return swept[0], last


@pytest.fixture(scope="module")
def both(job_file: Path) -> tuple[Measurement, Compared]:
    return run(job_file)


@pytest.fixture(scope="module")
def whole(both: tuple[Measurement, Compared]) -> Compared:
    return both[1]


def test_the_sweep_left_it_in_pieces(scene: Any, both: tuple[Measurement, Compared]) -> None:
    true = next(s for s in scene.truth.sites if s.id == "work-pit")
    m = both[0]
    pieces = [k for k in m.regions if m.regions.sign[k] < 0 and outline(m, k).intersects(true.outline)]
    assert len(pieces) > 1


def test_the_rings_of_a_benched_pit_are_one_site(scene: Any, whole: Compared) -> None:
    true = next(s for s in scene.truth.sites if s.id == "work-pit")
    own = [s for s, o in whole.found.sites if o.intersects(true.outline)]
    assert len(own) == 1
    assert own[0].volume_m3 == pytest.approx(true.volume_m3, rel=0.05)
    assert own[0].volume_lo_m3 < true.volume_m3 < own[0].volume_hi_m3


def test_what_was_done_is_said(whole: Compared) -> None:
    said = whole.measurement.settings
    assert {"workings_cut", "workings_joined", "workings_floors", "workings_why"} <= set(said)
    assert "certain from" in comparing.in_plain_words(whole.measurement).message


def test_parts_still_sum_to_everything_measured(whole: Compared) -> None:
    """Worked, dismissed and rest together hold every cubic metre of the sweep."""
    m = whole.measurement
    total = (m.totals.rise[0] / (65536 * 4096)) * m.job.cell_area_m2
    lease = whole.zones[0]
    parts = lease.net_m3 + lease.dismissed_fill_m3 - lease.dismissed_cut_m3 + lease.rest_net_m3
    assert parts == pytest.approx(total, abs=1e-6 * max(abs(total), 1))


def test_regions_share_no_cell_and_hold_what_they_say(whole: Compared) -> None:
    m = whole.measurement
    seen = np.zeros(m.job.shape, np.int64)
    for k in m.regions:
        mask = m.regions.mask(k, m.job)
        assert int(mask.sum()) == m.regions.cells[k]
        seen += mask
    assert seen.max() == 1
    assert m.regions.first.tolist() == sorted(m.regions.first.tolist())


def test_no_tiling_changes_what_is_one_working(job_file: Path, whole: Compared) -> None:
    other = run(job_file, 64)[1]
    assert [s for s, _ in other.found.sites] == [s for s, _ in whole.found.sites]
    assert [d for d, _ in other.found.dismissed] == [d for d, _ in whole.found.dismissed]
    assert other.zones == whole.zones


def test_half_a_cell_around_a_disc_is_half_its_rim_times_a_cell() -> None:
    """A disc of radius r gains π·r·cell; along cells its rim is 4/π times too long, and that is undone."""
    grid = Grid(CRS.from_epsg(32643).to_wkt(), 500_000.0, 2_900_000.0, 0.5, 0.5, 60, 60)
    rows, cols = np.mgrid[0:60, 0:60]
    disc = np.hypot(rows - 29.5, cols - 29.5) <= 20
    regions: Any = SimpleNamespace(piece=lambda k: grid, mask=lambda k, piece: disc)
    m: Any = SimpleNamespace(job=grid, regions=regions)
    assert _half_a_cell_m2(m, 0) == pytest.approx(math.pi * 10.0 * 0.5, rel=0.03)


def test_rings_stay_one_though_the_floor_reaches_one_of_them(tmp_path: Path) -> None:
    """Benches went back, the floor settled by a centimetre, dust lies on the berm: one working."""
    rng = np.random.default_rng(3)
    centre = (np.arange(320) + 0.5) * 0.5 - 80
    r = np.hypot(*np.meshgrid(centre, centre))
    hill = 300 + 0.05 * centre[None, :] + 0.5 * np.sin(centre / 9)[:, None] * np.cos(centre / 13)[None, :]

    def benched(back_m: float) -> Any:
        return sum(4.0 * np.clip((at + back_m - r) / 2, 0, 1) for at in (16.0, 30.0))

    settled = 0.012 * (r < 14) - 0.006 * ((r > 19) & (r < 28))
    surfaces = (hill - benched(0.0), hill - benched(3.0) - settled)
    profile = {
        "driver": "GTiff",
        "height": 320,
        "width": 320,
        "count": 1,
        "dtype": "float32",
        "nodata": -9999,
    }
    profile |= {"crs": "EPSG:32643", "transform": Affine(0.5, 0, 500_000, 0, -0.5, 2_700_160)}
    job = ['[job]\nid = "RINGS"', '[lease]\nboundary = "lease.geojson"']
    for year, z in enumerate(surfaces):
        noisy = z + 0.02 * rng.normal(size=z.shape)
        with rasterio.open(tmp_path / f"{year}.tif", "w", **profile) as file:
            file.write(noisy.astype(np.float32), 1)
        job.append(f'[[survey]]\ndate = {2024 + year}-04-20\ndem = "{year}.tif"\nheight = "EGM2008"')
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32643"}}
    lease = mapping(box(500_030, 2_700_030, 500_130, 2_700_130))
    feature = {"type": "Feature", "properties": {}, "geometry": lease}
    whole = {"type": "FeatureCollection", "crs": crs, "features": [feature]}
    (tmp_path / "lease.geojson").write_text(json.dumps(whole))
    (tmp_path / "job.toml").write_text("\n\n".join(job) + "\n")
    last = run(tmp_path / "job.toml")[1]
    true = float((surfaces[0] - surfaces[1]).sum()) * 0.25
    assert last.measurement.settings["workings_floors"] == 1
    assert [s.kind for s, _ in last.found.sites] == ["pit"]
    site = last.found.sites[0][0]
    assert site.volume_lo_m3 < true < site.volume_hi_m3
