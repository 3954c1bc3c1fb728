"""Blocks unpacked past GDAL are GDAL's to the last bit; whatever is odd is left to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio import Affine
from rasterio.windows import Window

from survey.rasters.handles import Pin
from survey.rasters.tiles import read_tiles, tiles_of

USUAL = (-600.0, 9000.0)
ROWS, COLS = 150, 210


def heights(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    z = (300 + rng.normal(0, 5, (ROWS, COLS)).cumsum(axis=1) / 50).astype(np.float32)
    z[20:30, 40:90] = np.nan
    return z


def write(path: Path, z: np.ndarray, **options: object) -> Path:
    profile = {
        "driver": "GTiff",
        "height": z.shape[-2],
        "width": z.shape[-1],
        "count": 1 if z.ndim == 2 else z.shape[0],
        "dtype": z.dtype,
        "crs": "EPSG:32643",
        "transform": Affine(0.5, 0, 5e5, 0, -0.5, 27e5),
        "compress": "ZSTD",
        **options,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(z, 1) if z.ndim == 2 else file.write(z)
    return path


def read(path: Path, r0: int, r1: int, c0: int, c1: int) -> tuple[bool | None, np.ndarray]:
    out = np.full((r1 - r0, c1 - c0), -1, np.float32)
    return read_tiles(Pin.of(path, "GTiff"), r0, r1, c0, c1, USUAL, out), out


LAYOUTS = {
    "tiles": {"tiled": True, "blockxsize": 64, "blockysize": 32},
    "strips": {"blockysize": 7},
    "one strip": {"blockysize": ROWS},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Path]:
    folder = tmp_path_factory.mktemp("tiles")
    return {
        (layout, predictor): write(
            folder / f"{layout}-{predictor}.tif", heights(), predictor=predictor, **options
        )
        for layout, options in LAYOUTS.items()
        for predictor in (1, 2, 3)
    }


@settings(max_examples=60, deadline=None)
@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    predictor=st.sampled_from([1, 2, 3]),
    rows=st.tuples(st.integers(0, ROWS - 1), st.integers(1, ROWS)),
    cols=st.tuples(st.integers(0, COLS - 1), st.integers(1, COLS)),
)
def test_any_window_is_gdals_to_the_last_bit(
    files: dict[tuple[str, int], Path],
    layout: str,
    predictor: int,
    rows: tuple[int, int],
    cols: tuple[int, int],
) -> None:
    (r0, n), (c0, m) = rows, cols
    r1, c1 = min(ROWS, r0 + n), min(COLS, c0 + m)
    path = files[layout, predictor]
    odd, out = read(path, r0, r1, c0, c1)
    # A window that uses little of its blocks is GDAL's, which keeps them.
    if odd is None:
        return
    with rasterio.open(path) as file:
        expected = file.read(1, window=Window(c0, r0, c1 - c0, r1 - r0))
    assert out.tobytes() == expected.tobytes()
    assert odd is False


@pytest.mark.parametrize(("layout", "predictor"), [(a, b) for a in LAYOUTS for b in (1, 2, 3)])
def test_the_whole_file_is_not_left_to_gdal(
    files: dict[tuple[str, int], Path], layout: str, predictor: int
) -> None:
    odd, out = read(files[layout, predictor], 0, ROWS, 0, COLS)
    assert odd is False
    np.testing.assert_array_equal(out, heights())


@pytest.mark.parametrize("value", [-9999.0, 1e38, np.inf, -np.inf])
def test_numbers_that_are_no_heights_are_told(tmp_path: Path, value: float) -> None:
    z = heights()
    z[149, 209] = value
    path = write(tmp_path / "odd.tif", z, predictor=3, **LAYOUTS["tiles"])
    odd, out = read(path, 0, ROWS, 0, COLS)
    assert odd is True
    np.testing.assert_array_equal(out, z)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: write(p, heights(), compress="DEFLATE", predictor=3),
        lambda p: write(p, heights(), compress=None),
        lambda p: write(p, heights().astype(np.float64)),
        lambda p: write(p, np.stack([heights(), heights(1)])),
        lambda p: write(p, heights(), ENDIANNESS="BIG"),
        lambda p: write(p, heights(), NBITS=16),
    ],
    ids=["deflate", "plain", "float64", "two bands", "big-endian", "half floats"],
)
def test_other_layouts_are_left_to_gdal(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    assert tiles_of(Pin.of(make(tmp_path / "other.tif"), "GTiff")) is None


def test_a_sparse_file_is_left_to_gdal(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    profile = {"driver": "GTiff", "height": 256, "width": 256, "count": 1, "dtype": "float32"}
    with rasterio.open(
        path, "w", **profile, crs="EPSG:32643", transform=Affine(1, 0, 5e5, 0, -1, 27e5),
        tiled=True, blockxsize=64, blockysize=64, compress="ZSTD", SPARSE_OK=True,
    ) as file:  # fmt: skip
        file.write(np.full((64, 64), 300, np.float32), 1, window=Window(0, 0, 64, 64))
    assert tiles_of(Pin.of(path, "GTiff")) is None


def damaged(path: Path, at_block: tuple[int, int], data: bytes) -> Path:
    """The file with the beginning of one block replaced."""
    tiles = tiles_of(Pin.of(path, "GTiff"))
    assert tiles is not None
    with path.open("r+b") as file:
        file.seek(int(tiles.offset[at_block]))
        file.write(data[: int(tiles.size[at_block])])
    return path


def test_a_damaged_block_is_left_to_gdal(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.tif", heights(), predictor=3, **LAYOUTS["tiles"])
    damaged(path, (1, 1), b"\0" * 64)
    odd, _ = read(path, 0, ROWS, 0, COLS)
    assert odd is None


def test_a_block_that_claims_to_be_huge_takes_no_memory(tmp_path: Path) -> None:
    """A frame says how long it becomes; more than a block holds is never set aside."""
    path = write(tmp_path / "bomb.tif", heights(), predictor=1, **LAYOUTS["tiles"])
    frame = zstandard.ZstdCompressor(level=19).compress(bytes(1 << 28))
    tiles = tiles_of(Pin.of(path, "GTiff"))
    assert tiles is not None
    with path.open("ab") as file:
        at = file.tell()
        file.write(frame)
    pin = Pin.of(path, "GTiff")
    found = tiles_of(pin)
    assert found is not None
    found.offset[0, 0], found.size[0, 0] = at, len(frame)
    out = np.empty((ROWS, COLS), np.float32)
    assert read_tiles(pin, 0, ROWS, 0, COLS, USUAL, out) is None


def test_a_file_that_changed_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "first.tif", heights(), predictor=3, **LAYOUTS["tiles"])
    pin = Pin.of(path, "GTiff")
    assert tiles_of(pin) is not None
    path.unlink()
    write(path, heights(1), predictor=1, **LAYOUTS["tiles"])
    out = np.empty((ROWS, COLS), np.float32)
    assert read_tiles(pin, 0, ROWS, 0, COLS, USUAL, out) is None
