"""Two RGB orthomosaics without heights: new bare ground, named with care and never confirmed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from scipy import ndimage

from survey.errors import InputRefused, JobError
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.outside import run_outside
from survey.pipelines.progress import NullProgress
from survey.pipelines.triggers.files import feed_schema
from survey.pipelines.triggers.run import run_triggers

WEST, NORTH, CELL, SIDE = 412_000.0, 2_731_000.0, 0.25, 960
LEAF, SOIL = np.array([58.0, 96.0, 44.0]), np.array([150.0, 120.0, 92.0])
PIT = (slice(500, 580), slice(600, 680))  # 20 m square: 400 m²
LATER_EAST_M, LATER_SOUTH_M = 2.0, 1.0


def _ground() -> np.ndarray:
    """(3, row, col) meadow with trees and a bare track; the track was bare all along."""
    rng = np.random.default_rng(11)
    shade = ndimage.gaussian_filter(rng.normal(0, 1, (SIDE, SIDE)), 6)
    shade = 1 + 0.25 * shade / shade.std()
    picture = LEAF[:, None, None] * np.clip(shade, 0.4, 1.6)
    picture[:, 200:216, :] = SOIL[:, None, None] * np.clip(shade[200:216], 0.9, 1.1)
    return picture


def _write(
    path: Path, picture: np.ndarray, east_m: float = 0.0, south_m: float = 0.0, bands: int = 3
) -> None:
    import rasterio
    from affine import Affine

    path.parent.mkdir(parents=True, exist_ok=True)
    noisy = picture + np.random.default_rng(5).normal(0, 2, picture.shape)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=SIDE,
        height=SIDE,
        count=bands,
        dtype="uint8",
        crs="EPSG:32643",
        transform=Affine(CELL, 0, WEST + east_m, 0, -CELL, NORTH - south_m),
        photometric="RGB",
        tiled=True,
    ) as out:
        out.write(np.clip(np.rint(noisy), 1, 255).astype(np.uint8))


@pytest.fixture
def delivery(tmp_path) -> Path:
    """A lease of 100 m square; the pit lies 20 m east of it, and the later picture 2 m east and 1 m south of
    where it should be."""
    before, after = _ground(), _ground() * 1.1
    rough = ndimage.gaussian_filter(np.random.default_rng(2).normal(0, 1, (80, 80)), 3)
    after[:, *PIT] = SOIL[:, None, None] * (1 + 0.1 * rough / rough.std())
    _write(tmp_path / "scenes" / "flight_20240410.tif", before)
    _write(tmp_path / "scenes" / "flight_20250415.tif", after, LATER_EAST_M, LATER_SOUTH_M)
    x, y = WEST + 30, NORTH - 90
    ring = [[x, y], [x + 100, y], [x + 100, y - 100], [x, y - 100], [x, y]]
    feature = {
        "type": "Feature",
        "properties": {"lease_id": "ML-1"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    lease = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32643"}},
        "features": [feature],
    }
    (tmp_path / "lease.geojson").write_text(json.dumps(lease), encoding="utf-8")
    (tmp_path / "watch.toml").write_text(
        '[job]\nid = "S-1"\n[lease]\nboundary = "lease.geojson"\n[watch]\nscenes = "scenes/"\n',
        encoding="utf-8",
    )
    (tmp_path / "surveys.toml").write_text(
        '[job]\nid = "S-1"\n[lease]\nboundary = "lease.geojson"\n'
        '[[survey]]\ndate = 2024-04-10\northo = "scenes/flight_20240410.tif"\n'
        '[[survey]]\ndate = 2025-04-15\northo = "scenes/flight_20250415.tif"\n',
        encoding="utf-8",
    )
    return tmp_path


def test_a_new_pit_is_found_and_placed_and_stays_provisional(delivery):
    record = run_triggers(load_job(delivery / "watch.toml"), Options(out=delivery / "runs"), NullProgress())
    (found,) = record.triggers["triggers"]
    assert found["area_m2"] == pytest.approx(400, rel=0.15)
    assert found["state"] == "provisional"
    assert found["confirmed_on"] is None
    assert 0.2 < found["probability"] <= 0.6
    # The lease ends 130 m east of the corner, the pit begins at 600 · 0.25 = 150 m.
    assert found["zone"] == "buffer"
    assert found["distance_m"] == pytest.approx(20, abs=1.5)
    moved = record.triggers["compared"]
    assert moved["moved_east_m"] == pytest.approx(-LATER_EAST_M, abs=0.3)
    assert moved["moved_north_m"] == pytest.approx(LATER_SOUTH_M, abs=0.3)
    folder = delivery / "runs" / "S-1"
    Draft202012Validator(feed_schema()).validate(json.loads((folder / "feed.json").read_text("utf-8")))
    for name in ("triggers.csv", "triggers.kml", "digest.html", "digest.pdf", f"chips/{found['id']}.png"):
        assert (folder / name).stat().st_size > 0
    assert "colours-only" in {n.code for n in record.notes}


def test_surveys_without_heights_feed_outside(delivery):
    job = load_job(delivery / "surveys.toml")
    record = run_outside(job, Options(out=delivery / "runs"), NullProgress())
    assert record.command == "outside"
    assert record.sites == []
    (found,) = record.triggers["triggers"]
    assert (found["zone"], found["lease_id"]) == ("buffer", "ML-1")
    again = run_outside(job, Options(out=delivery / "runs"), NullProgress())
    assert again.triggers == record.triggers


def test_a_bad_picture_is_named_and_the_others_are_compared(delivery):
    (delivery / "scenes" / "flight_20230101.tif").write_text("no picture")
    record = run_triggers(load_job(delivery / "watch.toml"), Options(out=delivery / "runs"), NullProgress())
    assert [n.message.split(":")[0] for n in record.notes if n.code == "scene-refused"] == [
        "flight_20230101.tif"
    ]
    assert len(record.triggers["triggers"]) == 1
    (delivery / "scenes" / "flight_20240410.tif").unlink()
    with pytest.raises(InputRefused, match="two days"):
        run_triggers(load_job(delivery / "watch.toml"), Options(out=delivery / "again"), NullProgress())


def test_field_checks_have_no_place_here(delivery):
    with pytest.raises(JobError, match="--outcome"):
        run_triggers(
            load_job(delivery / "watch.toml"), Options(out=delivery / "runs"), NullProgress(), ("T1=false",)
        )
