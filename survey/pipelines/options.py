"""What the command line settles for a run: where results go and what the machine may use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from survey.errors import SurveyError

_UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}
REPORTS = ("all", "html", "none")
_LEAST_MEMORY = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Options:
    """The common options of all commands.

    Only ``change``, ``on`` and ``reports`` can alter what a run writes; workers, memory, scheduler and tile
    never alter a figure.
    """

    out: Path = Path("runs")
    change: bool = True
    """Write change.tif."""
    workers: int | None = None
    """Threads or processes; None = as many as there are cores."""
    memory_bytes: int | None = None
    scheduler: str | None = None
    tile: int | None = None
    """Cells along the side of a piece; None = by the file's own blocks."""
    force: bool = False
    json: bool = False
    verbosity: int = 0
    """-1 silent, 0 normal, 1 with a log and tracebacks."""
    allow_outside: bool = False
    remote: bool = False
    """Rasters that the job names may lie on object storage."""
    copy_to: str | None = None
    """Where in object storage each finished run is copied to, as GDAL has it; None = nowhere."""
    on: date | None = None
    """Judge by the law in force on this day."""
    reports: str | None = None
    """all, html or none; None = all for ``run``, html for the others."""

    outcomes: tuple[str, ...] = ()
    """Field checks of triggers to enter, each ID=verdict[,YYYY-MM-DD][,note]."""

    def formats(self, command: str) -> tuple[str, ...]:
        """The formats of reports that are drawn at once; ``survey report`` draws the others later."""
        from survey.report.options import FORMATS

        wanted = self.reports or ("all" if command == "run" else "html")
        lean = ("html", "kml", "sheets") if command == "assess" else ("html", "kml")
        return {"all": FORMATS, "html": lean, "none": ()}[wanted]

    def detailed(self, command: str) -> bool:
        """Whether any format is drawn that shows more than the map does."""
        return bool({"pdf", "plans", "dxf", "landxml", "str", "tables"} & set(self.formats(command)))

    def public(self) -> dict[str, Any]:
        """The options that say what was asked for: for the record, and for its digest."""
        return {
            "change": self.change,
            "on": None if self.on is None else self.on.isoformat(),
            "reports": self.reports,
        }


def parse_memory(text: str) -> int:
    """Bytes in "2GB", "1.5 GiB", "800M" or "2000000000".

    Raises
    ------
    SurveyError
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", text, re.IGNORECASE)
    if match is None:
        raise SurveyError(f'--memory: found "{text}"', expected='a size such as "2GB" or "800MB"')
    size = int(float(match[1]) * _UNITS[(match[2] or "").lower()])
    if size < _LEAST_MEMORY:
        raise SurveyError(f'--memory: found "{text}"', expected="at least 256MiB")
    return size


def parse_day(text: str) -> date:
    """The date in "2025-07-01".

    Raises
    ------
    SurveyError
    """
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise SurveyError(f'--on: found "{text}"', expected="a date such as 2025-07-01") from None


def check_reports(word: str) -> str:
    """One of all, html and none.

    Raises
    ------
    SurveyError
    """
    if word not in REPORTS:
        raise SurveyError(f'--reports: found "{word}"', expected=", ".join(REPORTS))
    return word


def check_scheduler(address: str) -> str:
    """An address that dask.distributed understands.

    Raises
    ------
    SurveyError
    """
    if not re.fullmatch(r"(?:tcp|tls|ucx|ws|wss)://\S+", address):
        raise SurveyError(
            f'--scheduler: found "{address}"', expected='an address such as "tcp://10.0.0.5:8786"'
        )
    return address
