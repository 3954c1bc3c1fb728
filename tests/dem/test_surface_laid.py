"""Files whose own cells are not metric and north up: the heights must land on the right ground."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from survey.dem.lay import invert
from survey.dem.opening import open_surface
from survey.dem.surface import Surface
from survey.errors import InputRefused
from survey.rasters.crs import areal_scale, frame_of

UTM = "EPSG:32643"
LON, LAT = 75.83, 26.91
E0, N0 = Transformer.from_crs("EPSG:4326", UTM, always_xy=True).transform(LON, LAT)
WAVE_M = 40.0
RELIEF_M = 8.0


def ground(east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.float64]:
    """Waves of 40 m radius: second derivatives of at most RELIEF / WAVE² per metre."""
    return 402.0 + RELIEF_M * np.sin((east - E0) / WAVE_M) * np.cos((north - N0) / WAVE_M)


def bilinear_bound(cell_m: float) -> float:
    """|error| ≤ h²/8 · (|f_xx| + |f_yy|) for linear interpolation both ways, and the float32 step."""
    return cell_m**2 / 8 * 2 * RELIEF_M / WAVE_M**2 + 4e-5


def write(path: Path, crs: str, transform: Affine, rows: int, cols: int, hole: bool = False) -> Path:
    """Fill the file with the ground at each of its cell centres."""
    col, row = np.meshgrid(np.arange(cols) + 0.5, np.arange(rows) + 0.5)
    x, y = transform @ (col, row)
    east, north = Transformer.from_crs(crs, UTM, always_xy=True).transform(x, y)
    heights = ground(east, north).astype(np.float32)
    if hole:
        heights[30:40, 50:70] = np.nan
    with rasterio.open(
        path, "w", driver="GTiff", width=cols, height=rows, count=1, dtype="float32", crs=crs,
        transform=transform, tiled=True, blockxsize=64, blockysize=64, compress="deflate",
    ) as out:  # fmt: skip
        out.write(heights, 1)
    return path


def around(crs: str) -> tuple[float, float]:
    return Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(LON, LAT)


def degrees(tmp_path: Path, hole: bool = False) -> tuple[Surface, float]:
    step = 1e-5  # 0.99 × 1.11 m
    path = write(
        tmp_path / "deg.tif", "EPSG:4326", Affine(step, 0, LON - 0.001, 0, -step, LAT + 0.001), 200, 210, hole
    )
    return open_surface(path), 1.11


def mercator(tmp_path: Path) -> tuple[Surface, float]:
    x, y = around("EPSG:3857")
    path = write(tmp_path / "merc.tif", "EPSG:3857", Affine(1, 0, x - 100, 0, -1, y + 100), 200, 210)
    return open_surface(path), 1.0


def turned(tmp_path: Path) -> tuple[Surface, float]:
    transform = Affine.translation(E0 - 60, N0 + 110) @ Affine.rotation(-27) @ Affine.scale(0.8, -0.8)
    path = write(tmp_path / "turned.tif", UTM, transform, 200, 210)
    return open_surface(path), 0.8


def india_lcc(tmp_path: Path) -> tuple[Surface, float]:
    x, y = around("EPSG:7755")
    path = write(tmp_path / "lcc.tif", "EPSG:7755", Affine(1, 0, x - 100, 0, -1, y + 100), 200, 210)
    return open_surface(path), 1.05


WAYS = {"degrees": degrees, "web mercator": mercator, "rotated": turned, "india lcc": india_lcc}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_heights_lie_where_they_belong(way, tmp_path: Path) -> None:
    surface, cell_m = way(tmp_path)
    grid = surface.grid
    assert grid.crs == CRS(UTM)
    assert any(note.code == "interpolated" for note in surface.notes)
    heights = surface.read(grid)
    east, north = grid.east_north(*np.mgrid[0 : grid.height, 0 : grid.width])
    measured = np.isfinite(heights)
    assert np.abs(heights - ground(east, north))[measured].max() <= bilinear_bound(cell_m) * 1.02
    # The footprint is kept: all cells but the half cell along the edge.
    assert abs(surface.areal_scale - 1) < 0.001
    assert grid.cell_m <= cell_m


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_the_area_covered_is_that_of_the_file(way, tmp_path: Path) -> None:
    surface, _ = way(tmp_path)
    heights = surface.read(surface.grid)
    area = np.isfinite(heights).sum() * surface.grid.cell_area_m2 / surface.areal_scale
    # From the outermost cell centres of the file, 199 × 209 cells, on the ellipsoid.
    with rasterio.open(surface.path) as opened:
        geod = opened.crs.to_wkt()
        corners = [opened.transform @ p for p in ((0.5, 0.5), (209.5, 0.5), (209.5, 199.5), (0.5, 199.5))]
    to_lonlat = Transformer.from_crs(geod, "EPSG:4326", always_xy=True)
    lon, lat = to_lonlat.transform(*zip(*corners, strict=True))
    truth = abs(CRS("EPSG:4326").get_geod().polygon_area_perimeter(lon, lat)[0])
    # Counting whole cells along a perimeter of about 800 cells.
    assert area == pytest.approx(truth, abs=0.75 * 830 * surface.grid.cell_area_m2)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_cutting_changes_nothing(way, tmp_path: Path) -> None:
    surface, _ = way(tmp_path)
    whole = surface.read(surface.grid)
    for size in ((50, 50), (64, 128), (7, 1000)):
        for piece in surface.grid.pieces(size):
            part = whole[piece.row0 : piece.row0 + piece.height, piece.col0 : piece.col0 + piece.width]
            np.testing.assert_array_equal(surface.read(piece), part)


def test_a_hole_does_not_shrink(tmp_path: Path) -> None:
    surface, _ = degrees(tmp_path, hole=True)
    solid, _ = degrees(tmp_path)
    filled, holed = solid.read(solid.grid), surface.read(surface.grid)
    lost = np.isfinite(filled) & np.isnan(holed)
    # 10 × 20 file cells are missing; so is all that would need one of them.
    lost_m2 = lost.sum() * surface.grid.cell_area_m2
    cell_area = 0.9935 * 1.1079
    assert 10 * 20 * cell_area < lost_m2 < 12 * 22 * cell_area


def test_refused_when_asked_not_to_interpolate(tmp_path: Path) -> None:
    path = write(tmp_path / "d.tif", "EPSG:4326", Affine(1e-5, 0, LON, 0, -1e-5, LAT), 60, 60)
    with pytest.raises(InputRefused, match="degrees"):
        open_surface(path, interpolate=False)


def test_areal_scale_of_known_projections() -> None:
    # Web Mercator on the sphere stretches both ways by sec φ; UTM's central meridian by 0.9996.
    x, y = around("EPSG:3857")
    assert areal_scale(frame_of("EPSG:3857").wkt, x, y) == pytest.approx(
        1 / math.cos(math.radians(LAT)) ** 2, rel=0.01
    )
    assert areal_scale(frame_of(UTM).wkt, 500_000, N0) == pytest.approx(0.9996**2, rel=1e-6)


@settings(max_examples=50, deadline=None)
@given(
    st.floats(-180, 180),
    st.floats(0.01, 100),
    st.floats(0.01, 100),
    st.floats(-1e7, 1e7),
    st.floats(-1e7, 1e7),
)
def test_inverse_of_an_affine_transform(angle: float, sx: float, sy: float, x: float, y: float) -> None:
    forward = Affine.translation(x, y) @ Affine.rotation(angle) @ Affine.scale(sx, -sy)
    back = Affine(*invert(forward[:6]))
    col, row = back @ (forward @ (17.25, -3.5))
    assert (col, row) == pytest.approx((17.25, -3.5), abs=1e-9 * max(1, abs(x), abs(y)) / min(sx, sy) + 1e-9)
