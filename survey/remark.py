"""What a reader of a file must tell whoever uses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "caution", "serious"]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that was decided or doubted while reading. The fields are those of ``record.Note``."""

    code: str
    message: str
    severity: Severity = "caution"

    def __str__(self) -> str:
        return self.message
