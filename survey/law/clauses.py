"""The law tables: one row per thing that a rule asks, each with its dates, its citation and its grade."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from importlib import resources
from typing import Any, Literal

Grade = Literal["A", "B", "C", "P"]

GRADES: dict[str, str] = {
    "A": "the text of the rules",
    "B": "press, judgments or a standard that no rule adopts",
    "C": "a secondary reproduction; the original was not seen",
    "P": "this program's own test; no rule asks for it",
}

TABLES = ("mcdr_2017", "rajasthan_mmcr_2017", "ibm_procedure_2023", "asprs_2", "practice", "state_summits")

REGIMES = ("mcdr", "rajasthan")

RELATIONS = (
    "at least",
    "more than",
    "at most",
    "less than",
    "equals",
    "covers",
    "present",
    "one of",
    "none of",
    "is utm",
    "in months",
    "on or before",
    "before",
    "within months before",
    "agrees with",
    "says if fewer",
    "not specified",
    # Rows that are not compared with an observation but say who owes what, and when a duty falls away.
    "asks for",
    "waives",
    "exempts",
    "moves",
    "defines",
    "delegates",
    "states",
    # This program's own tests.
    "flags",
)

_TABLE_KEYS = {
    "id",
    "title",
    "short",
    "regime",
    "profile",
    "authority",
    "not_before",
    "text_of",
    "read",
    "grade",
}
_ROW_KEYS = {"id", "rule", "quantity", "relation", "sentence"}
_MAY_KEYS = {
    "limit",
    "unit",
    "from",
    "to",
    "grade",
    "read",
    "note",
    "mend",
    "quoted",
    "moves",
    "distance_m",
    "more_than",
    "also_others",
}


@dataclass(frozen=True)
class Clause:
    """One row: what quantity stands in what relation to what limit, since when, and on whose word."""

    id: str
    table: str
    table_title: str
    table_short: str
    regime: str  # mcdr | rajasthan | any
    profile: str | None  # a set of rows that is no rule of law: ibm-2023, accuracy, practice
    authority: str
    rule: str
    quantity: str
    relation: str
    limit: Any
    unit: str | None
    in_force_from: date | None
    in_force_to: date | None
    text_of: date  # the day whose wording was read
    sentence: str
    quoted: bool
    grade: str
    read: date
    note: str | None = None
    mend: str | None = None
    begins_with_table: bool = True  # no first day of its own is known
    options: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def citation(self) -> str:
        """How a finding names the row: "MCDR 2017, rule 34A(1) [grade A]"."""
        return f"{self.cited} [grade {self.grade}]"

    @property
    def cited(self) -> str:
        """The row's table and rule: "MCDR 2017, rule 34A(1)"."""
        word = "" if self.profile is not None or self.rule.startswith("Form") else "rule "
        return f"{self.table_short}, {word}{self.rule}"

    def in_force(self, on: date) -> bool:
        """Whether the row is in force on a day; a row without a known first day counts from its table's."""
        return (self.in_force_from is None or self.in_force_from <= on) and (
            self.in_force_to is None or on <= self.in_force_to
        )

    def caveat(self, on: date) -> str | None:
        """What must be said when the row is applied to a day whose wording was not read."""
        if self.profile in ("practice", "accuracy") or on >= self.text_of:
            return None
        return (
            f"judged by the text as it stood on {self.text_of.isoformat()}; "
            f"the wording on {on.isoformat()} was not looked up"
        )


def _fail(table: str, row: str, what: str) -> ValueError:
    return ValueError(f"law table {table}, row {row}: {what}")


def parse_table(name: str, text: str) -> tuple[Clause, ...]:
    """The rows of one table. A malformed table is a fault of the program, so it raises ``ValueError``."""
    raw = tomllib.loads(text)
    head = raw["table"]
    if unknown := set(head) - _TABLE_KEYS:
        raise _fail(name, "[table]", f"unknown keys {sorted(unknown)}")
    if extra := set(raw) - {"table", "clause"}:
        raise _fail(name, "-", f"unknown sections {sorted(extra)}")
    rows: list[Clause] = []
    for row in raw["clause"]:
        label = str(row.get("id", "?"))
        if missing := _ROW_KEYS - set(row):
            raise _fail(name, label, f"missing {sorted(missing)}")
        if unknown := set(row) - _ROW_KEYS - _MAY_KEYS:
            raise _fail(name, label, f"unknown keys {sorted(unknown)}")
        if row["relation"] not in RELATIONS:
            raise _fail(name, label, f"unknown relation {row['relation']!r}")
        grade = row.get("grade", head["grade"])
        if grade not in GRADES:
            raise _fail(name, label, f"unknown grade {grade!r}")
        start, end = row.get("from", head.get("not_before")), row.get("to")
        if start is not None and end is not None and end < start:
            raise _fail(name, label, f"ends on {end} before it begins on {start}")
        rows.append(
            Clause(
                id=row["id"],
                table=head["id"],
                table_title=head["title"],
                table_short=head["short"],
                regime=head["regime"],
                profile=head.get("profile"),
                authority=head["authority"],
                rule=row["rule"],
                quantity=row["quantity"],
                relation=row["relation"],
                limit=row.get("limit"),
                unit=row.get("unit"),
                in_force_from=start,
                in_force_to=end,
                text_of=head["text_of"],
                sentence=row["sentence"],
                quoted=bool(row.get("quoted", False)),
                grade=grade,
                read=row.get("read", head["read"]),
                note=row.get("note"),
                mend=row.get("mend"),
                begins_with_table="from" not in row,
                options={k: row[k] for k in ("moves", "distance_m", "more_than", "also_others") if k in row},
            )
        )
    return tuple(rows)


@lru_cache(maxsize=1)
def all_clauses() -> tuple[Clause, ...]:
    """Every row of every table, in the order of the tables. An id may recur: amendments repeat it."""
    folder = resources.files("survey.law")
    return tuple(
        clause
        for name in TABLES
        for clause in parse_table(name, folder.joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    )


def law_in_force(on: date, regime: str) -> tuple[Clause, ...]:
    """The rows that apply on a day: those of the regime and those of no regime, one row per id.

    Parameters
    ----------
    on:
        The day as of which is judged.
    regime:
        ``"mcdr"`` (major minerals) or ``"rajasthan"`` (minor minerals of Rajasthan).

    Raises
    ------
    ValueError
        For an unknown regime, or if two rows of one id are in force on the same day.
    """
    if regime not in REGIMES:
        raise ValueError(f"unknown regime {regime!r}: one of {', '.join(REGIMES)}")
    rows = tuple(c for c in all_clauses() if c.regime in (regime, "any") and c.in_force(on))
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise ValueError(f"two rows {row.id} are in force on {on.isoformat()}")
        seen.add(row.id)
    return rows


@dataclass(frozen=True)
class Law:
    """The rows in force on a day under a regime, found by id."""

    on: date
    regime: str
    clauses: tuple[Clause, ...]

    @classmethod
    def of(cls, on: date, regime: str) -> Law:
        return cls(on, regime, law_in_force(on, regime))

    def get(self, clause_id: str) -> Clause | None:
        """The row of that id, or None if it is not in force."""
        return next((c for c in self.clauses if c.id == clause_id), None)

    def under(self, prefix: str) -> tuple[Clause, ...]:
        """The rows whose id begins with ``prefix`` and a dot, in table order."""
        return tuple(c for c in self.clauses if c.id.startswith(prefix + "."))


def tables_digest() -> dict[str, str]:
    """SHA-256 of each table as shipped, so that a record says which law it was judged by."""
    from hashlib import sha256

    folder = resources.files("survey.law")
    return {f"{n}.toml": sha256(folder.joinpath(f"{n}.toml").read_bytes()).hexdigest() for n in TABLES}
