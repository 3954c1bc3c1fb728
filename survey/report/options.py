"""What a person may choose about how the reports look; never about what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from survey.errors import JobError
from survey.report.words import LANGUAGES, Language

if TYPE_CHECKING:
    from survey.record import Record

FORMATS = ("html", "pdf", "plans", "sheets", "dxf", "landxml", "str", "kml", "tables")
"""``report.html``; ``report.pdf``; ``plan-*.pdf``; ``sheet-*.pdf``; ``plan.dxf``; ``surface.xml``;
``surpac/*.str``; ``sites.kml`` and ``.kmz``; ``tables.xlsx`` and ``tables/*.csv``."""

SHEETS_MM = {"A3": (420, 297), "A2": (594, 420), "A1": (841, 594), "A0": (1189, 841)}
SCALES = (500, 1000, 2000, 5000)


@dataclass(frozen=True)
class ReportOptions:
    """How to draw.

    ``scale`` and ``section_scale``: 1:n of the surface plan and of the sections; chosen by rule if not given.
    ``sheet``: the largest sheet to use (A3 … A0). ``original``: what a copy of the plan refers to, as rule
    34(3) asks.
    """

    language: Language = "en"
    indian_digits: bool = False
    formats: tuple[str, ...] = FORMATS
    scale: int | None = None
    section_scale: int | None = None
    sheet: str = "A0"
    original: str | None = None

    @classmethod
    def of_record(cls, record: Record) -> ReportOptions:
        """What the job's ``[report]`` section asked for; anything unknown to this version is passed over."""
        asked = record.job.get("report")
        if not isinstance(asked, dict):
            return cls()
        language, sheet, scale = asked.get("language"), asked.get("sheet"), asked.get("scale")
        return cls(
            language=language if language in LANGUAGES else "en",
            indian_digits=bool(asked.get("indian_grouping")),
            scale=scale if isinstance(scale, int) else None,
            sheet=sheet if sheet in SHEETS_MM else "A0",
            original=asked.get("original") or None,
        )

    def __post_init__(self) -> None:
        for value in self.formats:
            if value not in FORMATS:
                raise JobError(f"there is no report format {value!r}", expected=", ".join(FORMATS))
        if self.sheet not in SHEETS_MM:
            raise JobError(f"there is no sheet {self.sheet!r}", expected=", ".join(SHEETS_MM))
        for scale in (self.scale, self.section_scale):
            if scale is not None and not 50 <= scale <= 100_000:
                raise JobError(f"a scale of 1:{scale} cannot be drawn", expected="1:50 to 1:100000")
