"""The surveys of a job as they were opened: surfaces, heights, orthomosaics, lease and registry."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from survey.errors import InputRefused
from survey.pipelines.inputs import Inputs
from survey.pipelines.job import Job
from survey.pipelines.opened import Opened
from survey.remark import Remark

if TYPE_CHECKING:
    from survey.boundary.lease import Lease
    from survey.boundary.registry import Registry


def which_surface(job: Job) -> tuple[str, tuple[Remark, ...]]:
    """The surface that is compared in all surveys: the DTM where every survey has one, else the DSM.

    Raises
    ------
    InputRefused
        The job asks for a surface that a survey lacks, or the surveys share none.
    """
    asked = job.measure.surface
    have = {
        kind: all(getattr(s, key) is not None for s in job.measured)
        for kind, key in (("dtm", "dtm"), ("dsm", "dem"))
    }
    if asked != "auto":
        if not have[asked]:
            raise InputRefused(
                f"measure.surface asks for the {asked.upper()}, and not every survey has one",
                mend=f"Add the {asked.upper()} of every survey, or choose the other surface.",
            )
        return asked, ()
    if have["dtm"]:
        return "dtm", ()
    if have["dsm"]:
        some = any(s.dtm is not None for s in job.measured)
        note = Remark(
            "dsm-measured",
            "bare ground was measured on the surface model: "
            + ("not every survey has a terrain model" if some else "no terrain model was given")
            + "; trees and sheds are part of it until they are told apart",
            "info",
        )
        return "dsm", (note,)
    raise InputRefused(
        "one survey has only a terrain model and another only a surface model",
        mend="Give the same kind of surface for all surveys: dem (DSM) or dtm.",
    )


def open_epochs(
    job: Job, inputs: Inputs, *, surface: str | None = None, unpack: bool = False, threads: int = 1
) -> tuple[list[Opened], tuple[Remark, ...]]:
    """Open every survey that has a surface.

    ``unpack``: surfaces that would be decoded again and again are decoded once, into a file of this machine.
    ``threads``: how many are opened at once.

    Raises
    ------
    InputRefused
    """
    from survey.dem.heights import settle
    from survey.dem.opening import open_surface
    from survey.imagery.ortho import open_ortho

    kind, notes = (surface, ()) if surface else which_surface(job)
    files = [(s, s.dtm if kind == "dtm" and s.dtm else s.dem or s.dtm or "") for s in job.measured]
    scratch = inputs.scratch() if unpack else None
    out = []
    # The other model of a survey is not measured; but nobody shall believe that a damaged file was in order.
    beside = [(s, name) for s, used in files for name in (s.dem, s.dtm) if name and name != used]
    # Surveys know nothing of each other, and their first blocks are decoded outside the interpreter's lock.
    with ThreadPoolExecutor(max(1, min(threads, len(files) + len(beside)))) as pool:
        opening = [
            pool.submit(
                open_surface,
                inputs.path(name),
                crs=survey.crs,
                height_unit=survey.height_unit,
                name=name,
                scratch=scratch if (survey, name) in files else None,
            )
            for survey, name in (*files, *beside)
        ]
        wait(opening)
    for other in opening[len(files) :]:
        other.result()
    for (survey, name), surface_of in zip(files, opening, strict=False):
        opened = surface_of.result()
        inputs.describe_surface(name, opened)
        reference, more = settle(survey.height, opened.heights, file=name)
        ortho = None
        if survey.ortho is not None:
            try:
                ortho = open_ortho(
                    inputs.path(survey.ortho),
                    crs=survey.crs or opened.grid.crs_wkt,
                    bands=survey.bands or None,
                    name=survey.ortho,
                )
            except InputRefused as error:
                more = (*more, Remark("ortho-unusable", f"{error} The run goes on without it.", "serious"))
        out.append(
            Opened(
                survey,
                opened,
                "dtm" if name == survey.dtm else "dsm",
                reference,
                ortho,
                (*opened.notes, *more),
            )
        )
    if job.align.convert_heights:
        from survey.pipelines.change.one_reference import to_one_reference

        out = to_one_reference(out)
    return out, notes


def agreed(before: Opened, after: Opened, job: Job) -> tuple[Remark, ...]:
    """Refuse to compare heights that mean different things.

    Raises
    ------
    InputRefused
    """
    from survey.dem.heights import agree

    if job.align.off and (before.reference is None or after.reference is None):
        # Whoever lays the surveys on each other himself need not say what both count from.
        return ()
    return agree(
        before.reference, after.reference, before_file=before.surface.name, after_file=after.surface.name
    )


def open_lease(job: Job, inputs: Inputs, crs_wkt: str) -> Lease:
    """The lease in the wanted system.

    Raises
    ------
    InputRefused
    """
    from survey.boundary.lease import read_lease

    assert job.lease is not None
    name = job.lease.boundary
    assert name is not None
    lease = read_lease(
        inputs.path(name),
        crs=job.lease.crs,
        wanted_crs=crs_wkt,
        lease_id=job.lease.id,
        sigma_m=job.lease.boundary_sigma_m,
    )
    inputs.described[name] = {"crs": lease.source_crs, "detail": {"notes": [str(n) for n in lease.notes]}}
    return lease


def open_registry(job: Job, inputs: Inputs) -> Registry | None:
    if job.lease is None or job.lease.registry is None:
        return None
    from survey.boundary.registry import read_registry

    return read_registry(inputs.path(job.lease.registry), crs=job.lease.crs)


def survey_part(o: Opened, job: Job) -> dict[str, Any]:
    """What the record says of a survey."""
    s = o.survey
    return {
        "date": o.date,
        "filed": None if s.filed is None else s.filed.isoformat(),
        "kind": s.kind,
        "surface": o.bare_ground,
        "file": o.surface.name,
        "height": None if o.reference is None else str(o.reference),
        "cell_m": o.surface.grid.cell_m,
        "instrument": s.instrument,
        "surveyed_by": s.surveyed_by,
        "notes": [{"code": n.code, "message": n.message, "severity": n.severity} for n in o.notes],
    }
