"""The sections that describe each survey, and what the ground weighs."""

from __future__ import annotations

from datetime import date as Date
from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator

from survey.pipelines.job.base import (
    Crs,
    FilePath,
    OptionalText,
    PastDay,
    Section,
    Texts,
    choice,
    key,
    refuse,
)

_HEIGHTS = ("EGM2008", "EGM96", "ellipsoidal", "MSL", "local")
_HEIGHT_WORDS = {
    "ellipsoid": "ellipsoidal",
    "wgs84": "ellipsoidal",
    "egm08": "EGM2008",
    "egm 2008": "EGM2008",
    "egm 96": "EGM96",
}


def _height_word(value: Any) -> Any:
    return _HEIGHT_WORDS.get(value.strip().casefold(), value) if isinstance(value, str) else value


class Survey(Section):
    """One survey of the mine. Give them in order of date; a single one serves check, outside and assess."""

    date: PastDay = key(
        "Day of the flight or image; with several days, the last.",
        example=[Date(2024, 4, 20), Date(2025, 4, 25)],
        stands=True,
    )
    filed: PastDay | None = key(
        "Day on which it was submitted.",
        default=None,
        example=[Date(2024, 6, 12), Date(2025, 6, 20)],
        stands=True,
    )
    kind: choice("drone", "satellite", "aircraft", "lidar", "ground") = key(  # type: ignore[valid-type]
        'How it was taken: "drone", "satellite", "aircraft", "lidar" or "ground" (GNSS, total station).',
        default="drone",
        example=["drone", "drone"],
        stands=True,
    )
    dem: FilePath = key(
        "Surface model (DSM), GeoTIFF.", default=None, example=["2024/dsm.tif", "2025/dsm.tif"], stands=True
    )
    dtm: FilePath = key(
        "Terrain model (bare ground), GeoTIFF. Volumes are measured on it where both surveys have one.",
        default=None,
        example=["2024/dtm.tif", "2025/dtm.tif"],
    )
    ortho: FilePath = key(
        "Orthomosaic, or the multispectral satellite image, GeoTIFF.",
        default=None,
        example=["2024/ortho.tif", "2025/ortho.tif"],
        stands=True,
    )
    bands: Texts = key(
        "Names of the image's bands in their order, if the file does not say.",
        default=(),
        example=[("red", "green", "blue"), ("red", "green", "blue")],
    )
    checkpoints: FilePath = key(
        "CSV of control and check points: id, easting, northing, elevation[, sigma][, type], "
        "or longitude, latitude; type is GCP or CHECK.",
        default=None,
        example=["2024/gcp.csv", "2025/gcp.csv"],
    )
    checkpoints_crs: Crs = key(
        "Reference system of the check points, if it is not the DEM's.",
        default=None,
        example=["EPSG:32643", "EPSG:32643"],
    )
    height: Annotated[choice(*_HEIGHTS) | None, BeforeValidator(_height_word)] = key(  # type: ignore[valid-type]
        'What heights are counted from: "EGM2008", "EGM96", "ellipsoidal", "MSL" (a levelled benchmark) or '
        '"local". Never guessed.',
        default=None,
        example=["EGM2008", "EGM2008"],
        stands=True,
    )
    height_unit: choice("m", "dm", "cm", "mm", "ft", "us-ft") | None = key(  # type: ignore[valid-type]
        'Unit of the heights if the file does not say: "m", "dm", "cm", "mm", "ft" or "us-ft".',
        default=None,
        example=["m", "m"],
    )
    crs: Crs = key(
        "Reference system of rasters that carry none. It never overrides one that a file carries.",
        default=None,
        example=["EPSG:32643", "EPSG:32643"],
    )
    nodata: float | None = key(
        "Value that stands for 'not measured' in DEMs that do not declare theirs.",
        default=None,
        example=[-9999.0, -9999.0],
    )
    gsd_m: float | None = key(
        "Ground sampling distance of the flight.", default=None, example=[0.05, 0.05], unit="m", gt=0, le=100
    )
    gcp_count: int | None = key(
        "Ground control points used, where the check-point file does not tell.",
        default=None,
        example=[6, 6],
        ge=0,
        le=100_000,
    )
    permanent_gcp_count: int | None = key(
        "How many of them are permanent.", default=None, example=[3, 3], ge=0, le=100_000
    )
    instrument: OptionalText = key(
        "Aircraft, camera, receiver.",
        default=None,
        example=["Quadcopter, 20 Mpx camera, PPK", "Quadcopter, 20 Mpx camera, PPK"],
    )
    surveyed_by: OptionalText = key(
        "Who flew and processed it.", default=None, example=["Example Surveys", "Example Surveys"]
    )

    @model_validator(mode="after")
    def _filed_after(self) -> Survey:
        if self.filed is not None and self.filed < self.date:
            raise refuse(
                f"filed = {self.filed.isoformat()} is before the survey itself "
                f"(date = {self.date.isoformat()}); correct one of the two"
            )
        return self

    @property
    def has_surface(self) -> bool:
        return self.dem is not None or self.dtm is not None


def ordered(low: float | None, best: float | None, high: float | None, name: str) -> None:
    """Refuse bounds that do not hold their value."""
    known = [v for v in (low, best, high) if v is not None]
    if known != sorted(known):
        raise refuse(f"{name}: the low, best and high values {' / '.join(map(str, known))} are not in order")


class Material(Section):
    """What the ground weighs. Density is disputed in court: always a value, its source, and its range."""

    in_situ_density_t_m3: float | None = key(
        "Density of the ore in place.", default=None, example=2.6, stands=True, unit="t/m³", gt=0, lt=8
    )
    in_situ_density_lo_t_m3: float | None = key(
        "Its lowest credible value.", default=None, example=2.5, unit="t/m³", gt=0, lt=8
    )
    in_situ_density_hi_t_m3: float | None = key(
        "Its highest credible value.", default=None, example=2.7, unit="t/m³", gt=0, lt=8
    )
    density_source: OptionalText = key(
        "Where the densities come from: laboratory, mining plan, date.",
        default=None,
        example="Mining plan of 2021, table 4.2",
        stands=True,
    )
    loose_density_t_m3: float | None = key(
        "Density of broken ore in a stack.", default=None, example=1.7, stands=True, unit="t/m³", gt=0, lt=8
    )
    loose_density_lo_t_m3: float | None = key(
        "Its lowest credible value.", default=None, example=1.6, unit="t/m³", gt=0, lt=8
    )
    loose_density_hi_t_m3: float | None = key(
        "Its highest credible value.", default=None, example=1.8, unit="t/m³", gt=0, lt=8
    )
    swell: float | None = key(
        "Growth of volume when waste is broken: 0.35 means 1 m³ in place makes 1.35 m³ in the dump.",
        default=None,
        example=0.35,
        stands=True,
        ge=0,
        le=2,
    )

    @model_validator(mode="after")
    def _in_order(self) -> Material:
        ordered(
            self.in_situ_density_lo_t_m3,
            self.in_situ_density_t_m3,
            self.in_situ_density_hi_t_m3,
            "in_situ_density",
        )
        ordered(
            self.loose_density_lo_t_m3, self.loose_density_t_m3, self.loose_density_hi_t_m3, "loose_density"
        )
        return self
