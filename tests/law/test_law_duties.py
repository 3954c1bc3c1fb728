from __future__ import annotations

from datetime import date

import pytest

from survey.law.clauses import Law
from survey.law.duties import Circumstances, chosen, duties
from survey.quantity import Measured

ON = date(2025, 7, 1)


def decide(regime="mcdr", **facts):
    found = duties(Circumstances(regime=regime, **facts), Law.of(ON, regime))
    return {duty.id: duty for duty in found}


@pytest.mark.parametrize(
    ("tonnes", "hectares", "applies"),
    [
        (1_000_000, 10.0, True),
        (10.0, 50.0, True),
        (999_999.0, 49.99, False),
        (None, 50.0, True),
        (1_500_000, None, True),
        (None, 49.0, None),
        (10.0, None, None),
        (None, None, None),
        (10.0, Measured(50.2, 49.8, 50.6, "ha"), None),
        (10.0, Measured(52.0, 51.0, 53.0, "ha"), True),
    ],
)
def test_one_million_tonnes_or_fifty_hectares(tonnes, hectares, applies):
    found = decide(annual_excavation_plan_t=tonnes, lease_area_ha=hectares)
    assert found["mcdr.34A.1"].applies is applies
    assert found["mcdr.34A.2"].applies is (None if applies is None else not applies)


def test_the_reasoning_names_figures_and_limits():
    text = decide(annual_excavation_plan_t=250_000, lease_area_ha=62.0)["mcdr.34A.1"].in_words
    for part in ("250,000 t", "1,000,000 t", "62 ha", "50 ha", "34A(1)", "applies"):
        assert part in text


def test_small_lessees_are_freed_of_satellite_images_in_a_year_with_a_plan_survey():
    small = {"annual_excavation_plan_t": 1.0, "lease_area_ha": 5.0, "survey_date": date(2025, 5, 1)}
    assert decide(**small)["mcdr.34A.2"].waived_by is None
    assert decide(**small, images_under_plan_rule_on=date(2025, 2, 1))["mcdr.34A.2"].waived_by
    assert decide(**small, images_under_plan_rule_on=date(2024, 12, 31))["mcdr.34A.2"].waived_by is None


@pytest.mark.parametrize(
    ("plan", "filed", "waived"),
    [
        (date(2025, 9, 1), date(2025, 6, 30), True),
        (date(2025, 9, 1), date(2025, 7, 1), True),
        (date(2025, 9, 1), date(2025, 7, 2), False),
        (date(2025, 6, 1), date(2024, 6, 20), True),
        (date(2025, 9, 1), date(2024, 6, 20), False),
        (date(2025, 9, 1), None, False),
    ],
)
def test_the_yearly_images_lift_the_survey_before_a_plan(plan, filed, waived):
    duty = decide(mining_plan_on=plan, images_under_yearly_rule_on=filed)["mcdr.34A.3"]
    assert duty.applies is True
    assert bool(duty.waived_by) is waived


def test_no_plan_stated_is_not_no_plan():
    assert decide()["mcdr.34A.3"].applies is None
    assert decide()["mcdr.34A.4"].applies is None
    assert decide(letter_of_intent=True)["mcdr.34A.4"].applies is True


@pytest.mark.parametrize(
    ("days", "notice", "applies", "waived"),
    [
        (None, None, True, False),
        (180, True, True, False),
        (181, True, True, True),
        (181, False, True, False),
        (181, None, None, False),
    ],
)
def test_star_rating_and_a_discontinued_mine(days, notice, applies, waived):
    duty = decide(discontinued_days=days, discontinuance_notice=notice)["mcdr.35.2"]
    assert duty.applies is applies
    assert bool(duty.waived_by) is waived


def test_every_lessee_in_rajasthan_flies():
    found = decide("rajasthan", lease_area_ha=1.0)
    assert found["rajasthan.28.dd"].applies is True
    assert "mcdr.34A.1" not in found


def test_common_sides_are_named_with_the_proviso():
    text = decide("rajasthan", common_sides=("P3-P4",))["rajasthan.28.dd"].in_words
    assert "P3-P4" in text
    assert "proviso" in text


def test_29A_is_not_decided_before_it_began():
    early = duties(Circumstances(regime="rajasthan"), Law.of(date(2025, 3, 31), "rajasthan"))
    assert "rajasthan.29A.1" not in {duty.id for duty in early}


def test_coal_is_outside_these_rules():
    found = decide(mineral="Coal", lease_area_ha=500.0)
    assert found["mcdr.34A.1"].applies is False
    assert "Coal" in found["mcdr.34A.1"].in_words


def test_the_duty_by_which_a_delivery_is_checked():
    def pick(regime="mcdr", **facts):
        duty = chosen(duties(Circumstances(regime=regime, **facts), Law.of(ON, regime)))
        return duty.id if duty else None

    assert pick(lease_area_ha=60.0) == "mcdr.34A.1"
    assert pick(lease_area_ha=6.0, annual_excavation_plan_t=1.0) == "mcdr.34A.2"
    assert pick() == "mcdr.34A.1"
    assert pick("rajasthan") == "rajasthan.28.dd"
