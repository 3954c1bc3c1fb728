"""What a run prints when it is done: a few lines for the person who started it."""

from __future__ import annotations

import math
from pathlib import Path

from survey.record import Record, ZoneVolumes


def summary(record: Record, out: Path) -> str:
    """The headline figures of a record and where to look."""
    folder = out / str(_id(record))
    lines = [f"{_id(record)}: survey {record.command}"]
    if record.zones:
        lines += ["", *_zones(record.zones)]
    if record.sites:
        outside = sum(site.zone != "lease" for site in record.sites)
        lines += [
            "",
            f"{len(record.sites)} sites, {outside} of them outside the lease; "
            f"{len(record.dismissed)} changes dismissed.",
        ]
    if record.findings:
        verdicts: dict[str, int] = {}
        for finding in record.findings:
            raised = finding.verdict == "exempt, for review" and "flag" in finding.evidence
            verdict = "flag" if raised else finding.verdict
            verdicts[verdict] = verdicts.get(verdict, 0) + 1
        lines += [
            "",
            "Findings: " + ", ".join(_counted(verdict, n) for verdict, n in sorted(verdicts.items())),
        ]
        lines += [f"  {f.citation}: {f.message}" for f in record.findings if f.verdict == "breaches"]
    if record.assessments:
        lines += ["", f"{len(record.assessments)} assessed."]
    if record.triggers:
        counts = record.triggers["counts"]
        lines += [
            "",
            f"As of {record.triggers['as_of'] or 'no scene'}: "
            + ", ".join(f"{count} {state}" for state, count in counts.items())
            + f"; {len(record.triggers['dismissed']) + record.triggers.get('dismissed_more', 0):,} "
            "changes not listed.",
        ]
    serious = [note.message for note in record.notes if note.severity == "serious"]
    if serious:
        lines += ["", *(f"Note: {message}" for message in serious)]
    report = folder / "report.html"
    lines += ["", f"Results: {report if report.is_file() else folder}"]
    return "\n".join(lines)


def _counted(verdict: str, n: int) -> str:
    """Grammar for what a person counts: 1 breach, 2 flags; other verdicts are words of the record."""
    nouns = {"breaches": ("breach", "breaches"), "flag": ("flag", "flags")}
    one, many = nouns.get(verdict, (verdict, verdict))
    return f"{n} {one if n == 1 else many}"


def _id(record: Record) -> object:
    head = record.job.get("job")
    return head.get("id", "run") if isinstance(head, dict) else record.job.get("id", "run")


def _zones(zones: list[ZoneVolumes]) -> list[str]:
    rows = [("", "cut m³", "95 %", "fill m³", "95 %", "net m³", "95 %", "not measured m²")]
    for zone in zones:
        rows.append(
            (
                zone.name or zone.zone,
                _number(zone.cut_m3),
                _span(zone.cut_lo_m3, zone.cut_hi_m3),
                _number(zone.fill_m3),
                _span(zone.fill_lo_m3, zone.fill_hi_m3),
                _number(zone.net_m3),
                _span(zone.net_lo_m3, zone.net_hi_m3),
                _number(zone.missing_m2),
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _number(value: float) -> str:
    return "not measured" if math.isnan(value) else f"{value:,.0f}"


def _span(low: float, high: float) -> str:
    return "" if math.isnan(low) or math.isnan(high) else f"{low:,.0f} to {high:,.0f}"
