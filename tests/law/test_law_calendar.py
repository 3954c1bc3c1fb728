from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.law.calendar import (
    due_date,
    last_first_of_july,
    mining_year,
    months_before,
    state_code,
    why_closed,
)


@pytest.mark.parametrize(
    ("stated", "moved"),
    [
        (date(2025, 7, 1), date(2025, 7, 1)),  # a Tuesday
        (date(2023, 7, 1), date(2023, 7, 3)),  # Saturday: to Monday
        (date(2028, 7, 1), date(2028, 7, 3)),  # Saturday
        (date(2029, 7, 1), date(2029, 7, 2)),  # Sunday
        (date(2024, 6, 30), date(2024, 7, 1)),  # Sunday
        (date(2025, 8, 15), date(2025, 8, 18)),  # Independence Day, a Friday; then the weekend
        (date(2022, 1, 26), date(2022, 1, 27)),  # Republic Day, a Wednesday
        (date(2021, 10, 2), date(2021, 10, 4)),  # Gandhi's birthday, a Saturday
    ],
)
def test_a_due_date_on_a_closed_day_moves_to_the_next_working_day(stated, moved):
    due = due_date(stated, None)
    assert due.day == moved
    assert due.moved == (stated != moved)
    if due.moved:
        assert stated.isoformat() in str(due)


def test_a_holiday_of_one_state_moves_the_date_in_that_state_only():
    # Maharashtra Day, 1 May, was a Thursday in 2025.
    assert due_date(date(2025, 5, 1), "Maharashtra").day == date(2025, 5, 2)
    assert due_date(date(2025, 5, 1), "Rajasthan").day == date(2025, 5, 1)
    # Rath Yatra, 27 June 2025, was a Friday and a holiday in Odisha.
    assert due_date(date(2025, 6, 27), "Orissa").day == date(2025, 6, 30)
    assert due_date(date(2025, 6, 27), "MP").day == date(2025, 6, 27)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Rajasthan", "RJ"),
        ("  rajasthan ", "RJ"),
        ("RJ", "RJ"),
        ("राजस्थान", "RJ"),
        ("Orissa", "OD"),
        ("Tamil  Nadu", "TN"),
        ("Jammu & Kashmir", "JK"),
        ("Atlantis", None),
        ("", None),
        (None, None),
    ],
)
def test_states_by_the_names_people_write(name, code):
    assert state_code(name) == code


@settings(max_examples=50, deadline=None)
@given(st.dates(date(2018, 1, 1), date(2034, 12, 1)), st.sampled_from([None, "RJ", "OD", "GJ"]))
def test_the_moved_day_is_the_first_working_day_from_the_stated_one(day, state):
    due = due_date(day, state)
    assert due.day >= day
    assert why_closed(due.day, state) is None
    passed = day
    while passed < due.day:
        assert why_closed(passed, state) is not None
        passed += timedelta(days=1)


def test_months_before_by_hand():
    assert months_before(date(2025, 10, 31), 6) == date(2025, 4, 30)
    assert months_before(date(2024, 8, 31), 6) == date(2024, 2, 29)
    assert months_before(date(2025, 3, 15), 6) == date(2024, 9, 15)


def test_the_1_july_just_before():
    assert last_first_of_july(date(2025, 7, 2)) == date(2025, 7, 1)
    assert last_first_of_july(date(2025, 7, 1)) == date(2024, 7, 1)
    assert last_first_of_july(date(2025, 1, 1)) == date(2024, 7, 1)


def test_the_mining_year_runs_from_april_to_march():
    assert mining_year(date(2025, 3, 31)) == (date(2024, 4, 1), date(2025, 3, 31))
    assert mining_year(date(2025, 4, 1)) == (date(2025, 4, 1), date(2026, 3, 31))
