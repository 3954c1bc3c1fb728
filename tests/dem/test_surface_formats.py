"""One surface, written in every way of the trade, reads back as the same heights on the same ground."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray

from survey.dem.opening import open_surface
from survey.dem.surface import Surface
from survey.errors import InputRefused
from survey.rasters.limits import RasterLimits

WEST, NORTH, CELL = 500_000.0, 2_700_000.0, 0.5
ROWS, COLS = 203, 317
US_FOOT = 1200 / 3937
UTM_FEET = "+proj=utm +zone=43 +datum=WGS84 +units=us-ft +type=crs"


def ground(east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.float64]:
    """A smooth hill with a bench, as a function of where one stands: any grid can be checked against it."""
    x, y = (east - WEST) / 50, (NORTH - north) / 50
    return 312.0 + 9.0 * np.sin(x) + 6.0 * np.cos(1.3 * y) + 2.0 * np.tanh(4 * (x - y))


def cells(rows: int = ROWS, cols: int = COLS, cell: float = CELL) -> NDArray[np.float64]:
    east = WEST + (np.arange(cols) + 0.5) * cell
    north = NORTH - (np.arange(rows) + 0.5) * cell
    return ground(*np.meshgrid(east, north))


def hole() -> NDArray[np.bool_]:
    hidden = np.zeros((ROWS, COLS), bool)
    hidden[40:60, 100:130] = True
    hidden[:, -3:] = True
    return hidden


def write(path: Path, heights: NDArray[np.generic], **profile: object) -> Path:
    mask = profile.pop("mask", None)
    tags = profile.pop("tags", None)
    units = profile.pop("units", None)
    scales = profile.pop("scales", None)
    offsets = profile.pop("offsets", None)
    options: dict[str, object] = {
        "driver": "GTiff",
        "height": heights.shape[0],
        "width": heights.shape[1],
        "count": 1,
        "dtype": heights.dtype,
        "crs": "EPSG:32643",
        "transform": Affine(CELL, 0, WEST, 0, -CELL, NORTH),
        **profile,
    }
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **options) as out:
        if tags:
            out.update_tags(**tags)
        if units:
            out.units = (units,)
        if scales:
            out.scales = (scales,)
        if offsets:
            out.offsets = (offsets,)
        out.write(heights, 1)
        if mask is not None:
            out.write_mask(mask)
    return path


@dataclass(frozen=True)
class Way:
    name: str
    profile: dict[str, object] = field(default_factory=dict)
    turn: Callable[[NDArray[np.float64]], NDArray[np.generic]] = lambda z: z.astype(np.float32)
    tolerance_m: float = 2e-5  # half a float32 step at 330 m
    holes: bool = False


def _filled(value: float, dtype: str = "float32") -> Callable[[NDArray[np.float64]], NDArray[np.generic]]:
    return lambda z: np.where(hole(), value, z).astype(dtype)


TILED = {"tiled": True, "blockxsize": 64, "blockysize": 32}
WAYS = [
    Way("strips, uncompressed"),
    Way("one strip", {"blockysize": ROWS}),
    Way("strips, lzw, predictor 3", {"compress": "lzw", "predictor": 3}),
    Way("strips, packbits", {"compress": "packbits"}),
    Way("tiles, deflate", {**TILED, "compress": "deflate"}),
    Way("tiles, zstd, predictor 2", {**TILED, "compress": "zstd", "predictor": 2}),
    Way("tiles, lzma", {**TILED, "compress": "lzma"}),
    Way("lerc, exact", {**TILED, "compress": "lerc", "max_z_error": 0}),
    Way("lerc_zstd, 1 cm", {**TILED, "compress": "lerc_zstd", "max_z_error": 0.01}, tolerance_m=0.0101),
    Way("big-endian", {"ENDIANNESS": "BIG"}),
    Way("bigtiff", {**TILED, "BIGTIFF": "YES"}),
    Way("cog", {"driver": "COG", "compress": "zstd", "blocksize": 128}),
    Way("float64", {"compress": "deflate"}, lambda z: z),
    Way("nodata -9999", {"nodata": -9999.0}, _filled(-9999.0), holes=True),
    Way("nodata float max", {"nodata": float(np.finfo("f4").min)}, _filled(np.finfo("f4").min), holes=True),
    Way("nodata 0", {"nodata": 0.0}, _filled(0.0), holes=True),
    Way("nan, declared", {"nodata": float("nan")}, _filled(np.nan), holes=True),
    Way("nan, undeclared", {}, _filled(np.nan), holes=True),
    Way(
        "float64 nodata",
        {"nodata": -1.7976931348623157e308},
        _filled(-1.7976931348623157e308, "f8"),
        holes=True,
    ),
    Way("internal mask", {"mask": ~hole()}, _filled(-123.0), holes=True),
    Way(
        "int16 decimetres, offset",
        {"nodata": -32768, "scales": 0.1, "offsets": 300.0, **TILED},
        lambda z: np.where(hole(), -32768, np.round((z - 300) * 10)).astype("i2"),
        0.0501,
        True,
    ),
    Way(
        "uint16 centimetres",
        {"nodata": 65535, "scales": 0.01},
        lambda z: np.where(hole(), 65535, np.round(z * 100)).astype("u2"),
        0.00503,
        True,
    ),
    Way(
        "int32 millimetres",
        {"nodata": -2147483648, "units": "mm"},
        lambda z: np.where(hole(), -2147483648, np.round(z * 1000)).astype("i4"),
        0.00053,
        True,
    ),
    Way(
        "south-up",
        {"transform": Affine(CELL, 0, WEST, 0, CELL, NORTH - ROWS * CELL)},
        lambda z: z[::-1].astype("f4"),
    ),
    Way(
        "south-up tiles, holes",
        {**TILED, "nodata": -9999, "transform": Affine(CELL, 0, WEST, 0, CELL, NORTH - ROWS * CELL)},
        lambda z: np.where(hole(), -9999, z)[::-1].astype("f4"),
        holes=True,
    ),
    Way(
        "west-running",
        {"transform": Affine(-CELL, 0, WEST + COLS * CELL, 0, -CELL, NORTH)},
        lambda z: z[:, ::-1].astype("f4"),
    ),
    Way("pixel is point", {"tags": {"AREA_OR_POINT": "Point"}}),
    Way(
        "feet across and up, in the reference system",
        {
            "crs": rasterio.crs.CRS.from_wkt(
                __import__("pyproj").crs.CompoundCRS("feet", [UTM_FEET, "EPSG:6360"]).to_wkt("WKT1_GDAL")
            ),
            "transform": Affine(CELL / US_FOOT, 0, WEST / US_FOOT, 0, -CELL / US_FOOT, NORTH / US_FOOT),
        },
        lambda z: (z / US_FOOT).astype("f4"),
        4e-5,
    ),
    Way("feet up only, by the band's unit", {"units": "ft"}, lambda z: (z / 0.3048).astype("f8")),
]


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.name)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Way, Surface]:
    way: Way = request.param
    path = write(tmp_path_factory.mktemp("way") / "dem.tif", way.turn(cells()), **dict(way.profile))
    return way, open_surface(path)


def test_same_heights_on_the_same_ground(written: tuple[Way, Surface]) -> None:
    way, surface = written
    grid = surface.grid
    assert grid.shape == (ROWS, COLS)
    assert grid.crs.to_epsg() == 32643
    assert grid.cell_east == pytest.approx(CELL, rel=1e-12)
    assert grid.cell_north == pytest.approx(CELL, rel=1e-12)
    # 2.7 million metres in float64 feet and back: a few micrometres.
    assert (grid.west, grid.north) == pytest.approx((WEST, NORTH), abs=1e-5)
    heights = surface.read(grid)
    assert heights.dtype == np.float32
    assert heights.flags.c_contiguous
    truth = cells()
    expected_nan = hole() if way.holes else np.zeros_like(truth, bool)
    np.testing.assert_array_equal(np.isnan(heights), expected_nan)
    assert np.nanmax(np.abs(heights - truth)) <= way.tolerance_m


def test_pieces_equal_the_whole(written: tuple[Way, Surface]) -> None:
    _, surface = written
    whole = surface.read(surface.grid)
    for size in ((37, 53), (64, 32), (ROWS, 11)):
        for piece in surface.grid.pieces(size):
            part = surface.read(piece)
            expected = whole[piece.row0 : piece.row0 + piece.height, piece.col0 : piece.col0 + piece.width]
            np.testing.assert_array_equal(part, expected)


def test_survives_pickling(written: tuple[Way, Surface]) -> None:
    _, surface = written
    sent = pickle.dumps(surface)
    assert len(sent) < 20_000
    again = pickle.loads(sent)
    assert again == surface
    np.testing.assert_array_equal(again.read(again.grid), surface.read(surface.grid))


def test_a_plain_strip_is_read_by_rows_however_tall_it_is(tmp_path: Path) -> None:
    """Many programs write everything into one strip; what is not compressed need not be held whole."""
    heights = np.arange(600 * 300, dtype=np.float32).reshape(600, 300) / 1000
    plain = open_surface(write(tmp_path / "plain.tif", heights, blockysize=600))
    packed = open_surface(write(tmp_path / "packed.tif", heights, blockysize=600, compress="deflate"))
    assert plain.block[0] < 64
    assert packed.block == (600, 300)
    piece = plain.grid[37:555, 20:280]
    np.testing.assert_array_equal(plain.read(piece), packed.read(piece))


def test_a_tall_plain_strip_is_no_large_block(tmp_path: Path) -> None:
    heights = np.zeros((600, 300), np.float32)
    few = RasterLimits(block_bytes=2000)
    assert open_surface(write(tmp_path / "plain.tif", heights + 5, blockysize=600), limits=few)
    with pytest.raises(InputRefused, match="blocks of"):
        open_surface(write(tmp_path / "packed.tif", heights + 5, blockysize=600, compress="lzw"), limits=few)
