"""A filing without a job: a folder or zip as the lessee sent it.

Roles and days are guessed from the files; every guess is said. What nobody can know from the files (the
law, the deed, the day of filing, often the day of the survey) stays unknown, and its findings are *not
measured*.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr, model_validator

from survey.errors import JobError
from survey.pipelines.init import Draft, DraftSurvey, Found, draft_from
from survey.pipelines.init import _job_id as job_id_of
from survey.pipelines.job.base import PastDay, key
from survey.pipelines.job.model import Job
from survey.pipelines.job.surveys import Survey
from survey.remark import Remark

if TYPE_CHECKING:
    from survey.delivery import Guess


class BareSurvey(Survey):
    """A survey whose day may be unknown."""

    # A bare filing asks less than a job does; whatever reads it knows.
    date: PastDay | None = key(  # type: ignore[assignment]
        "Day of the flight, if a file tells it.", default=None
    )

    @model_validator(mode="after")
    def _filed_after(self) -> BareSurvey:
        return self


class BareJob(Job):
    """A job made of guesses. ``guesses`` say what was guessed; ``counts`` how many files could have a
    role.
    """

    surveys: tuple[BareSurvey, ...] = key("The surveys.", default=(), alias="survey")

    _guesses: tuple[Remark, ...] = PrivateAttr(default=())
    _counts: dict[str, int] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _in_order(self) -> BareJob:
        # Days were guessed: whether they make sense together is a finding, no reason to refuse.
        return self

    @property
    def guesses(self) -> tuple[Remark, ...]:
        return self._guesses

    @property
    def counts(self) -> dict[str, int]:
        return self._counts


def job_for_bare(path: Path) -> BareJob:
    """A job for a folder or zip.

    Raises
    ------
    InputRefused
        The delivery cannot be opened.
    """
    from survey.delivery import guess_roles, open_delivery

    path = Path(path)
    with open_delivery(path) as delivery:
        guesses = guess_roles(delivery)
        sizes = {f.display_name: f.bytes for f in delivery.files}
    name = Path(os.path.abspath(path)).name
    job_id = job_id_of(path)
    try:
        draft = draft_from([g for g in guesses if g.role != "unreadable"], job_id, name)
    except JobError:
        draft = Draft(job_id, name, (DraftSurvey(None, ""),), {}, ())
    return _job(draft, guesses, sizes, path)


def _job(draft: Draft, guesses: Sequence[Guess], sizes: dict[str, int], path: Path) -> BareJob:
    remarks: list[Remark] = []
    counts: dict[str, int] = {}
    surveys = []
    for drafted in draft.surveys:
        last = drafted is draft.surveys[-1]
        surveys.append(_survey(drafted, sizes, remarks, counts if last else {}))
    _add_unreadable(surveys, guesses, remarks)
    raw: dict[str, Any] = {
        "job": {"id": draft.job_id, "delivery": draft.delivery},
        "survey": tuple(surveys),
    }
    boundary = _only(draft.others.get(("lease", "boundary"), []), "lease boundary", remarks)
    if boundary is not None:
        raw["lease"] = {"boundary": boundary}
        for name in ("pillars", "registry"):
            other = _only(draft.others.get(("lease", name), []), name, remarks)
            if other is not None:
                raw["lease"][name] = other
    challans = _only(draft.others.get(("declared", "challans"), []), "challans", remarks)
    if challans is not None:
        raw["declared"] = {"challans": challans}
    folder = Path(os.path.abspath(path)).parent
    context = {
        "folder": folder,
        "allow_outside": True,
        "check_files": False,
        "delivery": True,
        "today": None,
    }
    job = BareJob.model_validate(raw, context=context)
    job._folder = folder
    job._allow_outside = True
    job._guesses = tuple(remarks)
    job._counts = counts
    return job


def _survey(
    drafted: DraftSurvey, sizes: dict[str, int], remarks: list[Remark], counts: dict[str, int]
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    label = drafted.day.isoformat() if drafted.day is not None else "of an unknown day"
    if drafted.day is not None:
        out["date"] = drafted.day
        source = drafted.day_source or "the files"
        remarks.append(Remark("guessed-date", f"Survey {label}: the day is taken from {source}.", "caution"))
    for role in ("dem", "dtm", "ortho", "checkpoints"):
        found = drafted.files.get(role, [])
        if not found:
            continue
        counts[role] = len(found)
        chosen = _largest(found, sizes)
        out[role] = chosen.name
        remarks.append(
            Remark(
                "guessed-role",
                f'Survey {label}: "{chosen.name}" is taken for its {role}: {chosen.why}.',
                "info",
            )
        )
        if len(found) > 1:
            others = ", ".join(f'"{f.name}"' for f in found if f is not chosen)
            remarks.append(
                Remark(
                    "several-candidates",
                    f"Survey {label}: {len(found)} files could be its {role}; the largest, "
                    f'"{chosen.name}", is checked. Not checked: {others}.',
                    "serious",
                )
            )
        for doubt in chosen.doubts:
            remarks.append(Remark("doubtful-guess", f'"{chosen.name}": {doubt}.', "caution"))
    rasters = [f for r in ("dem", "dtm", "ortho") for f in drafted.files.get(r, [])]
    if rasters and all(f.role == "multispectral" for f in rasters):
        out["kind"] = "satellite"
    return out


def _largest(found: Sequence[Found], sizes: dict[str, int]) -> Found:
    return max(found, key=lambda f: (sizes.get(f.name, 0), f.name))


def _only(found: Sequence[Found], what: str, remarks: list[Remark]) -> str | None:
    """The one file of a role; none where several could be it, since the wrong one would decide everything."""
    if len(found) == 1:
        remarks.append(
            Remark("guessed-role", f'"{found[0].name}" is taken for the {what}: {found[0].why}.', "info")
        )
        return found[0].name
    if found:
        names = ", ".join(f'"{f.name}"' for f in found)
        remarks.append(
            Remark(
                "several-candidates",
                f"{len(found)} files could be the {what}: {names}. None is used.",
                "serious",
            )
        )
    return None


# Words in a file's name that tell what it was meant to be, for files that cannot be opened.
_MEANT = (
    ("dtm", ("dtm", "terrain", "bare")),
    ("ortho", ("ortho", "mosaic", "rgb", "image")),
    ("dem", ("dsm", "dem", "surface", "elevation")),
)


def _add_unreadable(surveys: list[dict[str, Any]], guesses: Sequence[Guess], remarks: list[Remark]) -> None:
    """Give files that cannot be opened the role that their name claims, so that they are named as
    unreadable.
    """
    for guess in guesses:
        if guess.role != "unreadable":
            continue
        name = guess.file.display_name
        words = guess.file.name.casefold()
        role = next((r for r, said in _MEANT if any(w in words for w in said)), None)
        day: date | None = guess.date
        target = next((s for s in surveys if day is not None and s.get("date") == day), surveys[-1])
        if role is not None and role not in target:
            target[role] = name
        remarks.append(Remark("unreadable", f'"{name}" cannot be opened: {guess.why}.', "serious"))


# -- a folder of filings
# -----------------------------------------------------------------------------------------
_OUTLINES = (".kml", ".kmz", ".geojson", ".gpkg", ".shp", ".dxf")
_RASTERS = (".tif", ".tiff", ".jp2")
_MOST_NAMES = 20_000


def filings_in(folder: Path) -> list[Path]:
    """The filings of a folder that is no filing itself: two or more zips or folders, each with a boundary and
    a raster of its own (or not to be listed), and no loose files beside them. Empty for a folder that is one
    filing.
    """
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    whole = [p for p in entries if p.is_dir() or p.suffix.casefold() == ".zip"]
    loose = [p for p in entries if p not in whole]
    if len(whole) < 2 or any(p.suffix.casefold() in (*_OUTLINES, *_RASTERS) for p in loose):
        return []
    # An archive that cannot be listed is named as one that cannot be checked, not passed over.
    kept = [
        p for p in whole if (names := _names(p)) is None or (_has(names, _OUTLINES) and _has(names, _RASTERS))
    ]
    return kept if len(kept) >= 2 else []


def _has(names: Sequence[str], endings: tuple[str, ...]) -> bool:
    return any(name.casefold().endswith((*endings, ".zip")) for name in names)


def _names(path: Path) -> list[str] | None:
    """Names in a folder or zip; none are opened."""
    if path.is_dir():
        found: list[str] = []
        for _, _, files in os.walk(path):
            found += files
            if len(found) > _MOST_NAMES:
                break
        return found
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()[:_MOST_NAMES]
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return None
