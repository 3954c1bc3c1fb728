"""The sections that say which mine this is, whose ground it stands on, and what the run is called."""

from __future__ import annotations

import re
from datetime import date as Date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from survey.pipelines.job.base import (
    Crs,
    Day,
    FileOrFolder,
    FilePath,
    OptionalText,
    Section,
    Texts,
    choice,
    key,
    refuse,
)
from survey.pipelines.job.words import shown

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TAKEN = {"batch.csv", "batch.html", "batch.json", "batch.log"}


def _job_id(value: Any) -> Any:
    """The id names a folder: what could leave it, hide it or clash with the batch's own files is refused."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise refuse(f'found {shown(value)}; put it in quotes: id = "{shown(value)}"')
    if not isinstance(value, str):
        return value
    if not _ID.fullmatch(value):
        better = re.sub(r"[^A-Za-z0-9._-]+", "-", value).lstrip(".-_")[:100]
        hint = f'; "{better}" would do' if better and _ID.fullmatch(better) else ""
        raise refuse(
            f"found {shown(value)}; the id names the folder of the results: 1 to 100 letters (a to z), "
            f'digits, ".", "_" or "-", beginning with a letter or digit{hint}'
        )
    if value.casefold() in _TAKEN:
        raise refuse(f"found {shown(value)}, which is the name of a file that a batch writes; choose another")
    return value


Tasks = Annotated[
    tuple[Literal["check", "excavation", "outside", "assess", "triggers"], ...],
    BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else (v,) if isinstance(v, str) else v),
]


class Head(Section):
    """What this job is called and which law it is held against."""

    id: Annotated[str, BeforeValidator(_job_id)] = key(
        "Name of this job and of the folder of its results: letters, digits, '.', '_', '-'.",
        example="RJ-0417-2025",
        stands=True,
    )
    regime: choice("mcdr", "rajasthan") | None = key(  # type: ignore[valid-type]
        'Law that the filing is checked against: "mcdr" (major minerals) or "rajasthan" (minor ones there).',
        default=None,
        example="mcdr",
        stands=True,
    )
    delivery: FileOrFolder = key(
        "Zip file or folder as it was received. When given, all paths below are paths inside it.",
        default=None,
        example="delivery.zip",
    )
    tasks: Tasks = key(
        'What "survey run" does: any of check, excavation, outside, assess, triggers. '
        "Left out: everything that this job describes.",
        default=(),
        example=("check", "excavation", "outside"),
    )


class Mine(Section):
    """The mine and its holder, as the annual return names them."""

    name: OptionalText = key("Name of the mine.", default=None, example="Khera Limestone Mine", stands=True)
    lessee: OptionalText = key(
        "Holder of the lease or licence.", default=None, example="Messrs Example Minerals", stands=True
    )
    mineral: OptionalText = key("Mineral.", default=None, example="Limestone", stands=True)
    lease_no: OptionalText = key("Number of the lease.", default=None, example="ML 0417/2009", stands=True)
    lease_area_ha: float | None = key(
        "Area of the lease by its deed.", default=None, example=62.5, stands=True, unit="ha", gt=0, lt=1e6
    )
    ibm_registration: OptionalText = key(
        "Registration number with the IBM.", default=None, example="IBM/0000/2009"
    )
    mine_code: OptionalText = key("Mine code of the IBM.", default=None, example="38RAJ00000")
    village: OptionalText = key("Village.", default=None, example="Khera")
    post_office: OptionalText = key("Post office.", default=None, example="Khera")
    tahsil: OptionalText = key("Tahsil (tehsil, taluk).", default=None, example="Nimbahera")
    district: OptionalText = key("District.", default=None, example="Chittorgarh", stands=True)
    state: OptionalText = key(
        "State or union territory: its public holidays move due dates.",
        default=None,
        example="Rajasthan",
        stands=True,
    )
    annual_excavation_plan_t: float | None = key(
        "Excavation planned for the year, ore and waste: decides which survey is due.",
        default=None,
        example=1_250_000.0,
        stands=True,
        unit="t",
        ge=0,
        lt=1e10,
    )
    opened: Day | None = key("Date on which the mine was opened.", default=None, example=Date(2010, 6, 1))
    lease_granted: Day | None = key("Date of the lease deed.", default=None, example=Date(2009, 11, 20))
    lease_expires: Day | None = key("Last day of the lease.", default=None, example=Date(2059, 11, 19))
    owner: OptionalText = key(
        "Owner, for the title block of plans.", default=None, example="Messrs Example Minerals"
    )
    agent: OptionalText = key("Agent or nominated owner.", default=None, example="A. Sharma")
    mining_engineer: OptionalText = key(
        "Mining engineer who certifies the plans.", default=None, example="B. Meena"
    )
    surveyor: OptionalText = key("Surveyor who made the plans.", default=None, example="C. Rathore")


class Lease(Section):
    """The boundary, how well it is known, and whose ground lies beside it."""

    boundary: FilePath = key(
        "Boundary: KML, KMZ, GeoJSON, GeoPackage, Shapefile, DXF, or a CSV of pillars.",
        example="lease.kml",
        stands=True,
    )
    id: OptionalText = key(
        "This lease's id in the registry, if it stands there too.", default=None, example="ML 0417/2009"
    )
    crs: Crs = key(
        "Reference system of boundary files that carry none (DXF, CSV in metres).",
        default=None,
        example="EPSG:32643",
    )
    boundary_sigma_m: float = key(
        "How well the boundary's position is known (one standard deviation). "
        "What lies within its 95 % band is reported as unsure.",
        default=0.3,
        unit="m",
        ge=0,
        le=500,
    )
    common_sides: Texts = key(
        'Sides in common with other leases: from pillar to pillar, as "P4-P7", or a file of lines. '
        "They are exempt for review, never failed.",
        default=(),
        example=("P4-P7",),
    )
    registry: FilePath = key(
        "Other valid leases (GeoPackage, GeoJSON, Shapefile or KML): ground inside them is theirs.",
        default=None,
        example="leases.gpkg",
    )
    pillars: FilePath = key(
        "CSV of the boundary pillars, where the boundary file does not name them.",
        default=None,
        example="pillars.csv",
    )

    @model_validator(mode="after")
    def _boundary_given(self) -> Lease:
        if self.boundary is None:
            raise refuse('has no boundary; give the file of the lease boundary: boundary = "lease.kml"')
        return self
