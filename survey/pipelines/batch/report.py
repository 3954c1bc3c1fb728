"""What became of every job of a batch, for people and for programs: ``batch.csv`` and ``batch.html``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from survey.errors import OutputError

COLUMNS = (
    "job", "file", "state", "breaches", "flags", "too_close", "not_measured", "serious_notes",
    "sites_outside", "outside_volume_m3", "cut_m3", "fill_m3", "seconds", "message", "folder",
)  # fmt: skip

_MEASURED = COLUMNS[COLUMNS.index("breaches") : COLUMNS.index("seconds")]
_ORDER = {"failed": 0, "interrupted": 1, "running": 2, "not started": 3}


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one job.

    ``state``: failed; interrupted or not started, when the batch was stopped; running, in a table that is
    written while the batch is at work; done; kept, when the very same
    run was there already.
    """

    job: str
    file: str
    state: str
    breaches: int = 0
    flags: int = 0
    """Strong and moderate signs that a file is not what it claims to be."""
    too_close: int = 0
    not_measured: int = 0
    serious_notes: int = 0
    sites_outside: int = 0
    outside_volume_m3: float = 0.0
    cut_m3: float | None = None
    fill_m3: float | None = None
    seconds: float = 0.0
    message: str = ""
    folder: str = ""

    @property
    def finished(self) -> bool:
        return self.state in ("done", "kept")

    @property
    def needs_a_person(self) -> bool:
        return self.state == "failed" or bool(
            self.breaches or self.flags or self.serious_notes or self.sites_outside
        )

    @property
    def urgency(self) -> tuple[int, int, int, float, int, int, str]:
        """What needs a person stands first."""
        return (
            _ORDER.get(self.state, 4),
            -self.breaches,
            -self.flags,
            -self.outside_volume_m3,
            -self.serious_notes,
            -self.too_close - self.not_measured,
            self.job,
        )

    def public(self) -> dict[str, Any]:
        """By column; what nobody measured is None and never zero."""
        said = {name: getattr(self, name) for name in COLUMNS}
        return said if self.finished else said | dict.fromkeys(_MEASURED)

    def words(self) -> str:
        """In one line what a person should know."""
        if self.message:
            return self.message
        said = []
        if self.breaches:
            said.append("1 breach" if self.breaches == 1 else f"{self.breaches} breaches")
        if self.flags:
            said.append("1 flag" if self.flags == 1 else f"{self.flags} flags")
        if self.sites_outside:
            sites = "1 site" if self.sites_outside == 1 else f"{self.sites_outside} sites"
            said.append(f"{sites} outside the lease")
        if self.serious_notes:
            said.append(
                "1 serious note" if self.serious_notes == 1 else f"{self.serious_notes} serious notes"
            )
        if unsettled := self.too_close + self.not_measured:
            said.append(f"{unsettled} not settled")
        return ", ".join(said) or "nothing to weigh"


def write_summary(rows: Sequence[Row], out: Path, title: str) -> Path:
    """Write both files, each whole or not at all; the table.

    Raises
    ------
    OutputError
    """
    from survey.tables import write_csv

    table = out / "batch.csv"
    cells = [["" if v is None else v for v in row.public().values()] for row in rows]
    _whole(table, lambda partial: write_csv(partial, COLUMNS, cells))
    page = render(rows, out, title)
    _whole(out / "batch.html", lambda partial: partial.write_bytes(page.encode("utf-8")))
    return table


def _whole(target: Path, write: Any) -> None:
    partial = target.with_name(f".{target.name}~partial-{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        handle = os.open(partial, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(partial, target)
    except OSError as error:
        raise OutputError(f"the summary cannot be written ({error.strerror})", file=target) from None
    finally:
        partial.unlink(missing_ok=True)


def render(rows: Sequence[Row], out: Path, title: str) -> str:
    """The page; every name in it comes from strangers and is escaped."""
    from urllib.parse import quote

    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((files(__package__) / "report.html").read_text("utf-8"))
    shown = []
    for row in rows:
        link = None
        if row.finished:
            page = next((p for p in ("report.html", "digest.html") if (out / row.folder / p).is_file()), None)
            link = quote(f"{row.folder}/{page}" if page else f"{row.folder}/")
        shown.append({"row": row, "link": link, "words": row.words()})
    return template.render(
        title=title,
        rows=shown,
        volumes=any(r.cut_m3 is not None or r.sites_outside for r in rows),
        counts={
            "jobs": len(rows),
            "done": sum(r.finished for r in rows),
            "failed": sum(r.state == "failed" for r in rows),
            "open": sum(r.state in ("interrupted", "running", "not started") for r in rows),
            "breached": sum(r.breaches > 0 for r in rows),
            "outside": sum(r.sites_outside > 0 for r in rows),
        },
    )
