"""A shift, bias, tilt and dome put in come back out, each with an error that holds."""

from __future__ import annotations

import math

import numpy as np
import numpy.testing as npt
import pytest
from simulated import Held, correlated, grid, hills

from survey.dem.align import Wishes, align
from survey.dem.robust import nmad, shorth
from survey.dem.sampling import load, windows

N = 320


def ground(relief: float):  # type: ignore[no-untyped-def]
    """Relief with slopes everywhere, ``relief`` times as high, on the cells of a grid and 8 m beyond."""

    def z(east, north):  # type: ignore[no-untyped-def]
        return 300 + relief * (hills(east, north) - 300)

    return z


def pair(  # type: ignore[no-untyped-def]
    seed,
    *,
    east=0.0,
    north=0.0,
    up=0.0,
    tilt=(0.0, 0.0),
    dome=0.0,
    noise=0.03,
    slow=0.0,
    relief=1.0,
    change=None,
):
    """Two surveys of one ground; the later needs (east, north, up, tilt, dome) to lie on the earlier.

    Tilt and dome are metres at the scene's edge. ``change(x, y)`` is a true rise.
    """
    rng = np.random.default_rng(seed)
    g = grid(N, N)
    x, y = g.east_north(*np.mgrid[0:N, 0:N])
    z = ground(relief)
    before = z(x, y) + rng.normal(0, noise, g.shape)
    u, v = (x - x.mean()) / (N / 4), (y - y.mean()) / (N / 4)
    after = z(x + east, y + north) + rng.normal(0, noise, g.shape)
    if change is not None:
        after += change(x + east, y + north)
    after -= up + tilt[0] * u + tilt[1] * v + dome * (u * u + v * v)
    if slow:
        after += slow * correlated(rng, N, 60)
    return g, Held(g, before.astype(np.float32)), Held(g, after.astype(np.float32))


def laid(g, before, after, wishes=None, usable=None, tie=None, interest=None):  # type: ignore[no-untyped-def]
    sample = [w for row in windows(g) for w in load(before, after, row)]
    b = g.bounds
    centre = np.array([[(b.west + b.east) / 2, (b.south + b.north) / 2]])
    return align(
        sample, g, after.grid, centre if interest is None else interest, wishes or Wishes(), usable, tie
    )


@pytest.mark.parametrize(("east", "north"), [(0.0, 0.0), (0.31, -0.12), (-1.4, 0.9), (2.6, -2.2)])
def test_a_shift_comes_back(east, north):
    a = laid(*pair(1, east=east, north=north))
    # 100,000 cells of 3 cm noise on slopes of some 15 % tell a shift to about a millimetre.
    npt.assert_allclose([a.east_m, a.north_m], [east, north], atol=0.01)
    sigma = math.sqrt(np.linalg.eigvalsh(a.shift_covariance)[-1])
    assert max(abs(a.east_m - east), abs(a.north_m - north)) < 4 * sigma + 1e-3


@pytest.mark.parametrize("parts", [1, 2, 3, 4])
def test_a_shift_comes_back_from_finer_cells(parts):
    """Of the later survey's cells, a whole number of which make up one of the earlier's, even or odd."""
    rng = np.random.default_rng(8)
    g = grid(N, N)
    fine = grid(parts * N, parts * N, g.cell_m / parts)
    east, north = fine.east_north(*np.mgrid[0 : fine.height, 0 : fine.width])
    after = hills(east + 0.31, north - 0.12) + rng.normal(0, 0.03, fine.shape)
    x, y = g.east_north(*np.mgrid[0:N, 0:N])
    before = hills(x, y) + rng.normal(0, 0.03, g.shape)
    a = laid(g, Held(g, before.astype(np.float32)), Held(fine, after.astype(np.float32)))
    npt.assert_allclose([a.east_m, a.north_m], [0.31, -0.12], atol=0.01)


def test_bias_tilt_and_dome_come_back():
    a = laid(*pair(2, up=0.15, tilt=(0.08, -0.06), dome=0.12))
    half = N / 4
    npt.assert_allclose(a.correction.up, 0.15, atol=0.003)
    npt.assert_allclose(
        [a.correction.tilt_east * half, a.correction.tilt_north * half], [0.08, -0.06], atol=0.003
    )
    npt.assert_allclose(a.correction.dome * half**2, 0.12, atol=0.004)
    assert a.nmad_after_m < a.nmad_before_m


def test_an_area_of_interest_as_large_as_the_survey_is_surrounded():
    """Blocks of stable ground reach to the survey's edge; their middles do not."""
    g, before, after = pair(2, up=0.15, tilt=(0.08, -0.06), dome=0.12)
    every = np.stack(g.east_north(*(a.ravel() for a in np.mgrid[0:N:10, 0:N:10])), axis=1)
    a = laid(g, before, after, interest=every)
    assert {t.name for t in a.terms if t.applied} >= {"tilt_east", "tilt_north", "dome"}
    npt.assert_allclose(a.correction.dome * (N / 4) ** 2, 0.12, atol=0.004)


def test_terms_that_are_not_there_are_left_out():
    a = laid(*pair(3, up=0.1))
    by_name = {t.name: t for t in a.terms}
    assert not by_name["dome"].applied
    npt.assert_allclose(a.correction.up, 0.1, atol=0.003)


def test_half_of_the_scene_may_have_changed():
    def dug(x, y):  # type: ignore[no-untyped-def]
        # Benches of 1.5 m going down to the west: as steep as a working, and nowhere one depth for long.
        depth = -1.5 * np.ceil(np.clip((500_000 + N / 4 * 1.15 - x) / 12, 0, None))
        return np.where(y - 2_700_000 < -20, depth, 0.0)

    g, before, after = pair(4, east=0.4, north=-0.3, up=0.2, change=dug)
    x, y = g.east_north(*np.mgrid[0:N, 0:N])
    assert (dug(x, y) < 0).mean() > 0.45
    a = laid(g, before, after)
    npt.assert_allclose([a.east_m, a.north_m, a.correction.up], [0.4, -0.3, 0.2], atol=0.02)


def test_flat_ground_cannot_tell_a_shift_and_says_so():
    a = laid(*pair(5, east=0.5, relief=0.0, up=0.1))
    by_name = {t.name: t for t in a.terms}
    assert not by_name["east"].applied
    assert "flat" in by_name["east"].why
    assert a.east_m == a.north_m == 0.0
    # What is not known is carried on.
    assert np.linalg.eigvalsh(a.shift_covariance)[0] > 0.1**2
    npt.assert_allclose(a.correction.up, 0.1, atol=0.01)


def test_without_stable_ground_nothing_is_pretended():
    g, before, after = pair(6)
    nowhere = lambda east, north: np.zeros(east.size, bool)  # noqa: E731
    a = laid(g, before, after, usable=nowhere)
    assert a.trend is None
    assert a.stable_area_m2 == 0
    assert math.isnan(a.up_sigma_m)
    tied = laid(g, before, after, usable=nowhere, tie=(-0.25, 0.02))
    npt.assert_allclose(tied.correction.up, 0.25)


def test_switched_off_it_changes_nothing():
    a = laid(*pair(7, up=0.3, east=0.5), wishes=Wishes(False, False, False, False))
    assert (a.east_m, a.north_m, a.correction.up) == (0.0, 0.0, 0.0)


def test_swapped_epochs_swap_signs():
    g, before, after = pair(8, east=0.3, north=0.2, up=0.12)
    one, other = laid(g, before, after), laid(g, after, before)
    npt.assert_allclose(
        [one.east_m, one.north_m, one.correction.up],
        [-other.east_m, -other.north_m, -other.correction.up],
        atol=0.006,
    )


def test_stated_errors_hold_the_truth():
    # Correlated noise of 2 cm: the bias must lie within its 95 % interval in about that share of surveys.
    hits, z = 0, []
    runs = 24
    for seed in range(runs):
        a = laid(
            *pair(100 + seed, up=0.1, noise=0.02, slow=0.02),
            wishes=Wishes(horizontal=False, tilt=False, dome=False),
        )
        # The correction takes out the sample mean of the noise too; what is judged is the constant put in.
        z.append((a.correction.up - 0.1) / a.up_sigma_m)
        hits += abs(z[-1]) < 2.1
    # 24 draws of a 95 % event: fewer than 19 happen once in 500.
    assert hits >= 19
    assert 0.5 < np.std(z) < 1.6


def test_the_mode_survives_a_changed_majority():
    rng = np.random.default_rng(9)
    x = np.concatenate([rng.normal(0.05, 0.02, 4000), rng.uniform(-8, 3, 6000)])
    mode, sigma = shorth(x)
    npt.assert_allclose(mode, 0.05, atol=0.015)
    # The narrowest 30 % reach beyond the 40 % that stayed as 0.05 ± 0.02: wider than σ, far from the rest.
    assert 0.01 < sigma < 0.1


def test_nmad_of_a_normal_is_its_sigma():
    rng = np.random.default_rng(10)
    npt.assert_allclose(nmad(rng.normal(3, 0.2, 200_000)), 0.2, rtol=0.01)


def test_a_stride_of_windows_finds_the_same_shift():
    # Large scenes are sampled by windows; the same pair seen through 64 of them gives the same answer.
    g, before, after = pair(11, east=0.6, north=-0.4, up=0.1)
    pieces = [g[r : r + 32, c : c + 32] for r in range(0, N, 40) for c in range(0, N, 40)]
    sample = load(before, after, pieces)
    a = align(sample, g, after.grid, np.empty((0, 2)), Wishes())
    npt.assert_allclose([a.east_m, a.north_m, a.correction.up], [0.6, -0.4, 0.1], atol=0.02)


def test_strips_are_read_once_for_a_row_of_windows():
    """What lies beside each other comes from the same strips; and it is the same as read one by one."""
    g, before, after = pair(12, east=0.3, north=0.2, up=0.0)
    row = [g[64:96, c : c + 32] for c in range(0, N, 48)]
    read: list[tuple[int, int]] = []

    class Strips(Held):
        def read(self, piece):  # type: ignore[no-untyped-def]
            read.append(piece.shape)
            return super().read(piece)

    strips = [Strips(s.grid, s.heights, block=(8, s.grid.width)) for s in (before, after)]
    found = load(*strips, row)
    assert len(read) == 2
    for a, b in zip(found, load(before, after, row), strict=True):
        assert (a.piece, a.after_grid) == (b.piece, b.after_grid)
        npt.assert_array_equal(a.before, b.before)
        npt.assert_array_equal(a.after, b.after)
