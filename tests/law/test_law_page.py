"""The page on the law lists the rows that are shipped, and its example of an amendment works as it says."""

from __future__ import annotations

import re
from datetime import date

from law_page import PAGE, page

from survey.law.clauses import parse_table

TABLE = """[table]
id = "t"
title = "T"
short = "T"
regime = "mcdr"
authority = "nobody"
not_before = 2017-01-01
text_of = 2025-04-16
read = 2026-11-22
grade = "A"

"""


def test_the_page_is_made_from_the_tables():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/law/law_page.py"


def test_the_example_of_an_amendment():
    example = re.search(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    old, new = parse_table("example", TABLE + example)
    assert (old.limit, new.limit) == (50, 25)
    for day, row in ((date(2027, 3, 31), old), (date(2027, 4, 1), new)):
        assert [c for c in (old, new) if c.in_force(day)] == [row]
    assert new.read == date(2027, 2, 12)
