"""Pictures of an orthomosaic for people: sampled, and from overviews only where these show the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling

from survey.grid import Grid
from survey.imagery.ortho import open_ortho

CELLS, CELL_M = 2048, 0.1
WEST, NORTH = 500_000.0, 2_700_000.0


def scene() -> np.ndarray:
    """Smooth tones; a dark disc in the middle."""
    row, col = np.mgrid[0:CELLS, 0:CELLS] / CELLS
    tone = 120 + 60 * np.sin(7 * col) * np.cos(5 * row)
    tone = np.where(np.hypot(row - 0.5, col - 0.5) < 0.1, 30, tone)
    return np.stack([tone, 0.8 * tone, 0.6 * tone]).round().astype(np.uint8)


def written(path: Path, **profile: object) -> Path:
    options = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"} | profile
    with rasterio.open(
        path, "w", driver="GTiff", width=CELLS, height=CELLS, count=3, dtype="uint8", crs="EPSG:32643",
        transform=Affine(CELL_M, 0, WEST, 0, -CELL_M, NORTH), **options,
    ) as file:  # fmt: skip
        file.write(scene())
    return path


def with_overviews(path: Path) -> Path:
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4, 8], Resampling.average)
    return path


def forged(path: Path) -> Path:
    """Overviews of another picture: without the disc."""
    with rasterio.open(path, "r+") as file:
        honest = file.read()
        file.write(np.full_like(honest, 120))
    with_overviews(path)
    with rasterio.open(path, "r+") as file:
        file.write(honest)
    return path


def page(cell_m: float) -> Grid:
    side = int(CELLS * CELL_M / cell_m)
    return Grid("EPSG:32643", WEST, NORTH, cell_m, cell_m, side, side)


@pytest.mark.parametrize("overviews", [False, True])
def test_a_sampled_picture_shows_what_the_full_one_shows(tmp_path: Path, overviews: bool) -> None:
    path = written(tmp_path / "o.tif")
    if overviews:
        with_overviews(path)
    ortho = open_ortho(path)
    picture = ortho.chip(page(0.8))
    full = np.stack([ortho.read(page(0.8))[c] for c in ("red", "green", "blue")], axis=-1)
    expected = 255 * full
    assert (picture[..., 3] == 255).all()
    # The edge of the disc is sampled, not averaged; elsewhere tones agree to a few steps of 255.
    off = np.abs(picture[..., :3] - expected).max(axis=-1)
    assert np.percentile(off, 97) < 8
    assert off.mean() < 3


def test_overviews_of_another_picture_are_not_believed(tmp_path: Path) -> None:
    ortho = open_ortho(forged(written(tmp_path / "o.tif")))
    middle = ortho.chip(page(0.8))[120:136, 120:136, 0]
    assert middle.max() < 40  # the dark disc, which the overviews leave out


def test_a_picture_is_where_the_file_is_when_its_side_is_no_multiple(tmp_path: Path) -> None:
    path = tmp_path / "odd.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=1003, height=997, count=3, dtype="uint8", crs="EPSG:32643",
        transform=Affine(CELL_M, 0, WEST, 0, -CELL_M, NORTH),
    ) as file:  # fmt: skip
        tones = np.full((3, 997, 1003), 60, np.uint8)
        tones[:, 400:, 600:] = 200
        file.write(tones)
    with_overviews(path)
    picture = open_ortho(path).chip(page(0.5)[:190, :190])
    bright = picture[..., 0] > 128
    assert abs(int(bright[150].argmax()) - 120) <= 1
    assert abs(int(bright[:, 150].argmax()) - 80) <= 1
