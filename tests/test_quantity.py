from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.quantity import Z95, Measured

finite = st.floats(-1e9, 1e9)


def test_z95_bounds_the_central_95_percent_of_a_normal():
    assert math.erf(Z95 / math.sqrt(2)) == pytest.approx(0.95, abs=1e-15)


def test_interval_of_a_normal_error():
    m = Measured.from_sigma(100.0, 10.0, "m³")
    assert (m.lo, m.hi) == pytest.approx((100 - 19.59963984540054, 100 + 19.59963984540054))
    assert m.half_width == pytest.approx(19.59963984540054)


def test_an_interval_that_does_not_hold_its_value_is_refused():
    with pytest.raises(ValueError, match="does not hold"):
        Measured(5.0, 6.0, 7.0, "m³")


def test_missing_is_nan_through_and_through():
    m = Measured.missing("m³")
    assert not m.known
    assert math.isnan(m.half_width)
    assert not m.non_negative().known
    assert not m.scaled(2.6, "t").known
    with pytest.raises(ValueError, match="not measured"):
        Measured(math.nan, 0.0, 1.0, "m³")


@given(finite, st.floats(0, 1e6), st.floats(-100, 100))
@settings(deadline=None, max_examples=50)
def test_scaling_keeps_the_interval_around_the_value(value, sigma, factor):
    m = Measured.from_sigma(value, sigma, "m³").scaled(factor, "t")
    assert m.lo <= m.value <= m.hi
    assert m.unit == "t"
    assert m.value == value * factor


@given(finite, st.floats(0, 1e6))
@settings(deadline=None, max_examples=50)
def test_a_gross_volume_is_never_negative(value, sigma):
    m = Measured.from_sigma(value, sigma, "m³").non_negative()
    assert 0 <= m.lo <= m.value <= m.hi
    assert m.value == max(value, 0.0)
