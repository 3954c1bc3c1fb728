"""What a reviewer sends back to the lessee: every finding with its clause, breaches first. HTML and PDF.

Drawn from ``record.json`` and the pictures in the run folder; nothing is computed here. What the lessee wrote
(names, file names) is set as text, never as markup.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from survey.errors import OutputError
from survey.law.finding import severity
from survey.record import Finding, Record
from survey.report import content
from survey.report.content import quantity
from survey.report.numbers import Numbers
from survey.report.options import ReportOptions
from survey.report.page import template
from survey.report.words import Words

_MOST_INLINE_BYTES = 4_000_000


@dataclass(frozen=True)
class Group:
    """Findings under one heading."""

    title: str
    says: str
    kind: str
    rows: list[dict[str, Any]]


_KINDS = ("breach", "flag", "open", "unmeasured", "exempt", "unspecified", "complies")
"""The groups in the order in which they are read."""


def write_submission(
    run_dir: Path,
    record: Record,
    formats: tuple[str, ...] = ("html", "pdf"),
    options: ReportOptions | None = None,
) -> list[str]:
    """Write ``report.html`` and ``report.pdf`` into a run folder; the names of those written.

    ``options``: language and grouping; those of the record's job if not given.

    Raises
    ------
    OutputError
    """
    run_dir = Path(run_dir)
    written = []
    for kind in formats:
        name = f"report.{kind}"
        content = (
            render_html(run_dir, record, options).encode("utf-8")
            if kind == "html"
            else render_pdf(run_dir, record, options)
        )
        target = run_dir / name
        try:
            # The folder may share its files with an older run: replace, never write into.
            target.unlink(missing_ok=True)
            target.write_bytes(content)
        except OSError as error:
            raise OutputError(f"cannot be written ({error.strerror or error})", file=target) from error
        written.append(name)
    return written


def _numbers(record: Record, options: ReportOptions | None) -> Numbers:
    chosen = options or ReportOptions.of_record(record)
    return Numbers(Words(chosen.language), chosen.indian_digits)


# -- content
# ---------------------------------------------------------------------------------------------------
def flag_of(finding: Finding) -> str | None:
    """The strength of a raised flag."""
    raised = finding.evidence.get("flag")
    return str(raised) if raised is not None and finding.verdict == "exempt, for review" else None


def _kind(finding: Finding) -> str:
    if flag_of(finding):
        return "flag"
    return {
        "breaches": "breach",
        "too close to call": "open",
        "not measured": "unmeasured",
        "exempt, for review": "exempt",
        "not specified": "unspecified",
        "complies": "complies",
    }[finding.verdict]


def _shown(value: str | None, unit: str | None, numbers: Numbers) -> str:
    return quantity(value, unit, numbers) if value else "–"


def row_of(finding: Finding, numbers: Numbers) -> dict[str, Any]:
    """A finding as a report shows it."""
    flag, words = flag_of(finding), numbers.words
    return {
        "id": finding.id,
        "kind": _kind(finding),
        "flag": flag,
        "badge": words("submission.badge", strength=words.named("submission.strength", flag))
        if flag
        else words.named("verdict", finding.verdict),
        "citation": numbers.said(finding.citation),
        "sentence": numbers.said(finding.sentence),
        "observed": _shown(finding.observed, finding.unit, numbers),
        "required": _shown(finding.limit, finding.unit, numbers),
        "message": content.capital(numbers.said(finding.message)),
        "mend": numbers.said(finding.mend),
    }


def groups(record: Record, numbers: Numbers) -> list[Group]:
    """Findings in the order in which they are read; empty groups are left out."""
    ordered = sorted(record.findings, key=lambda f: severity(f.verdict, flag_of(f)))
    rows = [row_of(f, numbers) for f in ordered]
    words = numbers.words
    return [
        Group(
            words(f"submission.{kind}"),
            words(f"submission.{kind}_says"),
            kind,
            [r for r in rows if r["kind"] == kind],
        )
        for kind in _KINDS
        if any(r["kind"] == kind for r in rows)
    ]


def headline(record: Record, words: Words) -> str:
    """One sentence: how many breaches, flags and open questions."""
    counts = dict.fromkeys(_KINDS, 0)
    for finding in record.findings:
        counts[_kind(finding)] += 1

    def counted(key: str, n: int, none: bool) -> str:
        if n == 0 and none:
            return words(f"submission.{key}_none")
        return words(f"submission.{key}_one") if n == 1 else words(f"submission.{key}", n=n)

    unsure = counts["open"] + counts["unmeasured"]
    return "; ".join(
        (
            counted("breaches", counts["breach"], none=True),
            counted("flags", counts["flag"], none=True),
            counted("unsettled", unsure, none=False),
        )
    )


def facts(record: Record, words: Words) -> list[tuple[str, str]]:
    """Whose filing it is and what was judged."""
    mine, checks = record.mine, record.checks or {}
    last = record.surveys[-1] if record.surveys else {}
    head = record.job.get("job")
    delivered = head.get("delivery") if isinstance(head, dict) else None
    regime = checks.get("regime", "")
    rows = [
        ("filing", str(record.job.get("id", ""))),
        ("delivered", delivered if isinstance(delivered, str) else None),
        ("mine", mine.get("name")),
        ("lessee", mine.get("lessee")),
        ("mineral", mine.get("mineral")),
        ("lease", mine.get("lease_no")),
        ("codes", ", ".join(filter(None, (mine.get("ibm_registration"), mine.get("mine_code"))))),
        ("place", ", ".join(filter(None, (mine.get(k) for k in ("village", "tahsil", "district", "state"))))),
        ("survey", last.get("date") or words("submission.day_unknown")),
        ("filed", last.get("filed") or words("submission.not_stated")),
        ("judged", checks.get("judged_on")),
        ("law", words(f"submission.law.{regime}") if regime in ("mcdr", "rajasthan") else None),
    ]
    return [(words(f"submission.{name}"), str(value)) for name, value in rows if value]


def duties(record: Record, numbers: Numbers) -> list[str]:
    """The decision which duty applies, with its reasons."""
    told = []
    for duty in (record.checks or {}).get("duties", []):
        if duty["applies"] is None and duty["id"] not in _YEARLY:
            continue  # no plan and no letter of intent were stated
        word = {True: "applies", False: "does not apply", None: "cannot be told"}[duty["applies"]]
        if duty["waived_by"]:
            word = "is waived"
        name = duty["name"][:1].upper() + duty["name"][1:]
        told.append(numbers.said(f"{name} ({duty['citation']}) {word}: {'; '.join(duty['reasons'])}."))
    return told


_YEARLY = ("mcdr.34A.1", "mcdr.34A.2", "rajasthan.28.dd")


def _grades(words: Words) -> list[tuple[str, str]]:
    return [(words("submission.grade", letter=g), words(f"submission.grade.{g}")) for g in "ABCP"]


def _pictures(run_dir: Path, record: Record, numbers: Numbers) -> list[dict[str, str]]:
    found = []
    for picture in (record.checks or {}).get("pictures", []):
        path = run_dir / picture["file"]
        if path.is_file() and path.stat().st_size <= _MOST_INLINE_BYTES:
            told = {key: numbers.said(picture[key]) for key in ("title", "legend")}
            found.append({**picture, **told, "path": str(path)})
    return found


def _sources(record: Record, words: Words) -> list[tuple[str, str, str, str]]:
    return [(words.named("role", s.role), s.survey or "", s.path, s.sha256) for s in record.sources]


def _title(record: Record, words: Words) -> str:
    return words("submission.title", id=record.job.get("id") or words("submission.no_id"))


_LABELS = (
    "observed",
    "required",
    "mend",
    "clause",
    "finding",
    "pictures",
    "notes",
    "files",
    "role",
    "survey",
    "file",
    "grades",
    "tables",
    "software",
    "reviewed",
    "seal",
)


def _common(record: Record, numbers: Numbers) -> dict[str, Any]:
    """What page and paper share."""
    words = numbers.words
    return {
        "language": words.language,
        "title": _title(record, words),
        "headline": headline(record, words),
        "facts": [list(row) for row in facts(record, words)],
        "duties": duties(record, numbers),
        "notes": [content.capital(numbers.said(n.message)) for n in record.notes if n.severity != "info"],
        "sources": [list(row) for row in _sources(record, words)],
        "grades": [list(row) for row in _grades(words)],
        "words": {key: words(f"submission.{key}") for key in _LABELS},
    }


# -- HTML
# ------------------------------------------------------------------------------------------------------
def render_html(run_dir: Path, record: Record, options: ReportOptions | None = None) -> str:
    """The page: one file, no network, everything that came from outside escaped."""
    from markupsafe import Markup

    from survey.report.html import font_face

    numbers = _numbers(record, options)
    pictures = [
        {
            "title": p["title"],
            "legend": p["legend"],
            "uri": "data:image/png;base64," + base64.b64encode(Path(p["path"]).read_bytes()).decode("ascii"),
        }
        for p in _pictures(run_dir, record, numbers)
    ]
    return template("submission.html", "submission").render(
        **_common(record, numbers),
        t=numbers.words,
        font=Markup(font_face(numbers.words.language)),
        groups=groups(record, numbers),
        pictures=pictures,
        software=sorted(record.software.items()),
        tables=sorted((record.checks or {}).get("law_tables", {}).items()),
    )


# -- PDF
# -------------------------------------------------------------------------------------------------------
def render_pdf(run_dir: Path, record: Record, options: ReportOptions | None = None) -> bytes:
    """The same on A4, for the file and for signature."""
    from survey.report.paper.typeset import Drawings, typeset

    numbers = _numbers(record, options)
    drawings = Drawings()
    pictures = [
        {
            "title": p["title"],
            "legend": p["legend"],
            "file": drawings.picture(Path(p["file"]).name, Path(p["path"]).read_bytes()),
        }
        for p in _pictures(run_dir, record, numbers)
    ]
    data = {
        **_common(record, numbers),
        "author": "mine-survey",
        "groups": [
            {"title": g.title, "says": g.says, "kind": g.kind, "rows": g.rows}
            for g in groups(record, numbers)
        ],
        "pictures": pictures,
        "version": record.software.get("mine-survey", ""),
    }
    return typeset(files("survey.report.submission").joinpath("submission.typ"), data, drawings)
