"""Heights turned from ellipsoid to geoid and back, however the surface is cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine

from survey.dem.heights import HeightReference, orthometric
from survey.dem.lift import Lift
from survey.dem.opening import open_surface
from survey.errors import InputRefused
from survey.pipelines.change.one_reference import lifted
from survey.rasters.crs import to_lonlat

ELLIPSOIDAL, EGM2008, EGM96 = (HeightReference(k, k) for k in ("ellipsoidal", "EGM2008", "EGM96"))


@pytest.fixture
def surface(tmp_path):
    z = (300 + np.random.default_rng(1).uniform(0, 9, (150, 170))).astype(np.float32)
    z[5:9, 7] = -9999
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", height=150, width=170, count=1, dtype="float32",
        nodata=-9999, crs="EPSG:32643", transform=Affine(20, 0, 500_000, 0, -20, 2_700_000),
    ) as out:  # fmt: skip
        out.write(z, 1)
    return open_surface(tmp_path / "a.tif")


def test_the_geoid_is_taken_away(surface):
    g = surface.grid
    as_filed = surface.read(g)
    east, north = g.east_north(*np.mgrid[0:150, 0:170].astype(float))
    lon, lat = to_lonlat(g.crs_wkt).transform(east, north)
    wanted = orthometric(as_filed, lon, lat)
    got = lifted(surface, ELLIPSOIDAL, EGM2008).read(g)
    assert np.array_equal(np.isnan(got), np.isnan(as_filed))
    assert np.nanmax(np.abs(got - wanted)) < 0.002
    assert np.nanmin(got - as_filed) > 30  # India's geoid lies that far below the ellipsoid


def test_cut_in_any_way_and_back_again(surface):
    g = surface.grid
    up = lifted(surface, EGM2008, ELLIPSOIDAL)
    whole = up.read(g)
    for r0, r1, c0, c1 in ((0, 63, 0, 64), (40, 150, 100, 170), (149, 150, 169, 170)):
        piece = g[r0:r1, c0:c1]
        held = np.empty(piece.shape, np.float32)
        up.read_into(piece, held)
        assert np.array_equal(held, whole[r0:r1, c0:c1], equal_nan=True)
        assert np.array_equal(up.read(piece), held, equal_nan=True)
    back = whole.copy()
    Lift(-1).apply(g, 0, 0, back)
    assert np.nanmax(np.abs(back - surface.read(g))) < 1e-4


def test_only_what_is_at_hand(surface):
    assert lifted(surface, EGM96, replace(EGM96, source="file")) is surface
    with pytest.raises(InputRefused, match="only the EGM2008 geoid"):
        lifted(surface, EGM96, EGM2008)
