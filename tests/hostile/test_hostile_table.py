"""The documented table and the cases are one."""

from __future__ import annotations

from collections import Counter

from reasons import WHY, why
from table import PAGE, SECTIONS, page

CASES = [case for _, cases in SECTIONS for case in cases]


def test_the_page_is_made_from_the_cases():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/hostile/table.py"


def test_more_than_a_hundred_and_ten_cases_each_once_and_with_a_reason():
    assert len(CASES) > 110
    assert max(Counter(case.id for case in CASES).values()) == 1
    assert all(why(case.id) for case in CASES)
    # A reason that no case uses has outlived its case.
    used = {max((b for b in WHY if c.id == b or c.id.startswith(b + "-")), key=len) for c in CASES}
    assert used == set(WHY)


def test_what_is_refused_says_something_of_its_own():
    silent = [c.id for c in CASES if c.decision == "refuse" and not c.says and c.check is None]
    assert len(silent) < 25, silent
