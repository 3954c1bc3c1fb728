"""How it was measured, and how sure it is: paragraphs in plain words, from what the record holds."""

from __future__ import annotations

import math

from survey.record import AlignmentPart, ErrorPart, Record
from survey.report.content import capital
from survey.report.folder import RunFolder
from survey.report.numbers import Numbers
from survey.report.words import Words


def methods(run: RunFolder, words: Words, numbers: Numbers) -> list[tuple[str, list[str]]]:
    """Paragraphs under their headings; a part that the record does not hold is left out."""
    record = run.record
    what = _what(record, words)
    found = [(words("method.what"), what)] if what else []
    if record.alignment is not None:
        lines = [capital(line) for line in _alignment(record.alignment, words, numbers)]
        found.append((words("method.align_head"), lines))
    if record.error is not None:
        found.append((words("method.error_head"), _error(record.error, words, numbers)))
    if drawn := _drawing(record, words, numbers):
        found.append((words("method.drawing_head"), drawn))
    # What was said of the alignment stands there already.
    told = {note.message for note in record.alignment.notes} if record.alignment is not None else set()
    notes = [capital(numbers.said(note.message)) for note in record.notes if note.message not in told]
    if notes:
        found.append((words("method.notes"), notes))
    return found


def sections_explained(record: Record, words: Words) -> str:
    """What lines and colours of a section mean; colours of change only where two surveys were compared."""
    change = [words("section.change")] if record.alignment is not None else []
    return " ".join([*change, words("section.explain")])


def _what(record: Record, words: Words) -> list[str]:
    """What was laid against what: two surveys, one survey and the ground around, an outline and its base."""
    if record.alignment is not None:
        surfaces = [words("method.bare", surface=pair.bare_ground.upper()) for pair in record.pairs[:1]]
        return [words("method.signs"), *surfaces]
    if record.sites:
        return [words("method.alone")]
    return [words("method.assessed")] if record.assessments else []


def _alignment(a: AlignmentPart, words: Words, numbers: Numbers) -> list[str]:
    lines = [
        words(
            "method.align",
            area=numbers.hectares(a.stable_area_m2),
            east=numbers.plain(a.east_m, 3, sign=True),
            north=numbers.plain(a.north_m, 3, sign=True),
            up=numbers.plain(a.up_m, 3, sign=True),
        ),
        words(
            "method.nmad",
            before=numbers.plain(a.nmad_before_m, 3),
            after=numbers.plain(a.nmad_after_m, 3),
        ),
    ]
    lines += [
        words(
            "method.term" if term.applied else "method.term_not",
            name=words.named("term", term.name),
            value=numbers.plain(term.value, _places(term.sigma), sign=True),
            sigma=numbers.plain(term.sigma, _places(term.sigma)),
            unit=words.named("unit", term.unit),
            why=numbers.said(term.why),
        )
        for term in a.terms
    ]
    if a.tied_to_checkpoints:
        lines.append(words("method.checkpoints"))
    return [*lines, *(numbers.said(note.message) for note in a.notes)]


def _error(e: ErrorPart, words: Words, numbers: Numbers) -> list[str]:
    return [
        words(
            "method.error",
            random=numbers.plain(e.random_m, 3),
            correlated=numbers.plain(e.correlated_m, 3),
            range=numbers.plain(e.range_m, 0),
            systematic=numbers.plain(e.systematic_m, 3),
            source=words.named("error_source", e.source),
        ),
        words("method.level", level=numbers.plain(e.level_m, 3)),
        words("method.interval"),
    ]


def _drawing(record: Record, words: Words, numbers: Numbers) -> list[str]:
    drawing = record.settings.get("drawing")
    if not isinstance(drawing, dict) or not drawing.get("drawing_cell_m"):
        return []
    return [
        words(
            "method.drawing",
            cell=numbers.plain(float(drawing["drawing_cell_m"]), 2),
            interval=numbers.plain(float(drawing["contour_interval_m"]), 1),
        ),
        words("method.smoothed"),
        words("method.colours"),
    ]


def _places(sigma: float) -> int:
    """Decimals that show two digits of an error: a tilt is a few millionths."""
    if not math.isfinite(sigma) or sigma <= 0:
        return 4
    return min(max(1 - math.floor(math.log10(sigma)), 2), 9)
