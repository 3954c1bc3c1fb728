from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from survey.law.clauses import GRADES, TABLES, Law, all_clauses, law_in_force, parse_table, tables_digest
from survey.law.control import control_points_asked

TODAY = date(2026, 7, 1)


def test_every_row_says_what_it_rests_on():
    for row in all_clauses():
        assert row.sentence.endswith((".", '"')), row.id
        assert row.grade in GRADES
        assert row.rule in row.citation
        assert f"grade {row.grade}" in row.citation
        assert row.read >= row.text_of or row.profile, row.id


def test_ids_are_unique_on_every_day_of_the_changes():
    days = {c.in_force_from for c in all_clauses()} | {c.in_force_to for c in all_clauses()}
    for regime in ("mcdr", "rajasthan"):
        for day in sorted(d for d in days if d is not None):
            for near in (day - timedelta(days=1), day, day + timedelta(days=1)):
                ids = [c.id for c in law_in_force(near, regime)]
                assert len(ids) == len(set(ids))


def test_the_grade_c_procedure_is_never_given_as_law():
    for row in all_clauses():
        if row.table == "ibm-procedure":
            assert row.grade == "C"
            assert row.profile == "ibm-2023"


def test_what_was_not_found_can_only_be_not_specified():
    for row in all_clauses():
        if "not found" in row.sentence:
            assert row.relation == "not specified", row.id


def test_rule_29A_begins_on_1_april_2025():
    before = {c.id for c in law_in_force(date(2025, 3, 31), "rajasthan")}
    after = {c.id for c in law_in_force(date(2025, 4, 1), "rajasthan")}
    assert "rajasthan.29A.1.window" not in before
    assert "rajasthan.29A.1.window" in after
    assert "rajasthan.28.dd.month" in before


def test_nothing_of_2017_is_in_force_before_2017():
    assert not [c for c in law_in_force(date(2016, 12, 31), "mcdr") if c.profile is None]


def test_the_procedure_begins_after_march_2023():
    assert Law.of(date(2023, 3, 30), "mcdr").get("ibm.ortho.cell") is None
    assert Law.of(date(2023, 4, 1), "mcdr").get("ibm.ortho.cell") is not None
    assert Law.of(TODAY, "rajasthan").get("ibm.ortho.cell") is None, "it is no Rajasthan procedure"


def test_an_earlier_day_is_judged_with_a_caveat():
    row = Law.of(TODAY, "mcdr").get("mcdr.34A.1.filed")
    assert row is not None
    assert row.caveat(date(2025, 4, 16)) is None
    assert "2025-04-16" in (row.caveat(date(2025, 4, 15)) or "")


@pytest.mark.parametrize(
    ("hectares", "canopy", "points"),
    [(478, 0, 24), (478, 200, 14), (50, 0, 3), (60, 0, 3), (60.1, 0, 4), (1, 0, 3), (100, 0, 5), (40, 40, 3)],
)
def test_ground_control_by_the_worked_examples(hectares, canopy, points):
    row = Law.of(TODAY, "mcdr").get("ibm.control.number")
    assert row is not None
    assert control_points_asked(row, hectares, canopy) == points


def test_more_canopy_than_lease_is_refused():
    row = Law.of(TODAY, "mcdr").get("ibm.control.number")
    with pytest.raises(ValueError, match="canopy"):
        control_points_asked(row, 10, 11)


HEAD = """
[table]
id = "x"
title = "X"
short = "X"
regime = "mcdr"
authority = "A"
text_of = 2025-01-01
read = 2025-01-01
grade = "A"
"""
ROW = """
[[clause]]
id = "x.1"
rule = "1"
quantity = "q"
relation = "at most"
limit = {limit}
{dates}
sentence = "S."
"""


def test_an_amendment_adds_a_row_and_last_year_can_be_judged_again():
    text = (
        HEAD + ROW.format(limit=5, dates="to = 2025-06-30") + ROW.format(limit=3, dates="from = 2025-07-01")
    )
    old, new = parse_table("x", text)
    for day, expected in ((date(2025, 6, 30), 5), (date(2025, 7, 1), 3)):
        assert [r.limit for r in (old, new) if r.in_force(day)] == [expected]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (ROW.format(limit=1, dates="form = 2025-01-01"), "unknown keys"),
        (ROW.format(limit=1, dates="").replace("at most", "about"), "unknown relation"),
        (ROW.format(limit=1, dates='grade = "Z"'), "unknown grade"),
        (ROW.format(limit=1, dates="from = 2025-01-02\nto = 2025-01-01"), "before it begins"),
        (ROW.format(limit=1, dates="").replace('sentence = "S."', ""), "missing"),
    ],
)
def test_a_malformed_row_names_itself(row, what):
    with pytest.raises(ValueError, match=what) as caught:
        parse_table("x", HEAD + row)
    assert "x.1" in str(caught.value)


def test_the_tables_are_identified_by_their_bytes():
    digests = tables_digest()
    assert set(digests) == {f"{name}.toml" for name in TABLES}
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in digests.values())


def test_an_unknown_regime_is_named():
    with pytest.raises(ValueError, match="kerala"):
        law_in_force(TODAY, "kerala")
