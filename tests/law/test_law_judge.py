from __future__ import annotations

import math
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.law.clauses import Law
from survey.law.finding import severity
from survey.law.judge import compare, judge, number, show, utm_zone
from survey.quantity import Measured

ON = date(2026, 7, 1)
MCDR = Law.of(ON, "mcdr")


def row(clause_id):
    found = MCDR.get(clause_id)
    assert found is not None
    return found


def verdict(clause_id, observed, **context):
    return judge(row(clause_id), observed, on=ON, message="m", **context).verdict


@pytest.mark.parametrize(
    ("relation", "observed", "limit", "expected"),
    [
        ("at least", 5.0, 5.0, "complies"),
        ("at least", 4.9, 5.0, "breaches"),
        ("more than", 5.0, 5.0, "breaches"),
        ("at most", 5.0, 5.0, "complies"),
        ("at most", 5.1, 5.0, "breaches"),
        ("less than", 5.0, 5.0, "breaches"),
        ("at most", Measured(5.1, 4.9, 5.3, "m"), 5.0, "too close to call"),
        ("at most", Measured(5.1, 5.05, 5.3, "m"), 5.0, "breaches"),
        ("at least", Measured(51.0, 49.0, 53.0, "ha"), 50.0, "too close to call"),
        ("at least", Measured(51.0, 50.0, 53.0, "ha"), 50.0, "complies"),
        ("agrees with", Measured(10.0, 8.0, 12.0, "m3"), 12.0, "complies"),
        ("agrees with", Measured(10.0, 8.0, 12.0, "m3"), 12.1, "breaches"),
        ("equals", 1, 1, "complies"),
        ("equals", 2, 1, "breaches"),
        ("at least", None, 1, "not measured"),
        ("at least", math.nan, 1, "not measured"),
        ("at least", Measured.missing("m"), 1, "not measured"),
    ],
)
def test_comparisons_by_hand(relation, observed, limit, expected):
    assert compare(relation, observed, limit) == expected


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(["at least", "more than", "at most", "less than"]),
    st.floats(-1e6, 1e6),
    st.floats(0, 1e5),
    st.floats(0, 1e5),
    st.floats(-1e6, 1e6),
)
def test_a_wider_interval_never_turns_a_breach_into_compliance(relation, value, half, more, limit):
    narrow = compare(relation, Measured(value, value - half, value + half, "m"), limit)
    wide = compare(relation, Measured(value, value - half - more, value + half + more, "m"), limit)
    assert wide in (narrow, "too close to call")


@settings(max_examples=50, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(0, 1e5), st.floats(-1e6, 1e6))
def test_mirrored_relations_give_mirrored_verdicts(value, half, limit):
    seen = Measured(value, value - half, value + half, "m")
    mirror = Measured(-value, -value - half, -value + half, "m")
    assert compare("at least", seen, limit) == compare("at most", mirror, -limit)
    assert compare("more than", seen, limit) == compare("less than", mirror, -limit)


def test_a_million_tonnes_and_fifty_hectares_are_enough():
    assert verdict("mcdr.34A.1.plan", 1_000_000) == "complies"
    assert verdict("mcdr.34A.1.plan", 999_999) == "breaches"
    assert verdict("mcdr.34A.1.area", 50.0) == "complies"


@pytest.mark.parametrize(
    ("month", "expected"), [(3, "breaches"), (4, "complies"), (5, "complies"), (6, "breaches")]
)
def test_the_drone_flies_in_april_or_may(month, expected):
    assert verdict("mcdr.34A.1.month", date(2025, month, 15)) == expected


@pytest.mark.parametrize(
    ("month", "expected"), [(3, "breaches"), (4, "complies"), (6, "complies"), (7, "breaches")]
)
def test_the_satellite_looks_from_april_to_june(month, expected):
    assert verdict("mcdr.34A.2.month", date(2025, month, 15)) == expected


@pytest.mark.parametrize(
    ("filed", "expected"),
    [
        (date(2025, 7, 1), "complies"),
        (date(2025, 7, 2), "breaches"),
        (date(2023, 7, 3), "complies"),  # 1 July 2023 was a Saturday
        (date(2023, 7, 4), "breaches"),
        (date(2029, 7, 2), "complies"),  # 1 July 2029 is a Sunday
        (date(2029, 7, 3), "breaches"),
    ],
)
def test_filing_by_1_july_or_the_next_working_day(filed, expected):
    found = judge(row("mcdr.34A.1.filed"), filed, on=ON, message="m", year=filed.year, state="Rajasthan")
    assert found.verdict == expected
    assert f"{filed.year}-07-0" in (found.limit or "")


def test_before_1_july_ends_on_30_june():
    assert verdict("mcdr.35.2.star_rating", date(2025, 6, 30), year=2025) == "complies"
    assert verdict("mcdr.35.2.star_rating", date(2025, 7, 1), year=2025) == "breaches"
    # 30 June 2024 was a Sunday: the last day moves to Monday.
    assert verdict("mcdr.35.2.star_rating", date(2024, 7, 1), year=2024) == "complies"


def test_six_months_before_a_mining_plan():
    plan = date(2025, 10, 15)
    for flown, expected in (
        (date(2025, 4, 14), "breaches"),
        (date(2025, 4, 15), "complies"),
        (plan, "complies"),
        (date(2025, 10, 16), "breaches"),
    ):
        assert verdict("mcdr.34A.3.window", flown, until=plan) == expected
    assert verdict("mcdr.34A.3.window", plan) == "not measured"


def test_a_cell_written_with_the_rounding_of_a_float_complies():
    assert verdict("ibm.ortho.cell", 0.05 + 1e-9, tolerance=1e-6) == "complies"
    assert verdict("ibm.ortho.cell", 0.0501, tolerance=1e-6) == "breaches"


def test_what_is_not_specified_never_passes_or_fails():
    for observed in (None, 0.0, 1e9, "anything"):
        assert verdict("ibm.dem.cell", observed) == "not specified"


def test_one_more_standard_format_is_not_judged():
    assert verdict("mcdr.34A.2.format", "geotiff") == "complies"
    assert verdict("mcdr.34A.2.format", "JPEG 2000") == "not specified"
    assert verdict("ibm.ortho.format", "JPEG") == "breaches"


def test_a_finding_always_prints_clause_and_grade():
    found = judge(row("ibm.ortho.cell"), 0.08, on=ON, message="The cell is 8 cm")
    assert found.verdict == "breaches"
    assert "grade C" in found.citation
    assert found.sentence
    assert (found.observed, found.limit, found.unit) == ("0.08", "at most 0.05", "m")
    assert found.mend
    assert found.message == "The cell is 8 cm."


def test_nothing_to_mend_where_nothing_is_wrong():
    assert judge(row("ibm.ortho.cell"), 0.04, on=ON, message="m").mend is None


def test_a_flag_is_for_a_person_and_never_a_breach():
    clause = row("real.resent")
    raised = judge(clause, True, on=ON, message="m", evidence={"flag": "strong"})
    assert raised.verdict == "exempt, for review"
    assert raised.flag == "strong"
    assert judge(clause, False, on=ON, message="m").verdict == "complies"
    assert judge(clause, None, on=ON, message="m").verdict == "not measured"


def test_judged_on_an_earlier_day_the_message_says_so():
    found = judge(row("mcdr.34A.1.month"), date(2023, 4, 2), on=date(2023, 7, 1), message="Flown in April")
    assert "2025-04-16" in found.message


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("WGS 84 / UTM zone 43N", "43N"),
        ("Kalianpur 1975 / UTM zone 42N", "42N"),
        ("WGS 84 / Pseudo-Mercator", None),
        (None, None),
    ],
)
def test_utm_by_the_name_of_the_crs(name, zone):
    assert utm_zone(name) == zone


def test_figures_in_words():
    assert number(1234567.0, "m3") == "1,234,567 m³"
    assert number(0.05, "m") == "0.05 m"
    assert number(0.0) == "0"
    assert number(math.nan) == "not measured"
    assert show(Measured(10.0, 8.0, 12.0, "m3")) == "10 (95 %: 8 to 12)"
    assert show(True) == "yes"
    assert show(None) is None


def test_the_order_in_which_a_reviewer_reads():
    order = [
        severity("breaches", None),
        severity("exempt, for review", "strong"),
        severity("exempt, for review", "moderate"),
        severity("too close to call", None),
        severity("not measured", None),
        severity("exempt, for review", "weak"),
        severity("exempt, for review", None),
        severity("not specified", None),
        severity("complies", None),
    ]
    assert order == sorted(order)
