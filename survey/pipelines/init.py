"""``survey init``: look at a delivery, write a job, say what was guessed and what nobody could know.

A guess stands in the job with its reason beside it. What cannot be known from the files (the height
system, often the date) is never guessed: it stands as ``"?"``, and a job with a ``"?"`` in it is refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from survey.errors import JobError, OutputError
from survey.pipelines.job.load import UNFILLED
from survey.pipelines.job.words import plain
from survey.pipelines.template import toml

if TYPE_CHECKING:
    from survey.delivery import Guess

# Role in a delivery: key of the job file.
_SURVEY_KEYS = {
    "dem": "dem",
    "dsm": "dem",
    "dtm": "dtm",
    "ortho": "ortho",
    "multispectral": "ortho",
    "checkpoints": "checkpoints",
}
_OTHER_KEYS = {
    "lease": ("lease", "boundary"),
    "pillars": ("lease", "pillars"),
    "registry": ("lease", "registry"),
    "challans": ("declared", "challans"),
    "targets": ("assess", "targets"),
    "points": ("assess", "points"),
}
_BOUNDARY, _PILLARS = ("lease", "boundary"), ("lease", "pillars")
_ORDER = ("dem", "dtm", "ortho", "checkpoints")


@dataclass(frozen=True)
class Found:
    """A file of the delivery and what it was taken for."""

    name: str
    role: str
    key: str
    day: date | None
    day_source: str
    why: str
    doubts: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass
class DraftSurvey:
    """Files that seem to belong to one survey."""

    day: date | None
    day_source: str
    files: dict[str, list[Found]] = field(default_factory=dict)


@dataclass(frozen=True)
class Draft:
    """A job as far as the delivery tells it."""

    job_id: str
    delivery: str
    surveys: tuple[DraftSurvey, ...]
    others: dict[tuple[str, str], list[Found]]
    unused: tuple[tuple[str, str], ...]


# -- looking -------------------------------------------------------------------------------------------------
def look(path: Path) -> Draft:
    """Guess the role and date of every file of a delivery.

    Raises
    ------
    InputRefused
        The delivery cannot be opened.
    JobError
        It holds nothing that could be a survey.
    """
    from survey.delivery import guess_roles, open_delivery

    path = Path(path)
    with open_delivery(path) as delivery:
        guesses = guess_roles(delivery)
    return draft_from(guesses, _job_id(path), Path(os.path.abspath(path)).name)


def draft_from(guesses: Iterable[Guess], job_id: str, delivery: str) -> Draft:
    """The draft that ``guesses`` make.

    Raises
    ------
    JobError
        None of them is a DEM or an image.
    """
    surveyed: list[Found] = []
    others: dict[tuple[str, str], list[Found]] = {}
    unused = []
    for guess in sorted(guesses, key=lambda g: g.file.display_name):
        if guess.role in _SURVEY_KEYS:
            surveyed.append(_found(guess, _SURVEY_KEYS[guess.role]))
        elif guess.role in _OTHER_KEYS:
            home = _OTHER_KEYS[guess.role]
            others.setdefault(home, []).append(_found(guess, home[1]))
        else:
            unused.append((guess.file.display_name, guess.why))
    if not any(found.key in ("dem", "dtm", "ortho") for found in surveyed):
        raise JobError(
            "the delivery holds no file that could be a DEM or an image",
            file=delivery,
            mend="survey template prints a job file that can be filled in by hand.",
        )
    if _BOUNDARY not in others and _PILLARS in others:
        # A list of pillars is a boundary too, in the order in which they stand.
        others[_BOUNDARY] = others.pop(_PILLARS)
    return Draft(job_id, delivery, _grouped(surveyed), others, tuple(unused))


def _found(guess: Guess, key: str) -> Found:
    return Found(
        guess.file.display_name,
        guess.role,
        key,
        guess.date,
        guess.date_source,
        guess.why,
        guess.doubts,
        guess.unknown,
    )


def _grouped(surveyed: Sequence[Found]) -> tuple[DraftSurvey, ...]:
    """Files of one day are one survey; files without a day go with their folder, or stand alone."""
    groups: dict[object, DraftSurvey] = {}
    by_folder: dict[PurePosixPath, set[date]] = {}
    for found in surveyed:
        if found.day is not None:
            by_folder.setdefault(PurePosixPath(found.name).parent, set()).add(found.day)
    days = {found.day for found in surveyed if found.day is not None}
    dems_without = {
        PurePosixPath(f.name).parent for f in surveyed if f.day is None and f.key in ("dem", "dtm")
    }
    for found in surveyed:
        folder = PurePosixPath(found.name).parent
        near = by_folder.get(folder, set())
        key: object
        if found.day is not None:
            key = found.day
        elif len(near) == 1:
            key = next(iter(near))
        elif len(days) == 1 and not dems_without:
            key = next(iter(days))
        else:
            key = str(folder)
        group = groups.setdefault(key, DraftSurvey(key if isinstance(key, date) else None, ""))
        if found.day is not None and not group.day_source:
            group.day_source = found.day_source
        group.files.setdefault(found.key, []).append(found)
    for group in groups.values():
        _prefer_pictures(group)
    return tuple(sorted(groups.values(), key=lambda g: (g.day is None, g.day or date.min, _first_name(g))))


def _prefer_pictures(group: DraftSurvey) -> None:
    """A multispectral image that came beside an orthomosaic is not a second candidate for it."""
    images = group.files.get("ortho", [])
    pictures = [found for found in images if found.role == "ortho"]
    if pictures and len(pictures) < len(images):
        group.files["ortho"] = pictures


def _first_name(group: DraftSurvey) -> str:
    return min(found.name for files in group.files.values() for found in files)


def _job_id(path: Path) -> str:
    name = Path(os.path.abspath(path)).name
    stem = name[: -len(".zip")] if name.casefold().endswith(".zip") else name
    plain_name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-_")[:100]
    if re.search("[A-Za-z]", plain_name) or (plain_name and stem.isascii()):
        return plain_name
    # Of a name in another script nothing that names it is left: its digest keeps two of them apart.
    mark = hashlib.sha256(unicodedata.normalize("NFC", stem).encode("utf-8", "replace")).hexdigest()[:8]
    return f"{plain_name or 'filing'}-{mark}"


# -- writing -------------------------------------------------------------------------------------------------
def run_init(path: Path, *, force: bool = False) -> str:
    """Write ``job.toml`` beside the delivery; what is to be told about it.

    Raises
    ------
    InputRefused, JobError
        The delivery cannot be used.
    OutputError
        There is a job.toml already, or it cannot be written.
    """
    draft = look(path)
    target = Path(os.path.abspath(path)).parent / "job.toml"
    text = job_text(draft)
    try:
        with open(target, "w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise OutputError(
            "is there already", file=target, mend="Move it away, or overwrite it with --force."
        ) from None
    except OSError as error:
        raise OutputError(f"cannot be written ({error.strerror})", file=target) from None
    here = Path.cwd()
    shown = target.relative_to(here) if target.is_relative_to(here) else target
    return f"{told(draft, text)}\n\nWritten: {shown}"


def job_text(draft: Draft) -> str:
    """The job file of a draft, with the reason beside every guess and ``"?"`` where nobody can know."""
    lines = [
        "# Made by survey init from the names and contents of the delivered files. Check every line;",
        '# fill in each "?" (until then the job is refused). survey template explains all keys.',
        "",
        "[job]",
        f"id = {toml(draft.job_id)}  # after the name of the delivery",
        f"delivery = {toml(draft.delivery)}",
        '#regime = "mcdr"  # or "rajasthan": the law to check against',
        "",
        "[mine]",
        *(f'#{key} = "…"' for key in ("name", "lessee", "mineral", "lease_no", "district", "state")),
        "",
        "[lease]",
    ]
    lines += _file_lines("boundary", draft.others.get(("lease", "boundary"), []), required=True)
    for key in ("pillars", "registry"):
        lines += _file_lines(key, draft.others.get(("lease", key), []))
    for survey in draft.surveys:
        lines += ["", "[[survey]]", *_survey_lines(survey)]
    for section in ("declared", "assess"):
        files = {key: found for (home, key), found in draft.others.items() if home == section}
        if files:
            lines += ["", f"[{section}]"]
            for key, found in sorted(files.items()):
                lines += _file_lines(key, found)
    return "\n".join(lines) + "\n"


def _survey_lines(survey: DraftSurvey) -> list[str]:
    if survey.day is None:
        lines = [f'date = "{UNFILLED}"  # nothing in the files tells the day: year-month-day']
    else:
        lines = [
            f"date = {survey.day.isoformat()}  # from {_comment(survey.day_source or 'the files')}; check it"
        ]
    for key in _ORDER:
        lines += _file_lines(key, survey.files.get(key, []))
    rasters = [found for key in ("dem", "dtm", "ortho") for found in survey.files.get(key, [])]
    if any("height reference" in found.unknown for found in rasters):
        lines.append(f'height = "{UNFILLED}"  # EGM2008, EGM96, ellipsoidal, MSL or local: ask the surveyor')
    if any("coordinate reference system" in found.unknown for found in rasters):
        lines.append(f'crs = "{UNFILLED}"  # a raster carries none; as "EPSG:32643": ask the surveyor')
    if rasters and all(found.role == "multispectral" for found in rasters):
        lines.append('#kind = "satellite"  # if it is a satellite image')
    return lines


def _file_lines(key: str, candidates: Sequence[Found], *, required: bool = False) -> list[str]:
    if not candidates:
        return [f'{key} = "{UNFILLED}"  # none was found in the delivery'] if required else []
    if len(candidates) > 1:
        lines = [f'{key} = "{UNFILLED}"  # {len(candidates)} files could be it:']
        return lines + [f"#{key} = {toml(found.name)}  # {_comment(found.why)}" for found in candidates]
    found = candidates[0]
    doubts = f"; doubtful: {'; '.join(found.doubts)}" if found.doubts else ""
    return [f"{key} = {toml(found.name)}  # {_comment(found.why + doubts)}"]


def _comment(text: str) -> str:
    """On one line, harmless, whatever a file name put into it."""
    return plain(" ".join(text.split()), 200)


def told(draft: Draft, text: str) -> str:
    """What was guessed and why, and what could not be known."""
    lines = ["Guessed, please check:"]
    for survey in draft.surveys:
        day = survey.day.isoformat() if survey.day else "day unknown"
        source = f" (from {_comment(survey.day_source)})" if survey.day and survey.day_source else ""
        lines.append(f"  survey, {day}{source}")
        for files in (survey.files.get(key, []) for key in _ORDER):
            lines += [f"    {found.key}: {plain(found.name)}: {_comment(found.why)}" for found in files]
    for (section, key), files in sorted(draft.others.items()):
        lines += [f"  {section}.{key}: {plain(found.name)}: {_comment(found.why)}" for found in files]
    doubts = [
        f"  {plain(found.name)}: {_comment(doubt)}" for found in _all_found(draft) for doubt in found.doubts
    ]
    if doubts:
        lines += ["Doubtful:", *doubts]
    if draft.unused:
        lines += ["Not used:", *(f"  {plain(name)}: {_comment(why)}" for name, why in draft.unused)]
    unknown = f' = "{UNFILLED}"'
    open_lines = [line for line in text.splitlines() if unknown in line]
    if open_lines:
        lines.append('To be filled in (each "?" in the job):')
        lines += ["  " + line.replace(unknown, "").replace("  # ", ": ") for line in open_lines]
    lines.append("Not looked for: whose mine it is, which law applies, densities, declared figures.")
    return "\n".join(lines)


def _all_found(draft: Draft) -> list[Found]:
    of_surveys = [found for survey in draft.surveys for files in survey.files.values() for found in files]
    return of_surveys + [found for files in draft.others.values() for found in files]
