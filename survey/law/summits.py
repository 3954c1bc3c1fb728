"""The highest ground of a State: what no survey of it lies above, if its heights are metres."""

from __future__ import annotations

from datetime import date

from survey.law.calendar import state_code
from survey.law.clauses import Clause, all_clauses

_ROWS = "summit."


def summit_of(state: str | None, on: date) -> Clause | None:
    """The row of a State (by name, code or usual spelling) in force on a day; None where there is none, or
    none with a figure.
    """
    code = state_code(state)
    if code is None:
        return None
    found = (c for c in all_clauses() if c.id == f"{_ROWS}{code}" and c.in_force(on))
    return next((c for c in found if c.limit is not None), None)


def lowest_summit_m() -> float:
    """Height of the lowest summit of the table, metres: a survey below it says nothing of any State's."""
    return min(float(c.limit) for c in all_clauses() if c.id.startswith(_ROWS) and c.limit is not None)
