"""What a region of change is: digging or heaping, or something that only looks like it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Verdict:
    """What a region was found to be, how sure that is, and why."""

    dismissed: bool
    kind: Literal["pit", "heap", "backfill"]
    reason: str
    why: str
    confidence: float
    evidence: dict[str, Any] = field(default_factory=dict)
