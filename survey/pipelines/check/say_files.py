"""Are the files there, do they open, and are they what the procedure asks for: format, cells, reference
system.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from survey.law.judge import utm_zone
from survey.pipelines.check.context import Context
from survey.pipelines.check.filing import FileState, SurveyFiles

if TYPE_CHECKING:
    from survey.dem.surface import Surface
    from survey.imagery.ortho import Ortho

_ROUNDING_M = 1e-6

_WORDS = {
    "dem": "elevation model (DSM)",
    "dtm": "terrain model (DTM)",
    "ortho": "orthomosaic",
    "checkpoints": "table of check points",
    "boundary": "lease boundary",
    "pillars": "table of pillars",
    "registry": "registry of leases",
    "challans": "table of e-challans",
    "utilisation": "polygons of surface utilisation",
}


def say_products(c: Context) -> None:
    """The products that the duty asks for, each present and readable or not."""
    survey = c.filing.latest
    if c.satellite:
        _say_satellite(c, survey)
    else:
        _say_drone(c, survey)


def _state_of(c: Context, survey: SurveyFiles, key: str) -> FileState | None:
    return c.filing.state(getattr(survey.survey, key))


def _why(state: FileState | None) -> str:
    if state is None:
        return "none was sent"
    if state.problem is None:
        return f'"{state.name}" opens'
    return f'"{state.name}" cannot be used: {state.problem.found}'


def _mend_of(*states: FileState | None) -> str | None:
    """How the reader said a file can be mended; better advice than the row's general one."""
    return next(
        (s.problem.mend for s in states if s is not None and s.problem is not None and s.problem.mend), None
    )


def _say_drone(c: Context, survey: SurveyFiles) -> None:
    dsm, dtm, ortho = (_state_of(c, survey, key) for key in ("dem", "dtm", "ortho"))
    any_dem = survey.dsm is not None or survey.dtm is not None
    c.say(
        f"{c.rules}.dem",
        any_dem,
        f"Surface model: {_why(dsm)}; terrain model: {_why(dtm)}.",
        shown="present" if any_dem else "missing" if _absent(dsm) and _absent(dtm) else "not readable",
        mend=_mend_of(dsm, dtm),
    )
    c.say(
        f"{c.rules}.ortho",
        survey.ortho is not None,
        f"Orthomosaic: {_why(ortho)}.",
        shown="present" if survey.ortho is not None else "missing" if _absent(ortho) else "not readable",
        mend=_mend_of(ortho),
    )
    for clause_id, state, opened in (("ibm.dem.dsm", dsm, survey.dsm), ("ibm.dem.dtm", dtm, survey.dtm)):
        c.say(
            clause_id,
            opened is not None,
            (
                f"{_WORDS['dem' if opened is survey.dsm and clause_id.endswith('dsm') else 'dtm']}: "
                f"{_why(state)}."
            ),
            shown="present" if opened is not None else "missing" if _absent(state) else "not readable",
            mend=_mend_of(state),
        )
    if c.duty is not None and c.duty.id == "mcdr.34A.2" and c.duty.applies:
        c.say(
            "mcdr.34A.2.image",
            False,
            "A drone survey was sent where the rule asks for satellite images. It shows more, not less; "
            "whether it "
            "serves is for the Indian Bureau of Mines to say (rule 34A(5)).",
            verdict="exempt, for review",
            shown="drone survey",
        )
    if c.filing.job.check.drone_restricted:
        c.say(
            "mcdr.34A.5.procedure",
            True,
            (
                "The job states that drones are restricted here: an alternate mechanism applies, whose text "
                "was not found."
            ),
            verdict="exempt, for review",
            shown="drones restricted",
        )
    for surface, role in ((survey.dsm, "DSM"), (survey.dtm, "DTM")):
        if surface is not None:
            _say_surface(c, surface, role)
    if survey.ortho is not None:
        _say_ortho(c, survey.ortho)


def _absent(state: FileState | None) -> bool:
    return state is None or state.missing


def _say_satellite(c: Context, survey: SurveyFiles) -> None:
    state = _state_of(c, survey, "ortho")
    image = survey.ortho
    c.say(
        "mcdr.34A.2.image",
        image is not None,
        f"Satellite image: {_why(state)}.",
        shown="present" if image is not None else "missing" if _absent(state) else "not readable",
        mend=_mend_of(state),
    )
    if image is None:
        return
    c.say(
        "mcdr.34A.2.georeferenced",
        True,
        f"The image says where it lies ({_crs_name(image.crs_wkt)}).",
        shown=_crs_name(image.crs_wkt),
    )
    bands = len(image.colours)
    names = ", ".join(image.colours)
    if bands in (2, 3) and not image.has_nir:
        c.say(
            "mcdr.34A.2.multispectral",
            bands,
            f"The image has the bands {names}: visible light only. More than one band it is, but what is "
            f"usually "
            f"called multispectral has near infrared too, and the list of bands was not found in the rules.",
            verdict="exempt, for review",
            mend="Send the product with its near-infrared band.",
        )
    else:
        c.say("mcdr.34A.2.multispectral", bands, f"The image has the bands {names}.")
    c.say(
        "mcdr.34A.2.bands",
        bands,
        f"The image has the bands {names}; which are asked for was not found.",
        shown=names,
    )
    c.say(
        "mcdr.34A.2.resolution",
        image.cell_m,
        f"The image has cells of {image.cell_m:.3g} m; what counts as high resolution was not found.",
    )
    c.say("mcdr.34A.2.format", _format(image.path), f"The image is a {_format(image.path)}.")


def _say_surface(c: Context, surface: Surface, role: str) -> None:
    name = surface.crs_name or surface.grid.crs.name
    for clause_id in ("ibm.dem.cell", "rajasthan.91.4.dem_cell"):
        c.say(
            clause_id,
            surface.grid.cell_m,
            f"The {role} has cells of {surface.grid.cell_m:.3g} m; no rule found says how large they may be.",
            subject=role,
        )
    c.say("ibm.dem.format", _format(surface.path), f"The {role} is a {_format(surface.path)}.", subject=role)
    for clause_id in ("ibm.dem.crs", "rajasthan.91.4.crs"):
        c.say(
            clause_id,
            name,
            f"The {role} is in {name}; no rule found says in which system it must be.",
            subject=role,
            shown=name,
        )


def _say_ortho(c: Context, ortho: Ortho) -> None:
    c.say(
        "ibm.ortho.cell",
        ortho.cell_m,
        f"The orthomosaic has cells of {ortho.cell_m * 100:.3g} cm.",
        tolerance=_ROUNDING_M,
        mend=f"Send the orthomosaic at 5 cm or finer (it has {ortho.cell_m * 100:.3g} cm).",
    )
    c.say(
        "rajasthan.91.4.ortho_cell",
        ortho.cell_m,
        (
            f"The orthomosaic has cells of {ortho.cell_m * 100:.3g} cm; no rule found says how large they "
            f"may be."
        ),
    )
    files = getattr(c.filing.job, "counts", {}).get("ortho", 1)
    what = "The orthomosaic is one file." if files == 1 else f"{files} files could be the orthomosaic."
    c.say("ibm.ortho.file", files, what)
    c.say("ibm.ortho.format", _format(ortho.path), f"The orthomosaic is a {_format(ortho.path)}.")
    name = _crs_name(ortho.crs_wkt)
    zone = utm_zone(name)
    message = f"The orthomosaic is in {name}."
    lease = c.filing.lease
    if zone and lease is not None:
        there = int((lease.lon_lat[0] + 180) // 6) + 1
        if int(zone[:-1]) != there:
            message += f" The lease lies in zone {there}{zone[-1]}; a neighbouring zone is UTM too."
    c.say("ibm.ortho.crs", name, message, shown=name)


def _format(path: str) -> str:
    from survey.rasters.sniff import sniff

    try:
        kind = sniff(path)
    except OSError:
        return "unknown"
    return {"tiff": "GeoTIFF", "jp2": "JPEG 2000"}.get(kind, kind)


def _crs_name(wkt: str) -> str:
    from survey.rasters.crs import parse_crs

    crs = parse_crs(wkt)
    return str(crs.sub_crs_list[0].name if crs.is_compound else crs.name)


def say_other_files(c: Context) -> None:
    """Every other file that the filing names and that cannot be used, and the last survey's."""
    latest = c.filing.latest.survey
    judged = {latest.dem, latest.dtm} if not c.satellite else set()
    judged.add(latest.ortho)
    if (c.filing.latest.dsm or c.filing.latest.dtm) is not None and c.row("ibm.dem.dsm") is None:
        # One model that opens is a DEM, and the duty asks for no more; the other was named all the same.
        judged -= {latest.dem, latest.dtm}
    for state in c.filing.states.values():
        if state.readable or state.name in judged:
            continue
        what = _WORDS.get(state.entry.role, state.entry.role)
        when = f" of {state.entry.survey.isoformat()}" if state.entry.survey else ""
        problem = state.problem
        c.say(
            "files.readable",
            True,
            f'Flag (moderate): the {what}{when}, "{state.name}", cannot be used: '
            f"{problem.found if problem else 'unknown'}.",
            subject=state.name,
            shown="missing" if state.missing else "not readable",
            mend=problem.mend if problem else None,
            evidence={"flag": "moderate", "name": "file cannot be used", "role": state.entry.role},
        )
