"""Orthomosaics of days: those in a folder of scenes, and those of the surveys of a job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from survey.errors import InputRefused
from survey.record import Note, Source

if TYPE_CHECKING:
    from survey.imagery.ortho import Ortho
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.job import Job

ORTHO_CELL_M = 2.0
"""Three colours with larger cells are no orthomosaic of a drone."""


@dataclass(frozen=True)
class Picture:
    """An orthomosaic of a day."""

    day: date
    ortho: Ortho
    name: str
    sha256: str


def are_orthos(job: Job, inputs: Inputs) -> bool:
    """Are the scenes of [watch] RGB orthomosaics? The job says so, or the first file can be nothing else."""
    watch = job.watch
    if watch is None or watch.scenes is None:
        return False
    if watch.sensor != "auto":
        return watch.sensor == "ortho"
    if any(b.casefold() in ("nir", "swir1", "swir2") for b in watch.bands):
        return False
    from survey.imagery.ortho import open_ortho
    from survey.pipelines.triggers.inputs import folder_files

    for found in folder_files(job, inputs.delivery, watch.scenes, "scenes", 1):
        try:
            one = open_ortho(found.path, crs=watch.crs, bands=watch.bands or None, name=found.name)
        except InputRefused:
            continue
        return one.has_rgb and not one.has_nir and one.cell_m < ORTHO_CELL_M
    return False


def pictures_of_watch(job: Job, inputs: Inputs) -> tuple[list[Picture], list[Note]]:
    """The orthomosaics in the folder of scenes, in order of date; what cannot be used is noted."""
    from survey.imagery.ortho import open_ortho
    from survey.pipelines.triggers.days import day_of
    from survey.pipelines.triggers.inputs import folder_files
    from survey.pipelines.triggers.scenes import left_out
    from survey.rasters.describe import open_raster
    from survey.remark import Remark

    watch = job.watch
    assert watch is not None
    assert watch.scenes is not None
    told: list[Remark] = []
    out = []
    for found in folder_files(job, inputs.delivery, watch.scenes, "scenes", 1):
        try:
            day = day_of(open_raster(found.path, name=found.name), found.name, told)
            ortho = open_ortho(found.path, crs=watch.crs, bands=watch.bands or None, name=found.name)
        except InputRefused as error:
            told.append(left_out(error))
            continue
        out.append(Picture(day, ortho, found.name, found.sha256))
    out.sort(key=lambda p: (p.day, p.name))
    until = watch.until
    out = [p for p in out if until is None or p.day <= until]
    if watch.baseline_until is not None:
        early = [p for p in out if p.day <= watch.baseline_until]
        out = early[-1:] + [p for p in out if p.day > watch.baseline_until]
    return out, [Note(code=r.code, message=r.message, severity=r.severity) for r in told]


def pictures_of_surveys(job: Job, inputs: Inputs) -> list[Picture]:
    """The orthomosaics of the job's surveys."""
    from survey.imagery.ortho import open_ortho

    out = []
    for survey in job.surveys:
        if survey.ortho is not None:
            path = inputs.path(survey.ortho)
            ortho = open_ortho(path, crs=survey.crs, bands=survey.bands or None, name=survey.ortho)
            out.append(Picture(survey.date, ortho, survey.ortho, inputs.hashes.get(survey.ortho, "")))
    return out


def colours(ortho: Ortho) -> tuple[str, ...]:
    """The bands that are compared.

    Raises
    ------
    InputRefused
        The picture has no red, green and blue.
    """
    if not ortho.has_rgb:
        raise InputRefused(
            f"has the bands {', '.join(ortho.colours)}", expected="red, green and blue", file=ortho.name
        )
    return ("red", "green", "blue")


def source_of(picture: Picture, job: Job) -> Source:
    """A picture of the folder of scenes as the record names it."""
    from survey.pipelines.triggers.inputs import below

    ortho = picture.ortho
    folder = "" if job.watch is None else job.watch.scenes or ""
    return Source(
        role="orthomosaic",
        survey=picture.day.isoformat(),
        path=below(folder, picture.name),
        sha256=picture.sha256,
        bytes=ortho.pin.bytes,
        cell_m=round(ortho.cell_m, 4),
    )
