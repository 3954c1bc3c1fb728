"""The cloud-optimised GeoTIFF: what GDAL reads of it is what was put in, however it was cut."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import numpy.testing as npt
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.grid import Grid
from survey.raster_env import enter
from survey.rasters import cog
from survey.rasters.cog import BLOCK, UNIT, BandPacker, put_together, sizes
from survey.rasters.tiff import read_tiff

UTM = "EPSG:32643"


def grid(rows: int, cols: int, row0: int = 0, col0: int = 0) -> Grid:
    from rasterio.crs import CRS

    return Grid(CRS.from_string(UTM).to_wkt(), 500000.0, 2400000.0, 0.25, 0.25, rows, cols, row0, col0)


def heights(rows: int, cols: int, seed: int = 1) -> np.ndarray:
    """Waves with gaps, to 1/4096 m."""
    r, c = np.mgrid[0:rows, 0:cols]
    noise = np.random.default_rng(seed).normal(0, 0.02, (rows, cols))
    z = np.round((3 * np.sin(r / 97) * np.cos(c / 61) + noise) * 4096) / 4096
    z[(r // 40 + c // 30) % 11 == 0] = np.nan
    return z.astype(np.float32)


def write(folder, job: Grid, z: np.ndarray, cuts=((0,), (0,)), pieces=(97, 211)):  # type: ignore[no-untyped-def]
    """``cuts`` are the first rows and columns of bands; ``pieces`` what each is handed in."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, cols = (*cuts[0], job.height), (*cuts[1], job.width)
    paths = []
    for r0, r1 in itertools.pairwise(rows):
        for c0, c1 in itertools.pairwise(cols):
            band = job[r0:r1, c0:c1]
            packer = BandPacker(folder / f"part-{len(paths)}.band", job, band)
            for a in range(r0, r1, pieces[0]):
                for b in range(c0, c1, pieces[1]):
                    here = slice(a, min(a + pieces[0], r1)), slice(b, min(b + pieces[1], c1))
                    packer.add(job[here], z[here])
            packer.finish()
            paths.append(packer.path)
    put_together(paths, job, folder / "whole.tif")
    return folder / "whole.tif"


@pytest.mark.parametrize("shape", [(1, 1), (512, 512), (513, 1), (700, 1300), (2049, 3111)])
def test_gdal_reads_what_was_put_in(tmp_path, shape):
    enter()
    job, z = grid(*shape, row0=13, col0=-700), heights(*shape)
    with rasterio.open(write(tmp_path / "a", job, z)) as file:
        npt.assert_array_equal(file.read(1), z)
        assert file.crs.to_epsg() == 32643
        assert file.transform.almost_equals(job.transform)
        assert file.dtypes == ("float32",)
        assert np.isnan(file.nodata)
        said = file.tags(ns="IMAGE_STRUCTURE")
        assert (said["LAYOUT"], said["COMPRESSION"], said["PREDICTOR"]) == ("COG", "ZSTD", "3")
        assert len(file.overviews(1)) == len(sizes(*shape)) - 1
        assert file.block_shapes == [(BLOCK, BLOCK)]


def test_an_overview_is_the_mean_of_four_of_the_one_before(tmp_path):
    enter()
    job, z = grid(1500, 2600), heights(1500, 2600)
    path = write(tmp_path / "a", job, z, ((0, UNIT), (0, UNIT)))
    before = z.astype(np.float64)
    for level, (rows, cols) in enumerate(sizes(1500, 2600)[1:]):
        with rasterio.open(path, overview_level=level) as file:
            got = file.read(1)
        assert got.shape == (rows, cols)
        even = np.pad(before, [(0, n % 2) for n in before.shape], constant_values=np.nan)
        four = np.stack([even[i::2, j::2] for i in (0, 1) for j in (0, 1)])
        measured = np.isfinite(four).sum(axis=0)
        mean = np.where(measured, np.nansum(four, axis=0) / np.maximum(measured, 1), np.nan)
        # Rounded to 1/4096 m.
        npt.assert_allclose(got, mean, atol=0.5 / 4096 + 1e-6)
        before = got.astype(np.float64)


@settings(max_examples=15, deadline=None)
@given(
    pieces=st.tuples(st.integers(60, 1400), st.integers(60, 1400)),
    cuts=st.tuples(
        *[st.lists(st.sampled_from([UNIT, 2 * UNIT]), unique=True, max_size=2).map(sorted) for _ in range(2)]
    ),
)
def test_the_bytes_do_not_depend_on_how_it_was_cut(tmp_path_factory, pieces, cuts):
    enter()
    job, z = grid(2100, 2300), heights(2100, 2300)
    folder = tmp_path_factory.mktemp("cut")
    one = write(folder / "one", job, z, pieces=(2100, 2300))
    many = write(folder / "many", job, z, ((0, *cuts[0]), (0, *cuts[1])), pieces)
    assert one.read_bytes() == many.read_bytes()


def test_directories_come_first_then_overviews_from_the_smallest(tmp_path):
    enter()
    job = grid(1500, 2600)
    path = write(tmp_path / "a", job, heights(1500, 2600))
    data, tiff = path.read_bytes(), read_tiff(path)
    assert [d.overview for d in tiff.directories] == [False, True, True, True]
    assert data[8:].startswith(b"GDAL_STRUCTURAL_METADATA_SIZE=")
    first = []
    with rasterio.open(path) as file:
        for i in range(3):
            for j in range(6):
                at = int(file.get_tag_item(f"BLOCK_OFFSET_{j}_{i}", "TIFF", bidx=1))
                size = int(file.get_tag_item(f"BLOCK_SIZE_{j}_{i}", "TIFF", bidx=1))
                first.append(at)
                assert struct.unpack("<I", data[at - 4 : at]) == (size,)
                assert data[at + size : at + size + 4] == data[at + size - 4 : at + size]
        smallest = [
            int(file.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1, ovr=level)) for level in range(3)
        ]
    assert first == sorted(first)
    assert smallest == sorted(smallest, reverse=True)
    assert smallest[0] < first[0]


def test_a_file_beyond_four_gigabytes_says_so_in_its_directories(tmp_path, monkeypatch):
    enter()
    monkeypatch.setattr(cog, "_CLASSIC_BYTES", 1000)
    job, z = grid(700, 1300), heights(700, 1300)
    path = write(tmp_path / "a", job, z)
    assert read_tiff(path).big
    with rasterio.open(path) as file:
        npt.assert_array_equal(file.read(1), z)
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_a_lost_band_or_piece_is_noticed(tmp_path):
    job, z = grid(1500, 600), heights(1500, 600)
    packer = BandPacker(tmp_path / "part-0.band", job, job[:UNIT, :])
    packer.add(job[:UNIT, :], z[:UNIT])
    packer.finish()
    with pytest.raises(ValueError, match="missing"):
        put_together([packer.path], job, tmp_path / "whole.tif")
    packer = BandPacker(tmp_path / "part-1.band", job, job[UNIT:, :])
    packer.add(job[UNIT:-1, :], z[UNIT:-1])
    with pytest.raises(ValueError, match="not filled"):
        packer.finish()
    packer.close()
