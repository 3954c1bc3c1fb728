"""A finding: what a row asks, what was observed, the verdict, and how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal[
    "complies", "breaches", "too close to call", "not measured", "not specified", "exempt, for review"
]

Strength = Literal["weak", "moderate", "strong"]


@dataclass(frozen=True)
class Finding:
    """The fields of a finding in ``record.json``, before it gets there.

    A raised *flag* (a test of this program's own, without a rule behind it) carries ``evidence["flag"]``, its
    strength, and the verdict "exempt, for review": nothing is breached, a person weighs the evidence.
    """

    id: str
    rule: str
    citation: str
    verdict: Verdict
    observed: str | None
    limit: str | None
    unit: str | None
    message: str
    mend: str | None = None
    grade: str | None = None
    sentence: str | None = None
    subject: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def flag(self) -> str | None:
        """weak, moderate or strong for a raised flag; None for every other finding."""
        raised = self.evidence.get("flag")
        return str(raised) if raised is not None and self.verdict == "exempt, for review" else None


def severity(verdict: str, flag: str | None) -> int:
    """The order in which a reviewer reads: 0 first. Breaches, strong flags, open questions, the rest."""
    if verdict == "breaches":
        return 0
    if flag is not None:
        return {"strong": 1, "moderate": 2}.get(flag, 5)
    return {
        "too close to call": 3,
        "not measured": 4,
        "exempt, for review": 6,
        "not specified": 7,
        "complies": 8,
    }[verdict]
