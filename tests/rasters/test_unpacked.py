"""Blocks too large to be decoded again and again: the copy holds what the file holds, or there is none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio

import survey.rasters.unpack as unpack
from survey.dem.opening import open_surface
from survey.errors import InputRefused
from survey.raster_env import open_dataset
from survey.rasters.describe import open_raster


@pytest.fixture(autouse=True)
def small_blocks_count(monkeypatch):
    monkeypatch.setattr(unpack, "LEAST_BLOCK_BYTES", 1 << 16)


def write(path: Path, values: np.ndarray, **more: object) -> Path:
    rows, cols = values.shape
    profile = {
        "driver": "GTiff",
        "height": rows,
        "width": cols,
        "count": 1,
        "dtype": values.dtype,
        "crs": "EPSG:32643",
        "transform": rasterio.Affine(0.5, 0, 500000, 0, -0.5, 2700000),
        "compress": "DEFLATE",
        "blockysize": rows,
    }
    with rasterio.open(path, "w", **profile | more) as file:
        file.write(values, 1)
    return path


def ground(rows: int, cols: int) -> np.ndarray:
    r, c = np.mgrid[:rows, :cols]
    return (300 + 0.01 * r + 3 * np.sin(c / 40) + 0.01 * ((r * 31 + c * 17) % 13)).astype(np.float32)


@pytest.mark.parametrize("shape", [(513, 700), (1025, 512), (600, 200), (1536, 1024)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint16", "int32"])
def test_the_copy_holds_what_the_file_holds(tmp_path, shape, dtype):
    values = ground(*shape).astype(dtype)
    raster = open_raster(write(tmp_path / "one.tif", values))
    pin = unpack.unpacked(raster, tmp_path)
    assert pin is not None
    assert pin.name == "one.tif"
    with open_dataset(pin.path, pin.driver) as file:
        assert file.block_shapes == [(unpack.TILE, unpack.TILE)]
        assert file.dtypes == (dtype,)
        assert np.array_equal(file.read(1), values)


@pytest.mark.parametrize(
    "more",
    [
        {"compress": "NONE"},
        {"blockysize": 64},
        {"tiled": True, "blockxsize": 512, "blockysize": 512},
        {"count": 2},
    ],
)
def test_what_is_read_in_small_pieces_is_left_alone(tmp_path, more):
    raster = open_raster(write(tmp_path / "a.tif", ground(1024, 600), **more))
    before = set(tmp_path.iterdir())
    assert unpack.unpacked(raster, tmp_path) is None
    assert set(tmp_path.iterdir()) == before


def test_no_copy_where_there_is_no_room(tmp_path, monkeypatch):
    raster = open_raster(write(tmp_path / "a.tif", ground(1024, 600)))
    monkeypatch.setattr(unpack, "FREE_SHARE", 0.0)
    assert unpack.unpacked(raster, tmp_path) is None
    assert unpack.unpacked(raster, tmp_path / "gone") is None
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_a_damaged_file_leaves_nothing_and_is_refused_as_ever(tmp_path):
    path = write(tmp_path / "a.tif", ground(1024, 600))
    with rasterio.open(path) as file:
        start = int(file.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
    data = bytearray(path.read_bytes())
    data[start : start + 2] = b"\xff\xff"
    path.write_bytes(data)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    said = []
    for folder in (None, scratch):
        # In a thread of its own: GDAL keeps its last error for the next call of the same thread.
        with ThreadPoolExecutor(1) as pool, pytest.raises(InputRefused) as caught:
            pool.submit(open_surface, path, scratch=folder).result()
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "cannot be decoded" in said[0]
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("nodata", [None, -9999.0])
def test_a_surface_reads_the_same_with_and_without(tmp_path, nodata):
    values = ground(1100, 640)
    values[100:160, 30:90] = -9999.0
    path = write(tmp_path / "a.tif", values, nodata=nodata)
    plain, quick = open_surface(path), open_surface(path, scratch=tmp_path)
    assert quick.stored.pin.path != plain.stored.pin.path
    assert (quick.name, quick.grid, quick.notes, quick.compression) == (
        plain.name, plain.grid, plain.notes, plain.compression,
    )  # fmt: skip
    assert quick.block == (unpack.TILE, unpack.TILE)
    piece = plain.grid.at(90, 700, 20, 640)
    assert np.array_equal(plain.read(piece), quick.read(piece), equal_nan=True)
    assert np.isnan(plain.read(piece)).sum() == 3600


def test_a_south_up_file_is_turned_all_the_same(tmp_path):
    values = ground(1100, 640)
    path = write(tmp_path / "a.tif", values, transform=rasterio.Affine(0.5, 0, 5e5, 0, 0.5, 2.7e6))
    plain, quick = open_surface(path), open_surface(path, scratch=tmp_path)
    assert quick.stored.pin.path != plain.stored.pin.path
    assert np.array_equal(quick.read(quick.grid), values[::-1])
    assert quick.block_origin == (1100 % 512, 0)
