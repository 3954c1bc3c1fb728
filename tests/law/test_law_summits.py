"""Summits of the States: found by any spelling, dated, and none where no figure was found."""

from __future__ import annotations

from datetime import date

import pytest

from survey.law.clauses import all_clauses
from survey.law.summits import lowest_summit_m, summit_of

DAY = date(2026, 7, 1)


@pytest.mark.parametrize(
    ("state", "published_m"),
    [
        ("Rajasthan", 1722),
        ("gujarat", 1145),
        ("MP", 1352),
        ("Kerala", 2695),
        ("orissa", 1672),
        ("राजस्थान", 1722),
    ],
)
def test_a_summit_is_found_by_any_spelling(state, published_m):
    row = summit_of(state, DAY)
    assert row is not None
    assert row.limit == published_m
    assert row.grade == "C"
    assert row.unit == "m"


@pytest.mark.parametrize("state", [None, "", "Uttarakhand", "Punjab", "Ruritania"])
def test_nothing_is_said_where_no_figure_is_known(state):
    assert summit_of(state, DAY) is None


def test_a_figure_names_its_summit_and_where_it_was_found():
    rows = [c for c in all_clauses() if c.table == "state-summits"]
    assert len(rows) == len({c.rule for c in rows})
    for row in rows:
        if row.relation == "not specified":
            assert row.limit is None
            continue
        assert row.sentence.endswith(f", {row.limit} m."), row.id
        assert row.note, row.id
        # The country's highest ground outside the Himalaya is Anamudi, 2,695 m; Sandakphu stands in them.
        assert 900 < row.limit <= (3636 if row.rule == "West Bengal" else 2695)
    assert lowest_summit_m() == min(c.limit for c in rows if c.limit is not None)
