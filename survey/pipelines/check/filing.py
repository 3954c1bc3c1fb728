"""A filing, opened as far as it goes. What cannot be opened is kept with its reason: here that is a
finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survey.errors import InputRefused, SurveyError
from survey.law.clauses import Law
from survey.pipelines.inputs import Inputs
from survey.remark import Remark

if TYPE_CHECKING:
    from survey.boundary.common_sides import CommonSides
    from survey.boundary.lease import Lease
    from survey.boundary.registry import Registry
    from survey.dem.checkpoints import HeightCheck
    from survey.dem.heights import HeightReference
    from survey.dem.surface import Surface
    from survey.imagery.ortho import Ortho
    from survey.pipelines.checkpoints import Checkpoints
    from survey.pipelines.job import Job
    from survey.pipelines.job.model import JobFile
    from survey.pipelines.job.surveys import Survey


@dataclass
class FileState:
    """One file that the filing names: where it lies, or why it cannot be used."""

    entry: JobFile
    path: Path | None = None
    problem: SurveyError | None = None
    missing: bool = False

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def readable(self) -> bool:
        return self.path is not None and self.problem is None


@dataclass
class SurveyFiles:
    """One survey with what of it could be opened."""

    survey: Survey
    dsm: Surface | None = None
    dtm: Surface | None = None
    ortho: Ortho | None = None
    reference: HeightReference | None = None
    reference_problem: SurveyError | None = None
    remarks: list[Remark] = field(default_factory=list)

    @property
    def day(self) -> date | None:
        return self.survey.date

    @property
    def label(self) -> str:
        return self.day.isoformat() if self.day else "undated"

    @property
    def surface(self) -> Surface | None:
        """The surface that is looked at: the surface model, else the terrain model."""
        return self.dsm or self.dtm


@dataclass
class Filing:
    """Everything that is known of a filing before it is judged. The last survey is the one under check."""

    job: Job
    inputs: Inputs
    states: dict[str, FileState]
    surveys: list[SurveyFiles]
    lease: Lease | None = None
    lease_problem: SurveyError | None = None
    registry: Registry | None = None
    common: list[CommonSides] = field(default_factory=list)
    pillars: Lease | None = None
    remarks: list[Remark] = field(default_factory=list)
    latest_points: Checkpoints | None = None
    point_checks: tuple[HeightCheck | None, HeightCheck | None] = (None, None)

    @property
    def latest(self) -> SurveyFiles:
        return self.surveys[-1]

    @property
    def earlier(self) -> SurveyFiles | None:
        """The survey before the latest that has a surface, else the one before it."""
        before = self.surveys[:-1]
        with_surface = [s for s in before if s.surface is not None]
        chosen = with_surface or before
        return chosen[-1] if chosen else None

    @property
    def regime(self) -> str:
        return self.job.regime or "mcdr"

    def state(self, name: str | None) -> FileState | None:
        return None if name is None else self.states.get(name)

    def judged_on(self, asked: date | None) -> date:
        """The day whose law is used: asked for, else of the job, of filing, of the survey."""
        survey = self.latest.survey
        day = asked or self.job.check.on or survey.filed or survey.date
        # Nothing is dated: the law as it was last read.
        return day or max(c.text_of for c in _newest().clauses)


def _newest() -> Law:
    return Law.of(date(9999, 1, 1), "mcdr")


@contextmanager
def open_filing(job: Job, threads: int = 2) -> Iterator[Filing]:
    """Unpack, hash and open everything; what fails is kept in its ``FileState``.

    Raises
    ------
    InputRefused
        The delivery itself cannot be opened (a damaged or hostile archive): then nothing can be checked.
    """
    from survey.delivery import open_delivery

    delivery = inputs = None
    try:
        if job.head.delivery is not None:
            delivery = open_delivery(job.resolve(job.head.delivery))
        inputs = Inputs(job, delivery)
        states = _locate(job, inputs, threads)
        filing = Filing(job, inputs, states, [_open_survey(s, inputs, states) for s in job.surveys])
        filing.remarks += getattr(job, "guesses", ())
        if delivery is not None:
            filing.remarks += delivery.remarks
        _open_boundary(filing)
        yield filing
    finally:
        if inputs is not None:
            inputs.close()
        if delivery is not None:
            delivery.close()


def _locate(job: Job, inputs: Inputs, threads: int) -> dict[str, FileState]:
    states: dict[str, FileState] = {}
    for entry in job.files():
        if entry.name in states:
            continue
        state = states[entry.name] = FileState(entry)
        try:
            path = inputs.path(entry.name)
            if not path.exists():
                raise InputRefused("there is no such file", file=entry.name)
            state.path = path
        except SurveyError as error:
            state.problem, state.missing = error, True
    plain = [s.name for s in states.values() if s.path is not None and s.path.is_file()]
    try:
        inputs.hash_files(plain, threads)
    except SurveyError:
        # One that cannot be read must not keep the others from being hashed.
        for name in plain:
            try:
                inputs.hash_files([name], 1)
            except SurveyError as error:
                inputs.seen.pop(name, None)
                states[name].problem = error
    return states


def _open_survey(survey: Survey, inputs: Inputs, states: dict[str, FileState]) -> SurveyFiles:
    from survey.dem.heights import settle
    from survey.dem.opening import open_surface
    from survey.imagery.ortho import open_ortho

    files = SurveyFiles(survey)
    for key, attribute in (("dem", "dsm"), ("dtm", "dtm")):
        state = states.get(getattr(survey, key) or "")
        if state is None or not state.readable:
            continue
        try:
            surface = open_surface(
                str(state.path), crs=survey.crs, height_unit=survey.height_unit, name=state.name
            )
        except SurveyError as error:
            state.problem = error
            continue
        setattr(files, attribute, surface)
        inputs.describe_surface(state.name, surface)
        files.remarks += surface.notes
    state = states.get(survey.ortho or "")
    if state is not None and state.readable:
        crs = survey.crs or (files.surface.grid.crs_wkt if files.surface is not None else None)
        try:
            files.ortho = open_ortho(str(state.path), crs=crs, bands=survey.bands or None, name=state.name)
        except SurveyError as error:
            state.problem = error
        else:
            inputs.described[state.name] = _ortho_part(files.ortho)
    if files.surface is not None:
        try:
            files.reference, remarks = settle(survey.height, files.surface.heights, file=files.surface.name)
            files.remarks += remarks
        except SurveyError as error:
            files.reference_problem = error
    return files


def _ortho_part(ortho: Ortho) -> dict[str, Any]:
    from survey.rasters.crs import parse_crs

    return {
        "crs": parse_crs(ortho.crs_wkt).name,
        "cell_m": ortho.cell_m,
        "detail": {
            "bands": list(ortho.bands),
            "rows": ortho.height,
            "cols": ortho.width,
            "notes": list(ortho.notes),
        },
    }


def _open_boundary(filing: Filing) -> None:
    from survey.boundary.common_sides import is_file_of_sides, read_common_sides
    from survey.boundary.lease import read_lease
    from survey.boundary.registry import read_registry

    section = filing.job.lease
    if section is None:
        return
    state = filing.state(section.boundary)
    grid = next((s.surface.grid for s in reversed(filing.surveys) if s.surface is not None), None)
    if state is not None and state.readable:
        try:
            lease = read_lease(
                str(state.path),
                crs=section.crs,
                wanted_crs=None if grid is None else grid.crs_wkt,
                lease_id=section.id,
                sigma_m=section.boundary_sigma_m,
            )
        except SurveyError as error:
            state.problem = filing.lease_problem = error
        else:
            filing.lease = lease
            filing.inputs.described[state.name] = {
                "crs": lease.source_crs,
                "detail": {"notes": [str(n) for n in lease.notes]},
            }
            filing.remarks += [r for r in lease.notes if r.severity != "info"]
    elif state is not None:
        filing.lease_problem = state.problem
    for name in ("registry", "pillars"):
        other = filing.state(getattr(section, name))
        if other is None or not other.readable:
            continue
        try:
            if name == "registry":
                filing.registry = read_registry(str(other.path), crs=section.crs)
            else:
                filing.pillars = read_lease(
                    str(other.path),
                    crs=section.crs,
                    wanted_crs=None if filing.lease is None else filing.lease.crs_wkt,
                )
        except SurveyError as error:
            other.problem = error
    if filing.lease is None:
        return
    for text in _together(section.common_sides):
        try:
            folder = None
            if is_file_of_sides(text):
                # A file of lines is an input as any other: found where the job may look, and hashed.
                path = filing.inputs.path(text)
                filing.inputs.hash_files([text], 1)
                folder, text = path.parent, path.name
            filing.common.append(read_common_sides(text, filing.lease, folder=folder, crs=section.crs))
        except SurveyError as error:
            filing.remarks.append(Remark("common-sides", f"Common sides {text}: {error}", "serious"))


def _together(sides: Sequence[str]) -> list[str]:
    """Sides named by pillars as one text, since the corner between two common sides is exempt too; files
    apart.
    """
    from survey.boundary.common_sides import is_file_of_sides

    files = [text for text in sides if is_file_of_sides(text)]
    named = [text for text in sides if not is_file_of_sides(text)]
    return ([", ".join(named)] if named else []) + files
