"""What a base hangs on where something stands in its ring: laws and closed forms."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from survey.volumetrics.base.choose import rebuild
from survey.volumetrics.base.frame import make_frame
from survey.volumetrics.base.one_side import hangs_on_one_side, most_of_a_side, plainly_odd
from survey.volumetrics.base.ring import find_ring, sectors

N = 120
ROW, COL = np.mgrid[0:N, 0:N].astype(float)
X, Y = COL - N / 2 + 0.5, N / 2 - ROW - 0.5
R = np.hypot(X, Y)
WEIGHT = np.clip(18 - R + 0.5, 0, 1)
ALL = np.ones((N, N), bool)


def laid(z):
    frame = make_frame(z, WEIGHT, ALL, 1.0, 1.0)
    ring = find_ring(frame, judge=False)
    return frame, ring, sectors(frame, ring.wide)


def test_a_plane_hangs_on_no_side():
    frame, ring, sector = laid(412.0 + 0.2 * X - 0.1 * Y)
    assert most_of_a_side(frame, ring.wide, sector) == pytest.approx(0.0, abs=1e-6)
    assert hangs_on_one_side(frame, ring, 0.001) == pytest.approx(0.0, abs=1e-6)


def test_a_wall_on_one_side_is_within_what_is_said():
    """Without the wall's side the plane is exact: the greatest change is no less than the wall's effect."""
    slope = 412.0 + 0.05 * X
    bearing = np.degrees(np.arctan2(Y, X))
    wall = (np.abs(bearing) < 50) & (R > 18)
    frame, ring, sector = laid(slope + 2.0 * wall)
    inside = frame.inside
    rows, cols = np.nonzero(ring.wide)
    terms = np.column_stack([np.ones(rows.size), X[rows, cols], Y[rows, cols]])
    fit = np.linalg.lstsq(terms, frame.z[ring.wide], rcond=None)[0]
    base = fit[0] + fit[1] * X + fit[2] * Y
    effect = abs(float(((base - slope) * WEIGHT)[inside].sum()))
    most = most_of_a_side(frame, ring.wide, sector)
    assert effect > 50
    assert most >= effect * 0.999
    # 1 σ of anything between nothing and that.
    assert hangs_on_one_side(frame, ring, 0.05) == pytest.approx(most / math.sqrt(3))


def test_it_grows_as_the_wall_does():
    wall = (X > 20) & (R > 18)
    found = []
    for high in (1.0, 2.0):
        frame, ring, sector = laid(high * wall)
        found.append(most_of_a_side(frame, ring.wide, sector))
    assert found[1] == pytest.approx(2 * found[0])


def test_a_ring_like_those_near_by_is_not_doubted():
    rng = np.random.default_rng(3)
    frame, ring, _ = laid(412 + 0.05 * X + 0.3 * rng.standard_normal((N, N)))
    assert hangs_on_one_side(frame, ring, 0.3) == 0.0
    assert hangs_on_one_side(frame, ring, None) == 0.0
    assert hangs_on_one_side(frame, ring, 0.1) > 0.0


def test_the_doubt_grows_with_how_odd_the_ring_is():
    wall = (X > 20) & (R > 18)
    frame, ring, sector = laid(1.0 * wall)
    whole = most_of_a_side(frame, ring.wide, sector) / math.sqrt(3)
    said = [hangs_on_one_side(frame, ring, usual) for usual in np.linspace(0.6, 0.1, 40)]
    assert said[0] == 0.0
    assert said[-1] == pytest.approx(whole)
    assert all(b >= a for a, b in pairwise(said))
    assert any(0.2 * whole < v < 0.8 * whole for v in said)


def test_where_part_of_the_ring_was_left_out_more_of_it_may_not_be_natural():
    rng = np.random.default_rng(3)
    frame, ring, _ = laid(412 + 0.05 * X + 0.3 * rng.standard_normal((N, N)))
    assert hangs_on_one_side(frame, replace(ring, rejected=0.3), 0.3) > 0.0


def test_a_ring_is_called_odd_where_it_shows_it():
    rng = np.random.default_rng(3)
    frame, ring, _ = laid(412 + 0.05 * X + 0.3 * rng.standard_normal((N, N)))
    assert plainly_odd(frame, ring, 0.2)
    assert not plainly_odd(frame, ring, 0.4)
    assert not plainly_odd(frame, ring, None)
    assert plainly_odd(frame, replace(ring, rejected=0.3), 0.4)


def test_undisturbed_ground_is_said_as_before_and_a_wall_widens_what_is_said():
    n = 220
    row, col = np.mgrid[0:n, 0:n].astype(float)
    x, r = col - n / 2 + 0.5, np.hypot(col - n / 2 + 0.5, row - n / 2 + 0.5)
    rng = np.random.default_rng(5)
    k = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n)[None])
    relief = np.fft.ifft2(np.fft.fft2(rng.standard_normal((n, n))) * (k**2 + 1e-4) ** -1.1).real
    before = 0.1 * x + 0.5 * relief / relief.std()
    weight = np.clip(18 - r + 0.5, 0, 1)
    pit = before - 2.0 * np.clip((18 - r) / 6, 0, 1)
    wall = (x > 8) & (r > 18) & (r < 40)
    everywhere = np.ones((n, n), bool)
    plain, walled = (rebuild(z, weight, everywhere, 1.0, 1.0, ground=r > 45) for z in (pit, pit + 2.0 * wall))
    assert plain.source == "trials"
    assert walled.sigma_m3 > 1.5 * plain.sigma_m3
    assert any("more uneven than it is near by" in line for line in walled.remarks)
    assert not any("more uneven than it is near by" in line for line in plain.remarks)
