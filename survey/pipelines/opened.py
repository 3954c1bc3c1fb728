"""A survey of the job whose files stand open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from survey.remark import Remark

if TYPE_CHECKING:
    from survey.dem.heights import HeightReference
    from survey.dem.surface import Surface
    from survey.imagery.ortho import Ortho
    from survey.pipelines.job.surveys import Survey


@dataclass(frozen=True)
class Opened:
    """One survey: its description in the job, the surface that is measured, and what else came with it."""

    survey: Survey
    surface: Surface
    bare_ground: str  # dtm | dsm
    reference: HeightReference | None
    ortho: Ortho | None
    notes: tuple[Remark, ...]

    @property
    def date(self) -> str:
        return self.survey.date.isoformat()
