"""Where cells fall in the other file, and the difference there."""

from __future__ import annotations

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from simulated import CRS, Held, grid, held, hills

from survey.dem.mapping import Lattice, Separable, map_onto, source_window, taps
from survey.dem.rise import MISSING, Correction, metres, rise
from survey.grid import Grid

GRAIN_M = 1 / 65536


def rise_of(job, before: Held, after: Held, east=0.0, north=0.0, correction=None):  # type: ignore[no-untyped-def]
    mapping = map_onto(job, after.grid, east, north)
    r0, r1, c0, c1 = source_window(mapping, job)
    g = after.grid
    window = Grid(g.crs_wkt, g.west, g.north, g.cell_east, g.cell_north, r1 - r0, c1 - c0, r0, c0)
    polynomial = (correction or Correction()).polynomial(job)
    return metres(rise(job, before.read(job), after.read(window), r0, c0, mapping, polynomial))


@given(
    origin=st.floats(-50, 50),
    ratio=st.floats(0.2, 6.0),
    first=st.integers(-20, 20),
    n=st.integers(1, 40),
)
@settings(max_examples=50, deadline=None)
def test_weights_sum_to_one_and_keep_the_centre(origin, ratio, first, n):
    t = taps(first, n, origin, ratio)
    npt.assert_allclose(t.weight.sum(axis=1), 1.0, atol=1e-12)
    # The weighted mean of source centres is the target's centre, whether areas overlap or lines interpolate;
    # positions are kept to 2⁻²⁰ of a source cell.
    source = t.first[:, None] + np.arange(t.weight.shape[1]) + 0.5
    centre = origin + (np.arange(first, first + n) + 0.5) * ratio
    npt.assert_allclose((t.weight * source).sum(axis=1), centre, atol=2**-18)


def test_equal_grids_subtract_cell_by_cell():
    g = grid(20, 30)
    rng = np.random.default_rng(1)
    a, b = (
        Held(g, rng.normal(300, 5, g.shape).astype(np.float32)),
        Held(g, rng.normal(300, 5, g.shape).astype(np.float32)),
    )
    npt.assert_allclose(rise_of(g, a, b), b.heights - a.heights, atol=GRAIN_M)


@pytest.mark.parametrize(("west", "north"), [(0.13, -0.31), (-3.2, 4.75), (1.0, 1.0)])
def test_a_sub_cell_shift_is_bilinear(west, north):
    g = grid(24, 28)
    rng = np.random.default_rng(2)
    a = Held(g, np.zeros(g.shape, np.float32))
    gb = Grid(CRS, g.west + west, g.north + north, 0.5, 0.5, 40, 44)
    b = Held(gb, rng.normal(300, 5, gb.shape).astype(np.float32))
    row, col = gb.row_col(*g.east_north(*np.mgrid[0 : g.height, 0 : g.width]))
    expected = ndimage.map_coordinates(b.heights.astype(np.float64), [row, col], order=1, cval=np.nan)
    got = rise_of(g, a, b)
    both = np.isfinite(got) & np.isfinite(expected)
    assert both.sum() > 300
    # Positions are kept to 2⁻²⁰ of a cell, on steps of some ten metres.
    npt.assert_allclose(got[both], expected[both], atol=1e-4)


@given(st.floats(-2, 2), st.floats(-2, 2))
@settings(max_examples=25, deadline=None)
def test_a_plane_moved_rises_by_its_slope(east, north):
    # On a plane z = p·x + q·y a surface moved by (e, n) stands -(p·e + q·n) higher, exactly.
    p, q = 0.3, -0.2
    g = grid(30, 30)
    gb = grid(60, 60, west=g.west - 7.3, north=g.north + 7.9)

    def plane(x, y):  # type: ignore[no-untyped-def]
        return 300 + p * (x - g.west) + q * (y - g.north)

    got = rise_of(g, held(g, plane), held(gb, plane), east, north)
    # float32 heights of some 300 m carry 1.5e-5 m each.
    npt.assert_allclose(got, -(p * east + q * north), atol=8e-5)


@pytest.mark.parametrize("cell", [0.125, 0.2, 0.37, 0.5, 0.8, 1.3])
def test_other_cells_keep_a_plane(cell):
    g = grid(20, 20)
    gb = Grid(CRS, g.west - 5.1, g.north + 5.2, cell, cell, int(25 / cell), int(25 / cell))

    def plane(x, y):  # type: ignore[no-untyped-def]
        return 300 + 0.31 * (x - g.west) - 0.17 * (y - g.north)

    npt.assert_allclose(rise_of(g, held(g, plane), held(gb, plane)), 0.0, atol=8e-5)


def test_finer_cells_are_averaged_by_area():
    # One target cell holds 2 × 2 source cells: their mean, not one of them.
    g = grid(10, 10, cell=1.0)
    gb = grid(20, 20, cell=0.5)
    rng = np.random.default_rng(3)
    b = rng.normal(300, 1, gb.shape).astype(np.float32)
    mean = b.reshape(10, 2, 10, 2).mean(axis=(1, 3))
    got = rise_of(g, Held(g, np.zeros(g.shape, np.float32)), Held(gb, b))
    npt.assert_allclose(got, mean, atol=5e-5)


def test_a_missing_cell_never_becomes_ground():
    g = grid(12, 12)
    heights = np.full(g.shape, 300, np.float32)
    heights[5, 6] = np.nan
    gb = grid(14, 14, west=g.west - 0.3, north=g.north + 0.2)
    b = Held(gb, np.full(gb.shape, 301, np.float32))
    got = rise_of(g, Held(g, heights), b)
    assert np.isnan(got[5, 6])
    assert np.isfinite(np.delete(got.ravel(), 5 * 12 + 6)).all()
    holed = b.heights.copy()
    holed[7, 7] = np.nan
    # Four target cells touch the hole of the other survey when it lies between cells.
    assert np.isnan(rise_of(g, Held(g, np.full(g.shape, 300, np.float32)), Held(gb, holed))).sum() == 4


@pytest.mark.parametrize("other", [0.0, 0.21])
def test_a_piece_gives_what_the_whole_gives(other):
    g = grid(50, 60)
    gb = grid(70, 80, west=g.west - 3 + other, north=g.north + 3)
    rng = np.random.default_rng(4)
    a, b = (Held(x, rng.normal(300, 3, x.shape).astype(np.float32)) for x in (g, gb))
    mapping, polynomial = (
        map_onto(g, gb, 0.11, -0.07),
        Correction(0.1, 1e-3, 2e-3, 1e-5, g.west, g.north).polynomial(g),
    )

    def part(piece):  # type: ignore[no-untyped-def]
        r0, r1, c0, c1 = source_window(mapping, piece)
        window = Grid(CRS, gb.west, gb.north, 0.5, 0.5, r1 - r0, c1 - c0, r0, c0)
        return rise(piece, a.read(piece), b.read(window), r0, c0, mapping, polynomial)

    whole = part(g)
    assert (whole != MISSING).all()
    for piece in g.pieces((17, 23)):
        npt.assert_array_equal(
            part(piece), whole[piece.row0 : piece.row0 + piece.height, piece.col0 : piece.col0 + piece.width]
        )


def test_a_correction_is_what_it_says():
    g = grid(40, 40)
    flat = Held(g, np.full(g.shape, 300, np.float32))
    c = Correction(
        up=0.2, tilt_east=1e-3, tilt_north=-2e-3, dome=1e-5, centre_east=g.west + 3, centre_north=g.north - 8
    )
    east, north = g.east_north(*np.mgrid[0:40, 0:40])
    x, y = east - c.centre_east, north - c.centre_north
    npt.assert_allclose(
        rise_of(g, flat, flat, correction=c), 0.2 + 1e-3 * x - 2e-3 * y + 1e-5 * (x * x + y * y), atol=GRAIN_M
    )


def test_another_utm_zone_is_the_same_ground():
    # A survey of the same analytic ground, filed in the neighbouring zone: the difference is interpolation
    # error, z''·cell²/8 ≈ 1.5/121·0.25/8 m per axis and octave, plus the rotated cells of float32 heights.
    g = Grid("EPSG:32643", 790_000.0, 2_700_000.0, 0.5, 0.5, 200, 200)
    from pyproj import Transformer

    to = Transformer.from_crs("EPSG:32643", "EPSG:32644", always_xy=True)
    back = Transformer.from_crs("EPSG:32644", "EPSG:32643", always_xy=True)
    e, n = to.transform(g.west + 50, g.north - 50)
    gb = Grid("EPSG:32644", round(e) - 90.0, round(n) + 90.0, 0.5, 0.5, 360, 360)

    def ground(x, y):  # type: ignore[no-untyped-def]
        return hills(x - 290_000.0, y)

    def seen(x, y):  # type: ignore[no-untyped-def]
        return ground(*back.transform(x, y))

    before, after = held(g, ground), held(gb, seen)
    mapping = map_onto(g, gb)
    assert isinstance(mapping, Lattice)
    got = rise_of(g, before, after)
    assert np.isfinite(got).all()
    npt.assert_allclose(got, 0.0, atol=2e-3)
    assert abs(float(got.mean())) < 3e-4


def test_one_system_is_separable():
    assert isinstance(map_onto(grid(5, 5), grid(9, 9, cell=0.3)), Separable)
