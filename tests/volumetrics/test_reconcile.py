"""The mass balance by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.quantity import Measured
from survey.volumetrics.reconcile import Figures, Ground, Range, balance, returns_that_do_not_add_up

DENSITY = Range(2.5, 2.6, 2.7)
LOOSE = Range(1.7, 1.7, 1.7)


def ground(cut, fill, half=100.0):
    return Ground(Measured(cut, cut - half, cut + half, "m3"), Measured(fill, fill - half, fill + half, "m3"))


def by_name(figures, g, density=DENSITY, loose=LOOSE, swell=0.3):
    return {c.quantity: c for c in balance(figures, g, density, loose, swell)}


# 10,000 m³ of waste and 26,000 t of ore at 2.6 t/m³ are 10,000 m³: the void holds 20,000 m³. The waste
# grows to 13,000 m³, and 1,700 t more on the stacks are 1,000 m³ at 1.7 t/m³: heaps grow by 14,000 m³.
HONEST = Figures(10_000, 9_000, 1_000, 26_000, 500, 2_200)


def test_honest_figures_agree():
    found = by_name(HONEST, ground(20_000, 14_000))
    assert {c.agreement for c in found.values()} == {"agrees"}
    assert found["void_cut_m3"].declared.best == pytest.approx(20_000)
    assert found["rom_production_t"].measured.value == pytest.approx(26_000)
    assert found["overburden_generated_m3"].measured.value == pytest.approx(10_000)
    assert found["disposed_and_backfilled_m3"].declared.best == pytest.approx(14_000)


def test_half_the_production_declared():
    figures = Figures(10_000, 9_000, 1_000, 13_000, 500, 2_200)
    found = by_name(figures, ground(20_000, 14_000))
    assert found["rom_production_t"].agreement == "contradicts"
    assert found["void_cut_m3"].agreement == "contradicts"
    assert found["void_cut_m3"].apart == pytest.approx(-5_000)
    assert found["disposed_and_backfilled_m3"].agreement == "agrees"


def test_too_wide_an_interval_confirms_nothing():
    found = by_name(HONEST, ground(20_000, 14_000, half=15_000))
    assert found["void_cut_m3"].agreement == "too wide to tell"


def test_production_without_overburden_is_only_bounded():
    figures = Figures(production_t=26_000)
    assert by_name(figures, ground(20_000, 0))["rom_production_t"].agreement == "too wide to tell"
    # 20,100 m³ at 2.7 t/m³ are 54,270 t at the very most.
    too_much = Figures(production_t=54_300)
    assert by_name(too_much, ground(20_000, 0))["rom_production_t"].agreement == "contradicts"


def test_nothing_declared_nothing_compared():
    assert balance(Figures(), ground(1, 1), DENSITY, LOOSE, 0.3) == []
    assert balance(Figures(production_t=5.0), ground(1, 1), None, LOOSE, 0.3) == []


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0, 1e6),
    st.floats(1, 1e6),
    st.floats(1.2, 3.5),
    st.floats(0, 1),
    st.floats(0, 5e4),
    st.floats(0, 5e4),
)
def test_figures_made_from_the_ground_agree_with_it(waste, ore_m3, density, swell, opening, closing):
    rho = Range(density, density, density)
    figures = Figures(waste, waste, 0.0, ore_m3 * density, opening, closing)
    cut = waste + ore_m3
    fill = waste * (1 + swell) + (closing - opening) / 1.7
    g = Ground(
        Measured(cut, cut * 0.99, cut * 1.01, "m3"),
        Measured(fill, fill - abs(fill) * 0.01 - 1e-6, fill + abs(fill) * 0.01 + 1e-6, "m3"),
    )
    for c in balance(figures, g, rho, LOOSE, swell):
        assert c.agreement in ("agrees", "too wide to tell")


@pytest.mark.parametrize(
    ("figures", "wrong"),
    [
        ((410_000, 186_000, 150_000, 36_000, 560_000), 0),  # backfill is not waste at hand
        ((410_000, 186_000, 150_000, 36_000, 596_000), 0),  # or it is
        ((410_000, 186_000, 150_000, 36_000, 500_000), 1),
        ((410_000, 186_000, 150_000, 80_000, 560_000), 1),
        ((None, 186_000, 150_000, None, None), 0),
    ],
)
def test_returns_that_do_not_add_up(figures, wrong):
    assert len(returns_that_do_not_add_up(*figures)) == wrong
