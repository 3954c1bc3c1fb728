"""Sums of which it is not sure what belongs to them, against closed forms of mixtures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from survey.quantity import Z95, Measured
from survey.volumetrics.unsure_sum import MOST_EXACT, SURE, Unsure, widened


def normal(value, sigma):
    return Measured.from_sigma(value, sigma, "m3")


def test_a_sure_sum_keeps_its_interval():
    plain = normal(100.0, 5.0)
    assert widened(plain, []) == plain
    assert widened(plain, [Unsure(40.0, 0.96, True), Unsure(30.0, 0.04, False)]) == plain


def test_one_doubtful_change_makes_a_mixture_of_two_normals():
    """F(x) = (1 − p)·Φ((x − v)/σ) + p·Φ((x − v − V)/σ); far apart, F(hi) = 0.975 inverts to one quantile."""
    v, sigma, added, p = 100.0, 2.0, 500.0, 0.4
    out = widened(normal(v, sigma), [Unsure(added, p, False)])
    assert out.hi == pytest.approx(v + added + sigma * ndtri(1 - 0.025 / p), abs=1e-6)
    # The lower end would come up to Φ⁻¹(0.025 / 0.6); no interval is made narrower.
    assert out.lo == pytest.approx(v - Z95 * sigma, abs=1e-9)
    assert out.value == v


def test_what_is_counted_may_have_to_be_taken_away():
    out = widened(normal(600.0, 2.0), [Unsure(500.0, 0.7, True)])
    assert out.lo == pytest.approx(600 - 500 + 2.0 * ndtri(0.025 / 0.3), abs=1e-6)
    assert out.hi == pytest.approx(600 + Z95 * 2.0, abs=1e-9)


def test_adding_and_taking_away_mirror_each_other():
    one = widened(normal(10.0, 1.0), [Unsure(50.0, 0.3, False, 2.0)])
    other = widened(normal(-10.0, 1.0), [Unsure(-50.0, 0.3, False, 2.0)])
    assert (other.lo, other.hi) == pytest.approx((-one.hi, -one.lo), abs=1e-6)


def test_nothing_found_and_one_doubtful_heap():
    out = widened(Measured(0.0, 0.0, 0.0, "m3"), [Unsure(15.0, 0.3, False, 1.0)]).non_negative()
    assert out.lo == 0.0
    assert out.hi == pytest.approx(15.0 + ndtri(1 - 0.025 / 0.3), abs=1e-5)


def test_many_small_doubts_come_to_a_normal_variable():
    n, p, volume = 400, 0.3, 1.0
    out = widened(normal(0.0, 10.0), [Unsure(volume, p, False)] * n)
    spread = math.sqrt(n * p * (1 - p) * volume**2 + 100.0)
    assert out.hi == pytest.approx(n * p * volume + Z95 * spread, rel=2e-3)


def test_the_order_does_not_matter():
    rng = np.random.default_rng(4)
    some = [
        Unsure(float(v), float(p), bool(p > 0.5), 0.1 * float(v))
        for v, p in zip(rng.uniform(1, 90, 14), rng.uniform(0.05, 0.95, 14), strict=True)
    ]
    assert len(some) > MOST_EXACT
    assert widened(normal(500.0, 3.0), some) == widened(normal(500.0, 3.0), some[::-1])


def test_it_holds_as_often_as_it_says():
    """Draws of the very model: 95 % of them, or more where the plain interval was wider."""
    rng = np.random.default_rng(11)
    some = [Unsure(30.0, 0.6, True, 1.0), Unsure(80.0, 0.35, False, 3.0), Unsure(25.0, 0.8, True, 1.0)]
    sigma, certain = 4.0, 200.0
    out = widened(normal(certain + 55.0, sigma), some)
    n = 20_000
    truth = certain + sigma * rng.standard_normal(n)
    for d in some:
        there = rng.random(n) < d.chance
        own = 0.0 if d.counted else d.sigma_m3
        truth = truth + there * (d.volume_m3 + own * rng.standard_normal(n))
    held = float(((truth >= out.lo) & (truth <= out.hi)).mean())
    assert 0.945 < held < 0.985


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0, 1e4),
    st.floats(0, 1e3),
    st.lists(st.tuples(st.floats(0.1, 1e4), st.floats(0, 1)), max_size=14),
)
def test_never_narrower_and_always_holds_its_value(value, sigma, some):
    plain = normal(value, sigma)
    out = widened(plain, [Unsure(v, p, p >= 0.5) for v, p in some])
    assert out.lo <= plain.lo
    assert plain.hi <= out.hi
    top = sum(v for v, p in some if 1 - SURE < p < 0.5)
    bottom = sum(v for v, p in some if 0.5 <= p < SURE)
    # Ten deviations of the whole are beyond any quantile asked for, and rounding of 80 halvings.
    loose = 4 * Z95 * (sigma + top + bottom) / 4 + 1e-6
    assert out.hi <= value + top + loose
    assert out.lo >= value - bottom - loose


def test_tails_are_those_of_a_central_interval():
    out = widened(normal(0.0, 1.0), [Unsure(4.0, 0.5, False)])
    above = 0.5 * (1 - ndtr(out.hi)) + 0.5 * (1 - ndtr(out.hi - 4.0))
    assert above == pytest.approx(0.025, abs=1e-9)
