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

_MOST_INLINE_BYTES = 4_000_000


@dataclass(frozen=True)
class Group:
    """Findings under one heading."""

    title: str
    says: str
    kind: str
    rows: list[dict[str, Any]]


_GROUPS = (
    ("breach", "Breaches", "What a rule asks and the filing does not have."),
    (
        "flag",
        "Flags, for a person to weigh",
        "Signs that a file may not be what it is said to be. A flag is evidence, not a conclusion: "
        "harmless causes "
        "are named with each.",
    ),
    ("open", "Too close to call", "The limit lies inside the 95 % interval of what was measured."),
    ("unmeasured", "Not measured", "The filing does not hold what it takes to judge these."),
    ("exempt", "Exempt, for review", "Not judged automatically; a person decides."),
    ("unspecified", "Not specified", "No rule that was found sets a limit; what was observed is stated."),
    ("complies", "Complies", "What was asked and found, and tests that saw nothing."),
)


def write_submission(run_dir: Path, record: Record, formats: tuple[str, ...] = ("html", "pdf")) -> list[str]:
    """Write ``report.html`` and ``report.pdf`` into a run folder; the names of those written.

    Raises
    ------
    OutputError
    """
    run_dir = Path(run_dir)
    written = []
    for kind in formats:
        name = f"report.{kind}"
        content = (
            render_html(run_dir, record).encode("utf-8") if kind == "html" else render_pdf(run_dir, record)
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


def _with_unit(value: str | None, unit: str | None) -> str:
    if not value:
        return "–"
    numeric = unit and any(ch.isdigit() for ch in value)
    return f"{value}\u202f{unit}" if numeric else value


def row_of(finding: Finding) -> dict[str, Any]:
    """A finding as a report shows it."""
    return {
        "id": finding.id,
        "kind": _kind(finding),
        "flag": flag_of(finding),
        "verdict": finding.verdict,
        "citation": finding.citation,
        "grade": finding.grade or "",
        "sentence": finding.sentence or "",
        "observed": _with_unit(finding.observed, finding.unit),
        "required": _with_unit(finding.limit, finding.unit),
        "message": finding.message,
        "mend": finding.mend or "",
        "causes": list(finding.evidence.get("harmless_causes") or []),
    }


def groups(record: Record) -> list[Group]:
    """Findings in the order in which they are read; empty groups are left out."""
    ordered = sorted(record.findings, key=lambda f: severity(f.verdict, flag_of(f)))
    rows = [row_of(f) for f in ordered]
    return [
        Group(title, says, kind, [r for r in rows if r["kind"] == kind])
        for kind, title, says in _GROUPS
        if any(r["kind"] == kind for r in rows)
    ]


def headline(record: Record) -> str:
    """One sentence: how many breaches, flags and open questions."""
    counts = {g.kind: len(g.rows) for g in groups(record)}
    breaches, flags = counts.get("breach", 0), counts.get("flag", 0)
    unsure = counts.get("open", 0) + counts.get("unmeasured", 0)
    first = (
        "No breach was found" if not breaches else f"{breaches} breach{'es' if breaches > 1 else ''} found"
    )
    return (
        f"{first}; {flags or 'no'} flag{'' if flags == 1 else 's'} for a person to weigh; "
        f"{unsure} {'point' if unsure == 1 else 'points'} could not be settled."
    )


def facts(record: Record) -> list[tuple[str, str]]:
    """Whose filing it is and what was judged."""
    mine, checks = record.mine, record.checks or {}
    last = record.surveys[-1] if record.surveys else {}
    head = record.job.get("job")
    delivered = head.get("delivery") if isinstance(head, dict) else None
    rows = [
        ("Filing", str(record.job.get("id", ""))),
        ("Delivered as", delivered if isinstance(delivered, str) else None),
        ("Mine", mine.get("name")),
        ("Lessee", mine.get("lessee")),
        ("Mineral", mine.get("mineral")),
        ("Lease", mine.get("lease_no")),
        (
            "IBM registration, mine code",
            ", ".join(filter(None, (mine.get("ibm_registration"), mine.get("mine_code")))),
        ),
        (
            "Village, tahsil, district, state",
            ", ".join(filter(None, (mine.get(k) for k in ("village", "tahsil", "district", "state")))),
        ),
        ("Survey", last.get("date") or "day not stated"),
        ("Filed", last.get("filed") or "not stated"),
        ("Judged as of", checks.get("judged_on")),
        (
            "Law",
            {"mcdr": "MCDR 2017", "rajasthan": "Rajasthan Minor Mineral Concession Rules 2017"}.get(
                checks.get("regime", "")
            ),
        ),
    ]
    return [(name, str(value)) for name, value in rows if value]


def duties(record: Record) -> list[str]:
    """The decision which duty applies, with its reasons."""
    said = []
    for duty in (record.checks or {}).get("duties", []):
        if duty["applies"] is None and duty["id"] not in _YEARLY:
            continue  # no plan and no letter of intent were stated
        word = {True: "applies", False: "does not apply", None: "cannot be told"}[duty["applies"]]
        if duty["waived_by"]:
            word = "is waived"
        said.append(f"{duty['name'].capitalize()} ({duty['citation']}) {word}: {'; '.join(duty['reasons'])}.")
    return said


_YEARLY = ("mcdr.34A.1", "mcdr.34A.2", "rajasthan.28.dd")

_GRADES = (
    ("A", "the text of the rules"),
    ("B", "press, judgments or a standard that no rule adopts"),
    ("C", "a secondary reproduction; the original was not seen"),
    ("P", "this program's own test; no rule asks for it, and none can be breached"),
)


def _pictures(run_dir: Path, record: Record) -> list[dict[str, str]]:
    found = []
    for picture in (record.checks or {}).get("pictures", []):
        path = run_dir / picture["file"]
        if path.is_file() and path.stat().st_size <= _MOST_INLINE_BYTES:
            found.append({**picture, "path": str(path)})
    return found


def _sources(record: Record) -> list[tuple[str, str, str, str]]:
    return [(s.role, s.survey or "", s.path, s.sha256) for s in record.sources]


# -- HTML
# ------------------------------------------------------------------------------------------------------
def render_html(run_dir: Path, record: Record) -> str:
    """The page: one file, no network, everything that came from outside escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    home = files("survey.report.submission")

    def load(name: str) -> str:
        return home.joinpath(name).read_text(encoding="utf-8")

    environment = Environment(
        loader=FunctionLoader(load),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pictures = [
        {
            "title": p["title"],
            "legend": p["legend"],
            "uri": "data:image/png;base64," + base64.b64encode(Path(p["path"]).read_bytes()).decode("ascii"),
        }
        for p in _pictures(run_dir, record)
    ]
    return environment.get_template("submission.html").render(
        title=f"Check of {record.job.get('id', 'a filing')}",
        headline=headline(record),
        facts=facts(record),
        duties=duties(record),
        groups=groups(record),
        pictures=pictures,
        notes=[n for n in record.notes if n.severity != "info"],
        sources=_sources(record),
        software=sorted(record.software.items()),
        tables=sorted((record.checks or {}).get("law_tables", {}).items()),
        grades=_GRADES,
    )


# -- PDF
# -------------------------------------------------------------------------------------------------------
def render_pdf(run_dir: Path, record: Record) -> bytes:
    """The same on A4, for the file and for signature."""
    from survey.report.paper.typeset import Drawings, typeset

    drawings = Drawings()
    pictures = [
        {
            "title": p["title"],
            "legend": p["legend"],
            "file": drawings.picture(Path(p["file"]).name, Path(p["path"]).read_bytes()),
        }
        for p in _pictures(run_dir, record)
    ]
    data = {
        "title": f"Check of {record.job.get('id', 'a filing')}",
        "author": "mine-survey",
        "language": "en",
        "headline": headline(record),
        "facts": [list(row) for row in facts(record)],
        "duties": duties(record),
        "groups": [
            {"title": g.title, "says": g.says, "kind": g.kind, "rows": g.rows} for g in groups(record)
        ],
        "pictures": pictures,
        "notes": [n.message for n in record.notes if n.severity != "info"],
        "sources": [list(row) for row in _sources(record)],
        "grades": [list(row) for row in _GRADES],
        "version": record.software.get("mine-survey", ""),
    }
    return typeset(files("survey.report.submission").joinpath("submission.typ"), data, drawings)
