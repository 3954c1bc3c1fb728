"""What a hectare of map is on the ground."""

from __future__ import annotations

import numpy as np
import numpy.testing as npt
import pytest
from pyproj import CRS, Geod, Transformer

from survey.grid import Grid
from survey.pipelines.map_scale import map_remarks, map_scale

UTM = CRS.from_epsg(32643)


def grid_at(east: float, crs: CRS = UTM) -> Grid:
    """A square kilometre whose middle lies at that easting."""
    return Grid(crs.to_wkt(), east - 500.0, 2_900_500.0, 10.0, 10.0, 100, 100)


@pytest.mark.parametrize("east", [220_000.0, 500_000.0, 640_000.0])
def test_the_scale_is_that_of_a_square_on_the_ellipsoid(east: float) -> None:
    b = grid_at(east).bounds
    x = np.concatenate([np.linspace(b.west, b.east, 50), np.full(50, b.east)])
    x = np.concatenate([x, x[:50][::-1], np.full(50, b.west)])
    side = np.linspace(b.south, b.north, 50)
    y = np.concatenate([np.full(50, b.south), side, np.full(50, b.north), side[::-1]])
    lon, lat = Transformer.from_crs(UTM, CRS.from_epsg(4326), always_xy=True).transform(x, y)
    ground, _ = Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)
    # Over a kilometre the scale itself changes by some 1e-8 of the area about its middle.
    npt.assert_allclose(map_scale(grid_at(east)), 1e6 / abs(ground), rtol=1e-7)


def test_in_the_middle_of_a_zone_the_ground_is_larger_than_the_map() -> None:
    npt.assert_allclose(map_scale(grid_at(500_000.0)), 0.9996**2, rtol=1e-7)
    (said,) = map_remarks(grid_at(500_000.0))
    # 1/0.9996² - 1 = 0.08005 %
    assert "0.080 % larger" in said.message
    assert "UTM zone 43N" in said.message


def test_a_map_of_equal_areas_needs_no_word() -> None:
    equal = CRS.from_proj4("+proj=laea +lat_0=26 +lon_0=75 +datum=WGS84 +units=m")
    grid = Grid(equal.to_wkt(), 0.0, 0.0, 10.0, 10.0, 100, 100)
    npt.assert_allclose(map_scale(grid), 1.0, atol=1e-8)
    assert map_remarks(grid) == []
