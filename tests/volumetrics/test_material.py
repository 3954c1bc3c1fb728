"""Tonnes and rupees: bounds that hold, and no amount while anything is missing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.errors import InputRefused
from survey.quantity import Measured
from survey.volumetrics.material import (
    Bounds,
    Material,
    Royalty,
    demarcation_fee_inr,
    settle_fractions,
    worth,
)

VOID = Measured(1000.0, 950.0, 1050.0, "m³")
FULL_ROYALTY = Royalty(80.0, "2024-02-01", "Second Schedule, item 7", 10.0, "Rule 54(3)")


def stone(fraction=None, density=Bounds.exact(2.6), name="limestone", mineral=True, source="Report 311"):
    return Material(name, mineral, fraction, density, "in situ", "face log", source)


def test_one_material_with_exact_density():
    made = worth(VOID, [stone(Bounds.exact(1.0))], FULL_ROYALTY)
    assert made.mineral_t == Bounds(950 * 2.6, 2600.0, 1050 * 2.6)
    assert made.royalty_inr == Bounds(950 * 2.6 * 80, 208_000.0, 1050 * 2.6 * 80)
    assert made.amount_inr.best == pytest.approx(2_080_000)
    assert made.missing == ()


def test_the_litigated_density():
    """2.6 against 1.4 t/m³: both ends are carried, none is chosen."""
    made = worth(VOID, [stone(Bounds.exact(1.0), Bounds(1.4, 2.0, 2.6))], FULL_ROYALTY)
    assert made.mineral_t == Bounds(950 * 1.4, 2000.0, 1050 * 2.6)


def test_a_void_is_not_all_mineral():
    soil = stone(Bounds.exact(0.2), Bounds.exact(1.8), "soil", mineral=False)
    made = worth(VOID, [stone(Bounds.exact(0.8)), soil], FULL_ROYALTY)
    assert made.mineral_t.best == pytest.approx(0.8 * 1000 * 2.6)
    assert made.portions[1].tonnes.best == pytest.approx(0.2 * 1000 * 1.8)


def test_unknown_fractions_are_bounded_not_guessed():
    soil = stone(None, None, "soil", mineral=False)
    made = worth(VOID, [stone(None), soil], FULL_ROYALTY)
    assert made.mineral_t.lo == 0
    assert made.mineral_t.hi == pytest.approx(1050 * 2.6)
    assert math.isnan(made.mineral_t.best)
    assert math.isnan(made.amount_inr.best)
    assert any("was not stated" in remark for remark in made.remarks)


def test_bounds_of_one_bound_the_other():
    fractions, _ = settle_fractions(
        [stone(Bounds(0.7, math.nan, 0.9)), stone(None, name="soil", mineral=False)]
    )
    assert fractions[1].lo == pytest.approx(0.1)
    assert fractions[1].hi == pytest.approx(0.3)


def test_two_minerals_trade_against_each_other():
    """Both between 0.2 and 0.8: together they are the whole, so their highest tonnage is not twice 0.8."""
    light, heavy = Bounds(0.2, math.nan, 0.8), Bounds(0.2, math.nan, 0.8)
    made = worth(
        Measured(100.0, 100.0, 100.0, "m³"),
        [stone(light, Bounds.exact(2.0), "one"), stone(heavy, Bounds.exact(3.0), "two")],
        Royalty(),
    )
    assert made.mineral_t.lo == pytest.approx(100 * (0.8 * 2 + 0.2 * 3))
    assert made.mineral_t.hi == pytest.approx(100 * (0.2 * 2 + 0.8 * 3))


@pytest.mark.parametrize(
    "absent", ["rate_inr_t", "rate_date", "rate_source", "multiplier", "multiplier_basis"]
)
def test_no_amount_while_anything_is_missing(absent):
    entered = {
        "rate_inr_t": 80.0, "rate_date": "2024-02-01", "rate_source": "S", "multiplier": 10.0,
        "multiplier_basis": "B",
    }  # fmt: skip
    entered[absent] = None
    made = worth(VOID, [stone(Bounds.exact(1.0))], Royalty(**entered))
    assert made.amount_inr is None
    assert made.royalty_inr is None
    assert len(made.missing) == 1
    assert made.mineral_t is not None


def test_a_density_without_a_source_gives_tonnes_but_no_amount():
    made = worth(VOID, [stone(Bounds.exact(1.0), source=None)], FULL_ROYALTY)
    assert made.mineral_t is not None
    assert made.amount_inr is None
    assert made.missing == ("source of the density of limestone",)


def test_nothing_known_gives_nothing():
    made = worth(VOID, [], Royalty())
    assert made.mineral_t is None
    assert "material and its density" in made.missing
    assert worth(Measured.missing("m³"), [stone(Bounds.exact(1.0))], FULL_ROYALTY).amount_inr is None


def test_fractions_that_cannot_be_are_refused():
    with pytest.raises(InputRefused, match="sum to between"):
        settle_fractions([stone(Bounds.exact(0.8)), stone(Bounds.exact(0.4), name="x")])
    with pytest.raises(InputRefused):
        settle_fractions([stone(Bounds(0.1, 0.2, 0.3)), stone(Bounds.exact(0.4), name="x")])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0.05, 1), min_size=1, max_size=4),
    st.lists(st.floats(1, 4), min_size=4, max_size=4),
    st.floats(0, 0.2),
)
def test_the_truth_lies_between_low_and_high(parts, densities, doubt):
    true = [p / sum(parts) for p in parts]
    materials = [
        stone(
            Bounds(max(f - doubt, 0), math.nan, min(f + doubt, 1)),
            Bounds(d * 0.9, d, d * 1.1),
            f"m{i}",
            i % 2 == 0,
        )
        for i, (f, d) in enumerate(zip(true, densities, strict=False))
    ]
    made = worth(VOID, materials, Royalty())
    truth = 1000 * sum(f * d for i, (f, d) in enumerate(zip(true, densities, strict=False)) if i % 2 == 0)
    assert made.mineral_t.lo <= truth * (1 + 1e-9)
    assert made.mineral_t.hi >= truth * (1 - 1e-9)


@pytest.mark.parametrize(
    ("area", "fee"),
    [(0.01, 1500), (1.0, 1500), (1.0001, 3000), (4.2, 7500), (33.0, 49_500), (34.0, 50_000), (500.0, 50_000)],
)
def test_the_fee_counts_hectares_begun_and_is_capped(area, fee):
    """Rule 91(2): ₹1,500 per hectare or part of it, at most ₹50,000; re-verification costs twice that."""
    law = {"per_ha_inr": 1500, "at_most_inr": 50_000}
    assert demarcation_fee_inr(area, **law) == fee
    assert demarcation_fee_inr(area, **law, re_verification_factor=2) == 2 * fee


def test_a_conversion_does_not_begin_a_hectare():
    assert demarcation_fee_inr(40_000.0000001 / 10_000, per_ha_inr=1500, at_most_inr=50_000) == 6000
    with pytest.raises(InputRefused):
        demarcation_fee_inr(0.0, per_ha_inr=1500, at_most_inr=50_000)
