"""docs/LAW.md, its list of rows made from the tables of law: ``python tests/law/law_page.py``."""

# ruff: noqa: E501, E402  (lines of the page; imports follow the path that the command line needs)

from __future__ import annotations

import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(HOME)]

from survey.law.clauses import GRADES, Clause, all_clauses
from survey.pipelines.law import required

PAGE = HOME / "docs" / "LAW.md"

HEAD = """# The law as dated data

What a rule asks is a row in a table, never a line of code: `survey/law/*.toml`. A row says what quantity stands in
what relation to what limit, since when, on whose word, and with which sentence. The code compares and knows no
figure. A finding always prints its row: citation, grade, what was observed, what is asked, and how to mend it.

```
survey law                  what is in force by the newest text that was read
survey law --on 2025-03-31  what was in force that day
survey check … --on DATE    judge a filing by the law of that day
```

Without `--on`, a filing is judged by the law of the day on which it was filed, else of its survey.

## How sure a row is

"""

MIDDLE = """
A row of grade C (the procedure under rule 34A(5), which was seen only as others reproduce it) says so in every
finding that rests on it. What was looked for and not found is a row too, with the relation *not specified*: its
verdict is never *complies* and never *breaches*. Rows of grade P are this program's own tests. No rule asks for them,
so they can only raise a flag, with evidence and the harmless causes it may have.

Each table names the day whose wording was read (`text_of`) and the day of reading (`read`). A filing judged as of an
earlier day is told that the wording of that day was not looked up.

## How a limit changes

Nothing is edited away. The old row gets its last day, the new one its first, under the same `id`:

```toml
[[clause]]
id = "mcdr.34A.1.area"
rule = "34A(1)"
quantity = "lease_area_ha"
relation = "at least"
limit = 50
unit = "ha"
to = 2027-03-31                     # the last day of the old wording
sentence = "A lessee with a leased area of fifty hectares or more makes a drone survey."

[[clause]]
id = "mcdr.34A.1.area"              # the same id: the same question
rule = "34A(1)"
quantity = "lease_area_ha"
relation = "at least"
limit = 25
unit = "ha"
from = 2027-04-01                   # the first day of the new one
sentence = "A lessee with a leased area of twenty-five hectares or more makes a drone survey."
grade = "A"                         # A only if the notification itself was read
read = 2027-02-12
```

1. Read the notification itself, not a report of it; otherwise the grade is B or C.
2. Close the old row with `to`, add the new one with `from`, its own `sentence`, `grade` and `read`.
3. When the whole text was read again, move `text_of` and `read` in `[table]`.
4. `python tests/law/law_page.py` makes this page anew; `pytest tests/law` holds that on every day at most one row of an
   id is in force, that every row says what it rests on, and that no row of grade C is given as law.

Last year's filings are judged as before: by the row of their day. The SHA-256 of each table stands in every record
(`checks.law_tables`), so a judgement can be traced to the wording it used; a changed table makes a kept result stale.

A new *kind* of requirement (a quantity that nobody measures yet) needs code in `survey/pipelines/check/` that
observes it. Until then its row has the relation `states` or `asks for`: shown by `survey law`, compared with nothing.

Relations: `at least`, `more than`, `at most`, `less than`, `equals`, `covers` (nothing missing), `present`, `one of`,
`none of`, `is utm`, `in months`, `on or before`, `before`, `within months before`, `agrees with` (a declared figure
against an interval), `says if fewer`, `not specified`; rows that say who owes what: `asks for`, `waives`, `exempts`,
`moves`, `defines`, `delegates`, `states`; and `flags`.

A verdict is drawn from an interval, not from a number: if the 95 % interval of what was observed holds the limit, the
verdict is *too close to call*. What the filing does not tell is *not measured*. What an authority lifted
(`[[check.waiver]]`) is *exempt, for review*, with the order.

## The rows

Made from the tables; *from* is the first day that our source gives for the row itself.
"""


def page() -> str:
    lines = [HEAD.rstrip(), ""]
    lines += [f"* **{letter}**: {says}." for letter, says in GRADES.items()]
    lines.append(MIDDLE)
    table = None
    for c in all_clauses():
        if c.table != table:
            table = c.table
            lines += [
                f"### {c.table_title}\n",
                f"Grade {c.grade}; text of {c.text_of.isoformat()}, read {c.read.isoformat()}.\n",
                "| row | rule | what it asks | from | to |",
                "|---|---|---|---|---|",
            ]
        lines.append(_row(c))
        if c is all_clauses()[-1] or all_clauses()[all_clauses().index(c) + 1].table != table:
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _row(c: Clause) -> str:
    start = "" if c.in_force_from is None or c.begins_with_table else c.in_force_from.isoformat()
    end = "" if c.in_force_to is None else c.in_force_to.isoformat()
    asks = required(c).strip().replace("|", "\\|")
    return f"| `{c.id}` | {c.rule} | {asks} | {start} | {end} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
