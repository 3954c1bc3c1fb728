"""Two surveys in feet that nobody declared are measured all the same, and the record doubts their unit."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from shapely.geometry import box, mapping

from survey.blocks import Engine
from survey.dem.opening import open_surface
from survey.pipelines.change.compare import compare
from survey.pipelines.height_unit import doubts_on_one, summit_over
from survey.pipelines.inputs import open_inputs
from survey.pipelines.job import load_job
from survey.remark import Remark
from survey.report.words.said import unsaid

CELL, SIDE = 0.5, 360
FEET = 1 / 0.3048
WEST, NORTH = 500_000.0, 2_800_000.0


def ground(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    row, col = np.mgrid[:SIDE, :SIDE] * CELL
    return 560 + 0.05 * row + 4 * np.sin(col / 40) + rng.normal(0, 0.03, (SIDE, SIDE))


def dump(repose_deg: float, top_m: float = 9.0) -> np.ndarray:
    row, col = (np.mgrid[:SIDE, :SIDE] - SIDE / 2) * CELL
    return np.clip(math.tan(math.radians(repose_deg)) * (32 - np.hypot(row, col)), 0, top_m)


def doubts(folder: Path, scale: float, state: str | None, heap: np.ndarray) -> list[Remark]:
    """What the comparison of two such surveys notes on the unit of their heights."""
    for name, z in (("before", ground(1)), ("after", ground(2) + heap)):
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype="float32",
            crs="EPSG:32643", transform=Affine(CELL, 0, WEST, 0, -CELL, NORTH),
        ) as out:  # fmt: skip
            out.write((z * scale).astype(np.float32), 1)
    lease = box(WEST + 30, NORTH - 150, WEST + 150, NORTH - 30)
    (folder / "lease.geojson").write_text(
        json.dumps(
            {
                "type": "FeatureCollection",
                "crs": {"type": "name", "properties": {"name": "EPSG:32643"}},
                "features": [{"type": "Feature", "properties": {}, "geometry": mapping(lease)}],
            }
        )
    )
    surveys = "".join(
        f'[[survey]]\ndate = {year}-05-01\ndem = "{name}.tif"\nheight = "MSL"\n'
        for year, name in ((2025, "before"), (2026, "after"))
    )
    place = "" if state is None else f'[mine]\nstate = "{state}"\n'
    (folder / "job.toml").write_text(
        f'[job]\nid = "UNIT"\nregime = "mcdr"\n{place}[lease]\nboundary = "lease.geojson"\n{surveys}'
    )
    job = load_job(folder / "job.toml")
    with Engine(1) as engine, open_inputs(job) as inputs:
        return [r for r in compare(job, inputs, engine).notes if r.code == "heights-as-feet"]


def test_a_dump_in_metres_raises_no_doubt(tmp_path: Path) -> None:
    assert doubts(tmp_path, 1.0, "Rajasthan", dump(36.0)) == []


def test_a_dump_in_feet_is_doubted_and_measured(tmp_path: Path) -> None:
    (found,) = doubts(tmp_path, FEET, None, dump(36.0))
    assert found.severity == "serious"
    assert "poured" in found.message
    assert unsaid(found.message) == 0


def test_heights_above_the_states_summit_are_doubted_without_any_dump(tmp_path: Path) -> None:
    (found,) = doubts(tmp_path, FEET, "Rajasthan", np.zeros((SIDE, SIDE)))
    assert "no ground of Rajasthan is higher than 1,722 m" in found.message
    assert "[grade C]" in found.message
    assert unsaid(found.message) == 0


@pytest.mark.parametrize(("scale", "count"), [(1.0, 0), (FEET, 1)])
def test_one_survey_is_held_against_the_summit_too(tmp_path: Path, scale: float, count: int) -> None:
    from datetime import date

    path = tmp_path / "one.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype="float32",
        crs="EPSG:32643", transform=Affine(CELL, 0, WEST, 0, -CELL, NORTH),
    ) as out:  # fmt: skip
        out.write((ground(3) * scale).astype(np.float32), 1)
    found = doubts_on_one(open_surface(path), "Rajasthan", date(2026, 5, 1))
    assert len(found) == count
    assert all("no ground of Rajasthan is higher" in remark.message for remark in found)


@pytest.mark.parametrize("state", [None, "Ruritania", "Punjab"])
def test_without_a_figure_nothing_is_higher(state: str | None) -> None:
    from datetime import date

    assert summit_over(9000.0, state, date(2026, 5, 1)) is None
    assert summit_over(math.nan, "Rajasthan", date(2026, 5, 1)) is None
