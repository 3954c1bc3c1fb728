"""What every part of the check needs to say something: the filing, the law of the day, and the findings
so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from survey.forensics.flag import Flag, Outcome
from survey.law.clauses import Clause, Law
from survey.law.duties import Duty
from survey.law.finding import Finding, Verdict
from survey.law.judge import Observed, judge
from survey.pipelines.check.filing import Filing


@dataclass
class Context:
    """Collects findings. A row that is not in force on the day says nothing."""

    filing: Filing
    law: Law
    on: date
    duties: tuple[Duty, ...] = ()
    duty: Duty | None = None
    findings: list[Finding] = field(default_factory=list)
    flags: list[tuple[str, Flag]] = field(default_factory=list)  # id of its finding, flag
    tests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def rules(self) -> str:
        """Beginning of the ids of the rows that apply to a drone survey here."""
        return "rajasthan.28.dd" if self.law.regime == "rajasthan" else "mcdr.34A.1"

    @property
    def satellite(self) -> bool:
        """Whether the latest survey is judged as a satellite image."""
        return self.law.regime == "mcdr" and self.filing.latest.survey.kind == "satellite"

    def row(self, clause_id: str) -> Clause | None:
        return self.law.get(clause_id)

    def say(
        self,
        clause_id: str,
        observed: Observed,
        message: str,
        *,
        subject: str | None = None,
        mend: str | None = None,
        evidence: Mapping[str, Any] | None = None,
        verdict: Verdict | None = None,
        shown: str | None = None,
        **limits: Any,
    ) -> Finding | None:
        """Judge an observation by a row and keep the finding."""
        clause = self.law.get(clause_id)
        if clause is None:
            return None
        found = judge(
            clause,
            observed,
            on=self.on,
            message=message,
            subject=subject,
            mend=mend,
            evidence=evidence,
            verdict=verdict,
            shown=shown,
            **limits,
        )
        found = self._lifted(clause, found)
        self.findings.append(found)
        return found

    def _lifted(self, clause: Clause, found: Finding) -> Finding:
        """A requirement that an authority has lifted for this mine is not judged, but shown with the
        order.
        """
        from dataclasses import replace

        if found.verdict not in ("breaches", "not measured", "too close to call"):
            return found
        for waiver in self.filing.job.check.waiver:
            if _same_rule(waiver.rule, clause.rule):
                order = (
                    f" (order {waiver.order}{f' of {waiver.date}' if waiver.date else ''})"
                    if waiver.order
                    else ""
                )
                return replace(
                    found,
                    verdict="exempt, for review",
                    message=f"{found.message} The job states that this was lifted{order}: {waiver.reason}.",
                    mend=None,
                )
        return found

    def outcome(self, result: Outcome, subject: str, *, least: str = "weak") -> None:
        """A test of authenticity: a finding per flag, or one that nothing was seen or could be seen."""
        self.tests.append(
            {
                "test": result.test,
                "subject": subject,
                "flags": len(result.flags),
                "no_power": result.no_power,
                "evidence": plain(result.evidence),
            }
        )
        if result.no_power is not None:
            self.say(
                result.test,
                None,
                f"{_begun(subject)}: cannot be told, {result.no_power}.",
                subject=subject,
                mend="",
            )
            return
        if not result.flags:
            self.say(
                result.test, False, f"{_begun(subject)}: nothing seen.", subject=subject, shown="nothing seen"
            )
            return
        for number, flag in enumerate(result.flags, start=1):
            self.raise_flag(flag, subject if len(result.flags) == 1 else f"{subject} {number}")

    def raise_flag(self, flag: Flag, subject: str) -> None:
        """A finding "exempt, for review" that carries the flag."""
        causes = f" It would look the same if {_either(flag.explanations)}." if flag.explanations else ""
        found = self.say(
            flag.test,
            True,
            f"Flag ({flag.strength}), {subject}: {flag.message}{causes}",
            subject=subject,
            shown=flag.name,
            evidence={
                "flag": flag.strength,
                "name": flag.name,
                **plain(flag.evidence),
                "where_cells": [[b.row, b.col, b.height, b.width] for b in flag.where],
                "harmless_causes": list(flag.explanations),
            },
        )
        if found is not None:
            self.flags.append((found.id, flag))


def _same_rule(said: str, rule: str) -> bool:
    """Whether a waiver's rule ("34A(1)", "rule 34A (1)") means a row's."""

    def squeezed(text: str) -> str:
        return text.casefold().replace("rule", "").replace(" ", "").strip(",.")

    return squeezed(rule) == squeezed(said) or squeezed(rule).startswith(squeezed(said) + ",")


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]


def _either(causes: Any) -> str:
    causes = list(causes)
    return causes[0] if len(causes) == 1 else ", ".join(causes[:-1]) + " or " + causes[-1]


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Evidence as JSON values: NumPy scalars as numbers, infinities as null."""
    import math

    import numpy as np

    def one(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(k): one(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [one(v) for v in value]
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return value

    return {str(k): one(v) for k, v in values.items()}
