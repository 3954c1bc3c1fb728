"""What must not become a surface, and what is accepted with a word."""

from __future__ import annotations

import math
import struct
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import CRS

from survey.dem.opening import open_surface
from survey.dem.surface import Surface
from survey.errors import InputRefused
from survey.rasters.limits import RasterLimits
from survey.rasters.tiff import read_tiff

PLACE = Affine(1, 0, 500_000, 0, -1, 2_700_000)


def hills(rows: int = 120, cols: int = 140, base: float = 350.0, noise: float = 0.02) -> NDArray[np.float32]:
    y, x = np.mgrid[0:rows, 0:cols]
    grain = np.random.default_rng(7).normal(0, noise, (rows, cols)) if noise else 0.0
    return (base + 12 * np.sin(x / 31) + 7 * np.cos(y / 23) + grain).astype(np.float32)


def write(path: Path, data: NDArray[np.generic], **profile: object) -> Path:
    bands = data if data.ndim == 3 else data[None]
    options: dict[str, object] = {
        "driver": "GTiff",
        "height": bands.shape[1],
        "width": bands.shape[2],
        "count": bands.shape[0],
        "dtype": bands.dtype,
        "crs": "EPSG:32643",
        "transform": PLACE,
        **profile,
    }
    with rasterio.open(path, "w", **options) as out:
        out.write(bands)
    return path


def codes(surface: Surface) -> set[str]:
    return {note.code for note in surface.notes}


# -- not a file of heights -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"just some words\n", "text"),
        (b"<VRTDataset rasterXSize='5'/>", "virtual raster"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "PNG"),
        (b"PK\x03\x04" + bytes(50), "zip"),
        (b"II*\0", "breaks off"),
        (b"II*\0\x08\0\0\0", "breaks off"),
        (b"II*\0\xff\xff\xff\xff" + bytes(100), "breaks off"),
        (b"II+\0\x07\0\0\0" + bytes(8), "BigTIFF"),
    ],
)
def test_not_a_geotiff(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "dem.tif"
    path.write_bytes(content)
    with pytest.raises(InputRefused, match=words) as caught:
        open_surface(path)
    assert str(caught.value).startswith("dem.tif: ")


def test_missing_folder_and_link_to_a_device(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no such file"):
        open_surface(tmp_path / "none.tif")
    with pytest.raises(InputRefused, match="folder"):
        open_surface(tmp_path)


@pytest.mark.parametrize(
    "name", ["/vsicurl/http://127.0.0.1:9/x.tif", "GTIFF_DIR:1:x.tif", "https://x/y.tif"]
)
def test_names_are_never_drivers_or_addresses(name: str) -> None:
    with pytest.raises(InputRefused, match="no such file"):
        open_surface(name)


def test_wrong_ending_does_no_harm(tmp_path: Path) -> None:
    surface = open_surface(write(tmp_path / "dem.jpg", hills()))
    assert np.isfinite(surface.read(surface.grid)).all()


@pytest.mark.parametrize(
    ("data", "profile", "words"),
    [
        (np.zeros((3, 60, 60), np.uint8), {"photometric": "RGB"}, "colour picture"),
        (np.zeros((4, 60, 60), np.uint8), {}, "picture|bands"),
        (hills().astype(np.uint8), {}, "8-bit"),
        (np.stack([hills(), hills()]), {}, "2 bands"),
        (np.zeros((60, 60), np.complex64), {}, "complex"),
        (hills(2, 2), {}, "2 × 2"),
        (hills(1, 1), {}, "1 × 1"),
        (np.full((60, 60), np.nan, np.float32), {}, "no measured cell"),
        (np.full((60, 60), -9999, np.float32), {"nodata": -9999}, "no measured cell"),
        (np.full((60, 60), -32768, np.int16), {"nodata": -32768}, "no measured cell"),
        (np.zeros((60, 60), np.float32), {}, "exactly zero"),
        (hills(), {"crs": None}, "no coordinate reference system"),
        (hills(), {"crs": 'LOCAL_CS["mine grid",UNIT["metre",1]]'}, "not tied to the Earth"),
        (hills(), {"crs": "EPSG:4326"}, "degrees"),
        (hills(), {"transform": Affine(1e-5, 0, 75.1, 0, -1e-5, 26.1)}, "cells of|does not cover"),
        (hills(), {"transform": Affine(5000, 0, 5e5, 0, -5000, 2.7e6)}, "cells of"),
        (hills(), {"transform": Affine(1, 0, 5e8, 0, -1, 2.7e6)}, "does not cover"),
        (hills(), {"crs": "EPSG:2264", "transform": Affine(3, 0, 2e6, 0, -3, 5e5)}, "heights are too"),
    ],
)
def test_refused(tmp_path: Path, data: NDArray[np.generic], profile: dict[str, object], words: str) -> None:
    path = write(tmp_path / "dem.tif", data, **profile)
    with pytest.raises(InputRefused, match=words) as caught:
        open_surface(path)
    assert caught.value.exit_code == 2
    assert caught.value.file is not None


def test_without_georeference(tmp_path: Path) -> None:
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        path = write(tmp_path / "dem.tif", hills(), crs=None, transform=None)
    with pytest.raises(InputRefused, match="georeference"):
        open_surface(path, crs="EPSG:32643")


def test_lossy_jpeg(tmp_path: Path) -> None:
    grey = (hills() / 2).astype(np.uint8)
    path = write(tmp_path / "dem.tif", grey, compress="jpeg")
    with pytest.raises(InputRefused, match="JPEG"):
        open_surface(path)


def hillshade(z: NDArray[np.float32]) -> NDArray[np.float64]:
    """Light from the north-west, 45° up, 0 to 255."""
    dy, dx = np.gradient(z.astype(np.float64))
    light = np.array([-1, 1, math.sqrt(2)]) / 2
    shade = (-dx * light[0] + dy * light[1] + light[2]) / np.sqrt(1 + dx**2 + dy**2)
    return 255 * np.clip(shade, 0, 1)


@pytest.mark.parametrize("dtype", ["float32", "int16", "float64", "uint16"])
def test_hillshade_in_a_wide_type(tmp_path: Path, dtype: str) -> None:
    y, x = np.mgrid[0:150, 0:160]
    rough = hills(150, 160, noise=0.03) + 3 * np.sin(x / 5) * np.sin(y / 7)
    shade = hillshade(rough.astype(np.float32)).astype(dtype)
    with pytest.raises(InputRefused, match="hillshade"):
        open_surface(write(tmp_path / "dem.tif", shade))


@pytest.mark.parametrize("base", [5.0, 60.0, 180.0])
def test_low_ground_is_not_taken_for_a_hillshade(tmp_path: Path, base: float) -> None:
    surface = open_surface(write(tmp_path / "dem.tif", hills(base=base, noise=0.1)))
    assert np.isfinite(surface.read(surface.grid)).all()


def test_coarse_whole_metres_are_accepted_with_a_word(tmp_path: Path) -> None:
    surface = open_surface(write(tmp_path / "dem.tif", hills(base=120).astype(np.int16)))
    assert "coarse-heights" in codes(surface)


def test_controlled_loss_is_said(tmp_path: Path) -> None:
    surface = open_surface(write(tmp_path / "dem.tif", hills(), compress="lerc", max_z_error=0.1))
    assert "lossy-heights" in codes(surface)
    assert np.abs(surface.read(surface.grid) - hills()).max() <= 0.1001


# -- nothing, undeclared ----------------------------------------------------------------------------------

BORDER = np.zeros((120, 140), bool)
BORDER[:, :30] = True
BORDER[100:, :] = True


@pytest.mark.parametrize(
    "value",
    [
        -9999.0,
        -10000.0,
        -32767.0,
        -32768.0,
        -99999.0,
        1e38,
        -1e38,
        3.4028235e38,
        -3.4028235e38,
        np.inf,
        -np.inf,
        0.0,
        -7777.0,
    ],
)
def test_undeclared_nodata_is_found_and_said(tmp_path: Path, value: float) -> None:
    data = np.where(BORDER, np.float32(value), hills())
    surface = open_surface(write(tmp_path / "dem.tif", data))
    assert "undeclared-nodata" in codes(surface)
    np.testing.assert_array_equal(np.isnan(surface.read(surface.grid)), BORDER)


@pytest.mark.parametrize("value", [-9999, -32768, -32767, 32767, 0])
def test_undeclared_nodata_in_scaled_integers(tmp_path: Path, value: int) -> None:
    data = np.where(BORDER, value, np.round(hills() * 10)).astype(np.int16)
    path = write(tmp_path / "dem.tif", data)
    with rasterio.open(path, "r+") as out:
        out.scales = (0.1,)
    surface = open_surface(path)
    np.testing.assert_array_equal(np.isnan(surface.read(surface.grid)), BORDER)


def test_two_kinds_of_nothing(tmp_path: Path) -> None:
    data = np.where(BORDER, np.float32(-9999), hills())
    data[:40, 100:] = 0
    data[50:60, 50:60] = -32768
    surface = open_surface(write(tmp_path / "dem.tif", data, nodata=-9999))
    expected = BORDER.copy()
    expected[:40, 100:] = expected[50:60, 50:60] = True
    np.testing.assert_array_equal(np.isnan(surface.read(surface.grid)), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_four_kinds_of_nothing(tmp_path: Path, dtype: str) -> None:
    data = hills(160, 160).astype(dtype)
    expected = np.zeros(data.shape, bool)
    for i, value in enumerate((-9999, -5555, -32768, 0)):
        part = (slice(0, 160), slice(20 * i, 20 * i + 12))
        data[part] = value
        expected[part] = True
    surface = open_surface(write(tmp_path / "dem.tif", data, nodata=-9999))
    heights = surface.read(surface.grid)
    np.testing.assert_array_equal(np.isnan(heights), expected)
    np.testing.assert_allclose(heights[~expected], data[~expected], atol=1e-4)


def test_zeros_that_the_first_look_misses_are_not_ground(tmp_path: Path) -> None:
    big = np.tile(hills(), (20, 20))
    big[310:330, 410:450] = 0
    path = write(tmp_path / "dem.tif", big, nodata=-9999, tiled=True, blockxsize=128, blockysize=128)
    surface = open_surface(path)
    assert "zero-is-nothing" in codes(surface)
    assert np.isnan(surface.read(surface.grid)).sum() == 20 * 40


def test_low_ground_may_hold_zeros(tmp_path: Path) -> None:
    """A tidal flat: zeros among heights of both signs are heights."""
    flat = hills(base=5.0)
    flat[50, 50] = 0
    surface = open_surface(write(tmp_path / "dem.tif", flat))
    assert np.isfinite(surface.read(surface.grid)).all()


def test_zeros_near_sea_level_are_nobodys_guess(tmp_path: Path) -> None:
    beach = hills(base=24.0)  # 5 to 43 m
    data = np.where(BORDER, np.float32(0), beach)
    with pytest.raises(InputRefused, match="sea level or unmeasured"):
        open_surface(write(tmp_path / "dem.tif", data))
    assert "zeros" in codes(open_surface(write(tmp_path / "declared.tif", data, nodata=-9999)))
    surface = open_surface(write(tmp_path / "mended.tif", data, nodata=0))
    np.testing.assert_array_equal(np.isnan(surface.read(surface.grid)), BORDER)


def test_a_real_sea_meets_the_beach(tmp_path: Path) -> None:
    x = np.arange(140)[None, :] * np.ones((120, 1))
    beach = np.maximum(0.0, (x - 50) * 0.05).astype(np.float32)
    surface = open_surface(write(tmp_path / "dem.tif", beach))
    assert np.isfinite(surface.read(surface.grid)).all()


def test_a_hidden_void_outside_the_first_look(tmp_path: Path) -> None:
    """Sentinels are known wherever they are met; other impossible numbers stop the run."""
    big = np.tile(hills(), (20, 20))  # 2400 × 2800
    profile = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "zstd"}
    big[300, 400] = -9999
    surface = open_surface(write(tmp_path / "dem.tif", big, **profile))
    assert np.isnan(surface.read(surface.grid)[300, 400])
    big[300, 400] = 2.5e31
    surface = open_surface(write(tmp_path / "dem.tif", big, **profile))
    with pytest.raises(InputRefused, match=r"2\.5e\+31"):
        surface.read(surface.grid[256:384, 384:512])


# -- reading --------------------------------------------------------------------------------------------


def test_pieces_may_overhang(tmp_path: Path) -> None:
    surface = open_surface(write(tmp_path / "dem.tif", hills()))
    piece = replace(surface.grid, row0=-10, col0=130, height=40, width=30)
    heights = surface.read(piece)
    assert np.isnan(heights[:10]).all()
    assert np.isnan(heights[:, 10:]).all()
    np.testing.assert_array_equal(heights[10:, :10], surface.read(surface.grid)[:30, 130:])
    beside = replace(surface.grid, row0=500, height=3)
    assert np.isnan(surface.read(beside)).all()
    with pytest.raises(ValueError, match="not cut"):
        surface.read(replace(surface.grid, west=surface.grid.west + 0.5))


def test_many_threads_read_the_same(tmp_path: Path) -> None:
    surface = open_surface(write(tmp_path / "dem.tif", hills(), tiled=True, blockxsize=64, blockysize=64))
    whole = surface.read(surface.grid)
    wrong: list[object] = []

    def work(size: int) -> None:
        for piece in surface.grid.pieces(size):
            part = whole[piece.row0 : piece.row0 + piece.height, piece.col0 : piece.col0 + piece.width]
            if not np.array_equal(surface.read(piece), part):
                wrong.append(piece)

    threads = [threading.Thread(target=work, args=(size,)) for size in (17, 32, 64, 33, 50, 128)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_file_that_changes_is_refused_by_workers(tmp_path: Path) -> None:
    path = write(tmp_path / "dem.tif", hills())
    surface = open_surface(path)
    write(path, hills(base=351, rows=121))
    failures: list[BaseException] = []

    def work() -> None:
        try:
            surface.read(surface.grid)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert isinstance(failures[0], InputRefused)
    assert "changed" in str(failures[0])


def test_overviews_are_not_believed(tmp_path: Path) -> None:
    path = write(tmp_path / "dem.tif", hills(256, 256), tiled=True, blockxsize=64, blockysize=64)
    with rasterio.open(path, "r+") as out:
        out.build_overviews([2, 4], rasterio.enums.Resampling.average)
    surface = open_surface(path)
    before = surface.read(surface.grid)
    # Overwrite every byte after the first copy of the cells: only overviews lie there.
    assert [d.overview for d in read_tiff(path).directories] == [False, True, True]
    blob = bytearray(path.read_bytes())
    start = 256 * 256 * 4 + 2000
    blob[start:-600] = np.full((len(blob) - 600 - start) // 4 + 1, 900.0, "<f4").tobytes()[
        : len(blob) - 600 - start
    ]
    other = tmp_path / "other.tif"
    other.write_bytes(blob)
    surface = open_surface(other)
    np.testing.assert_array_equal(surface.read(surface.grid), before)


# -- sidecars -------------------------------------------------------------------------------------------


def bare(path: Path) -> Path:
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        return write(path, hills(), crs=None, transform=None)


def test_sidecar_georeference(tmp_path: Path) -> None:
    path = bare(tmp_path / "dem.tif")
    # A world file gives the centre of the first cell.
    (tmp_path / "dem.tfw").write_text("1.0\n0.0\n0.0\n-1.0\n500000.5\n2699999.5\n")
    with pytest.raises(InputRefused, match="reference system"):
        open_surface(path)
    (tmp_path / "dem.PRJ").write_text(CRS("EPSG:32643").to_wkt("WKT1_ESRI"))
    surface = open_surface(path)
    assert (surface.grid.west, surface.grid.north) == (500_000, 2_700_000)
    assert surface.grid.crs.to_epsg() == 32643
    assert {"sidecar-position", "sidecar-crs"} <= codes(surface)
    assert [Path(p).name for p in surface.sidecars] == ["dem.tfw", "dem.PRJ"]


def test_sidecars_never_overrule_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "dem.tif", hills())
    plain = open_surface(path)
    (tmp_path / "dem.tfw").write_text("2.0\n0.0\n0.0\n-2.0\n1\n1\n")
    (tmp_path / "dem.tif.aux.xml").write_text(
        '<PAMDataset><SRS>GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
        'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]]</SRS>'
        "<GeoTransform>0,1,0,0,0,-1</GeoTransform>"
        '<PAMRasterBand band="1"><NoDataValue>350</NoDataValue><Scale>7</Scale></PAMRasterBand></PAMDataset>'
    )
    (tmp_path / "dem.tif.ovr").write_bytes(b"nonsense")
    surface = open_surface(path)
    assert surface.grid == plain.grid
    assert "sidecar-ignored" in codes(surface)
    np.testing.assert_array_equal(surface.read(surface.grid), plain.read(plain.grid))


def test_an_aux_xml_with_entities_is_not_opened(tmp_path: Path) -> None:
    path = bare(tmp_path / "dem.tif")
    (tmp_path / "dem.tif.aux.xml").write_text(
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><PAMDataset><SRS>&a;</SRS></PAMDataset>'
    )
    with pytest.raises(InputRefused, match="georeference"):
        open_surface(path)


def test_an_external_mask_hides_cells(tmp_path: Path) -> None:
    path = write(tmp_path / "dem.tif", hills())
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as out:
        out.write_mask(~BORDER)
    assert (tmp_path / "dem.tif.msk").exists()
    surface = open_surface(path)
    np.testing.assert_array_equal(np.isnan(surface.read(surface.grid)), BORDER)


def test_job_crs_serves_only_a_silent_file(tmp_path: Path) -> None:
    silent = write(tmp_path / "silent.tif", hills(), crs=None)
    assert open_surface(silent, crs="EPSG:32644").grid.crs.to_epsg() == 32644
    spoken = write(tmp_path / "spoken.tif", hills())
    surface = open_surface(spoken, crs="EPSG:32644")
    assert surface.grid.crs.to_epsg() == 32643
    assert "crs-differs" in codes(surface)
    with pytest.raises(InputRefused, match="not understood"):
        open_surface(silent, crs="UTM of the mine")


# -- units ----------------------------------------------------------------------------------------------


def test_feet_by_the_jobs_word(tmp_path: Path) -> None:
    path = write(tmp_path / "dem.tif", hills() / np.float32(0.3048))
    surface = open_surface(path, height_unit="feet")
    assert surface.height_unit == "ft"
    assert np.abs(surface.read(surface.grid) - hills()).max() < 1e-4
    with pytest.raises(InputRefused, match="not known"):
        open_surface(path, height_unit="cubits")


def test_units_that_contradict_each_other(tmp_path: Path) -> None:
    path = write(tmp_path / "dem.tif", hills(), crs="EPSG:32643+3855")
    assert open_surface(path).heights is not None
    with pytest.raises(InputRefused, match="contradicts"):
        open_surface(path, height_unit="ft")


# -- too large, broken off, damaged ---------------------------------------------------------------------


def sparse_tiff(width: int, height: int, tile: int = 512) -> bytes:
    """A BigTIFF of a few bytes that announces ``width × height`` float32 cells, none written."""
    blocks = -(-width // tile) * -(-height // tile)
    listed = min(blocks, 4)
    tags = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 32), (259, 3, 1, 1), (262, 3, 1, 1),
        (277, 3, 1, 1), (322, 3, 1, tile), (323, 3, 1, tile), (324, 16, listed, 0), (325, 16, listed, 0),
        (339, 3, 1, 3),
    ]  # fmt: skip
    ifd = 16
    data_at = ifd + 8 + 20 * len(tags) + 8
    out = struct.pack("<2sHHHQ", b"II", 43, 8, 0, ifd) + struct.pack("<Q", len(tags))
    for tag, kind, count, value in tags:
        where = data_at if tag in (324, 325) and count > 1 else value
        out += struct.pack("<HHQQ", tag, kind, count, where)
    return out + struct.pack("<Q", 0) + bytes(8 * listed)


def test_a_terabyte_from_a_kilobyte(tmp_path: Path) -> None:
    path = tmp_path / "dem.tif"
    path.write_bytes(sparse_tiff(1_000_000, 1_000_000))
    with pytest.raises(InputRefused):
        open_surface(path)
    with pytest.raises(InputRefused, match="cells"):
        open_surface(write(tmp_path / "d.tif", hills()), limits=RasterLimits(cells=10_000))
    profile = {"tiled": True, "SPARSE_OK": True, "compress": "zstd", "BIGTIFF": "YES"}
    with rasterio.open(
        tmp_path / "s.tif", "w", driver="GTiff", width=40_000, height=40_000, count=1, dtype="float32",
        crs="EPSG:32643", transform=PLACE, **profile,
    ) as out:  # fmt: skip
        out.write(hills(), 1, window=rasterio.windows.Window(0, 0, 140, 120))
    with pytest.raises(InputRefused, match="swell"):
        open_surface(tmp_path / "s.tif")


def test_nothing_ever_written(tmp_path: Path) -> None:
    with rasterio.open(
        tmp_path / "s.tif", "w", driver="GTiff", width=400, height=400, count=1, dtype="float32",
        crs="EPSG:32643", transform=PLACE, tiled=True, SPARSE_OK=True,
    ):  # fmt: skip
        pass
    with pytest.raises(InputRefused, match="no cells"):
        open_surface(tmp_path / "s.tif")


def test_sparse_blocks_without_nodata_are_not_ground_at_zero(tmp_path: Path) -> None:
    with rasterio.open(
        tmp_path / "s.tif", "w", driver="GTiff", width=512, height=512, count=1, dtype="float32",
        crs="EPSG:32643", transform=PLACE, tiled=True, blockxsize=128, blockysize=128, SPARSE_OK=True,
    ) as out:  # fmt: skip
        out.write(hills(128, 128), 1, window=rasterio.windows.Window(128, 256, 128, 128))
    surface = open_surface(tmp_path / "s.tif")
    heights = surface.read(surface.grid)
    assert np.isfinite(heights).sum() == 128 * 128


KINDS = {
    "strips": {},
    "deflate": {"compress": "deflate", "predictor": 3},
    "tiles zstd": {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "zstd"},
    "cog": {"driver": "COG", "compress": "lzw", "blocksize": 128},
    "lerc bigtiff": {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "lerc", "BIGTIFF": "YES"},
}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS.keys())
def whole_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("whole") / "dem.tif", hills(), **request.param).read_bytes()


def test_sparse_blocks_near_sea_level_are_refused(tmp_path: Path) -> None:
    for nodata in (None, -9999):
        with rasterio.open(
            tmp_path / "s.tif", "w", driver="GTiff", width=512, height=512, count=1, dtype="float32",
            crs="EPSG:32643", transform=PLACE, tiled=True, blockxsize=128, blockysize=128, SPARSE_OK=True,
            nodata=nodata,
        ) as out:  # fmt: skip
            out.write(hills(128, 128, base=20.0), 1, window=rasterio.windows.Window(128, 256, 128, 128))
        if nodata is None:
            with pytest.raises(InputRefused, match="never written"):
                open_surface(tmp_path / "s.tif")
        else:
            surface = open_surface(tmp_path / "s.tif")
            assert np.isfinite(surface.read(surface.grid)).sum() == 128 * 128


def judged(path: Path) -> NDArray[np.float32] | None:
    """The heights, or None if refused, at the door or while reading. Nothing else may happen."""
    try:
        surface = open_surface(path)
        return surface.read(surface.grid)
    except InputRefused as refusal:
        if not refusal.found:
            raise ValueError("a refusal without a reason") from refusal
        return None


def test_broken_off_anywhere(whole_file: bytes, tmp_path: Path) -> None:
    """Whatever is missing, there is no surface; or nothing that matters is missing."""
    length = len(whole_file)
    cuts = {*range(0, 40), *np.linspace(40, length - 1, 60, dtype=int).tolist(), *range(length - 6, length)}
    refused = 0
    for cut in sorted(cuts):
        path = tmp_path / f"cut{cut}.tif"
        path.write_bytes(whole_file[:cut])
        heights = judged(path)
        refused += heights is None
        if heights is not None:
            np.testing.assert_array_equal(heights, hills())
    assert refused >= len(cuts) - 6


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_bytes_never_crash(
    whole_file: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    blob = bytearray(whole_file)
    reach = data.draw(st.sampled_from([64, 400, len(blob)]))
    for _ in range(data.draw(st.integers(1, 6))):
        blob[data.draw(st.integers(0, reach - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "dem.tif"
    path.write_bytes(blob)
    heights = judged(path)
    if heights is not None:
        finite = heights[np.isfinite(heights)]
        assert finite.size == 0 or (finite.min() >= -600 and finite.max() <= 9000)
