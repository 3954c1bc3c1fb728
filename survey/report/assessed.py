"""The assessed pits and stocks in one table, with the sheet of each: what an officer looks for first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from survey.report.content import Cell, Table

if TYPE_CHECKING:
    from survey.record import Record
    from survey.report.numbers import Numbers
    from survey.report.words import Words


@dataclass(frozen=True)
class Assessed:
    """Rows for a table, and the file of each row's sheet."""

    table: Table
    sheets: list[str]


def sheet_names(record: Record) -> list[str]:
    """The file of each assessment's sheet, in the record's order; no name twice."""
    names: list[str] = []
    for a in record.assessments:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", str(a["id"])).strip("-.") or "site"
        name, k = f"sheet-{stem}.pdf", 2
        while name in names:
            name, k = f"sheet-{stem}-{k}.pdf", k + 1
        names.append(name)
    return names


def assessed(record: Record, words: Words, numbers: Numbers) -> Assessed | None:
    """The table; None where nothing was assessed."""
    if not record.assessments:
        return None
    heads = [words("sites.id"), words("sites.kind"), words("assessed.base"), words("sites.volume")]
    heads += [words("assessed.weight"), words("assessed.amount")]
    rows = []
    for a in record.assessments:
        worth: dict[str, Any] = a.get("worth") or {}
        rows.append(
            [
                Cell(str(a["id"])),
                Cell(words.named("kind", str(a["kind"]))),
                Cell(words.named("base", str(a["base"]["method"]))),
                Cell(
                    numbers.volume(a["volume_m3"]),
                    numbers.interval(a["volume_lo_m3"], a["volume_hi_m3"]),
                    a["volume_m3"],
                ),
                _three(worth, "mineral_{}t", words, numbers),
                _three(worth, "amount_{}inr", words, numbers),
            ]
        )
    return Assessed(Table(heads, rows, numeric=[False] * 3 + [True] * 3), sheet_names(record))


def _three(worth: dict[str, Any], key: str, words: Words, numbers: Numbers) -> Cell:
    low, best, high = (worth.get(key.format(part)) for part in ("lo_", "", "hi_"))
    if low is None or high is None:
        return Cell("–")
    span = words("interval", low=numbers.plain(low, 0), high=numbers.plain(high, 0))
    # Where the material's part is unknown only its bounds are.
    return Cell(span, sort=low) if best is None else Cell(numbers.plain(best, 0), span, best)
