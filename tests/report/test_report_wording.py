"""Flags are called flags, a sheet's name is its own, plans rest on the law of their State."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from survey.record import Finding
from survey.report import content
from survey.report.assessed import assessed, sheet_names
from survey.report.methods import methods, sections_explained
from survey.report.numbers import Numbers
from survey.report.paper.plans import rule_of
from survey.report.words import Words

EN = Words("en")


def finding(verdict: str, flag: str | None) -> Finding:
    return Finding(
        id="files.holes",
        rule="holes",
        citation="mine-survey, holes [grade P]",
        verdict=verdict,
        observed=None,
        limit=None,
        unit=None,
        message="elevation model: one hole",
        evidence={} if flag is None else {"flag": flag},
    )


@pytest.mark.parametrize(
    ("verdict", "flag", "said"),
    [
        ("exempt, for review", "weak", "flag, weak"),
        ("exempt, for review", None, "exempt, for review"),
        ("complies", "weak", "complies"),  # a test that could have raised one
    ],
)
def test_a_raised_flag_is_called_one(verdict, flag, said):
    record = SimpleNamespace(findings=[finding(verdict, flag)])
    (row,) = content.finding_table(record, EN, Numbers(EN))
    assert row["verdict_text"] == said
    assert row["message"] == "Elevation model: one hole"


def assessment(name: str, best_t: float | None) -> dict:
    worth = {"mineral_lo_t": 90.0, "mineral_t": best_t, "mineral_hi_t": 110.0}
    volume = {"volume_m3": 40.0, "volume_lo_m3": 36.0, "volume_hi_m3": 44.0}
    return {"id": name, "kind": "pit", "base": {"method": "TIN"}, "worth": worth, **volume}


def test_every_assessment_has_a_row_with_its_interval_and_a_sheet_of_its_own():
    record = SimpleNamespace(
        assessments=[assessment("गड्ढा 1", 100.0), assessment("a b", None), assessment("a-b", 1.0)]
    )
    assert sheet_names(record) == ["sheet-1.pdf", "sheet-a-b.pdf", "sheet-a-b-2.pdf"]
    told = assessed(record, EN, Numbers(EN))
    assert told is not None
    first, second, _ = told.table.rows
    assert (first[3].text, first[3].under) == ("40", "36 to 44")
    assert (first[4].text, first[4].under) == ("100", "90 to 110")
    # Where the material's part is unknown, only its bounds are; what nobody asked for is no zero.
    assert (second[4].text, second[4].under) == ("90 to 110", "")
    assert first[5].text == "–"
    assert assessed(SimpleNamespace(assessments=[]), EN, Numbers(EN)) is None


def test_a_minor_minerals_plan_names_the_states_rule():
    state = SimpleNamespace(regime="rajasthan")
    assert "29(5A)" in rule_of(state, "plan.surface_rule", EN)
    assert "MCDR 2017, rules 31" in rule_of(state, "plan.surface_rule", EN)
    union = SimpleNamespace(regime="mcdr")
    assert rule_of(union, "plan.surface_rule", EN) == EN("plan.surface_rule")


def test_only_where_two_surveys_were_compared_is_it_said_so(run):
    two = run.record
    one = two.model_copy(update={"alignment": None, "error": None, "pairs": []})
    outline = one.model_copy(update={"sites": [], "assessments": [assessment("a", 1.0)]})
    filing = one.model_copy(update={"sites": [], "assessments": []})

    def what(record):
        parts = dict(methods(SimpleNamespace(record=record), EN, Numbers(EN)))
        return parts.get(EN("method.what"), [])

    assert what(two)[0] == EN("method.signs")
    assert what(one) == [EN("method.alone")]
    assert what(outline) == [EN("method.assessed")]
    assert what(filing) == []
    # Sections of one survey hold no red and no blue.
    assert sections_explained(two, EN).startswith(EN("section.change"))
    assert sections_explained(one, EN) == EN("section.explain")
