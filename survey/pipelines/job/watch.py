"""What is watched from satellite images."""

from __future__ import annotations

from datetime import date

from pydantic import model_validator

from survey.pipelines.job.base import (
    Crs,
    Day,
    FilePath,
    FolderPath,
    Integers,
    OptionalText,
    Section,
    Switch,
    Texts,
    choice,
    key,
    refuse,
)


class Watch(Section):
    """A folder of dated scenes, and the places in which something new matters."""

    scenes: FolderPath = key(
        "Folder of scenes (GeoTIFF). A file's date: its tags, else YYYYMMDD in its name.",
        example="scenes/",
        stands=True,
    )
    masks: FolderPath = key(
        "Folder of cloud masks, matched to scenes by date.", default=None, example="masks/", stands=True
    )
    mask_clear: Integers = key(
        "Values of a mask that mean a clear cell. Left at 1, masks of a known convention (SCL, QA_PIXEL) are "
        "read by it.",
        default=(1,),
        example=(1,),
        stands=True,
    )
    bands: Texts = key(
        "Names of the bands in their order, if the files do not say: blue, green, red, nir, swir1, swir2.",
        default=(),
        example=("blue", "green", "red", "nir", "swir1", "swir2"),
        stands=True,
    )
    scale: float | None = key(
        "Reflectance = scale × value + offset. Left out: as the files say.",
        default=None,
        example=0.0001,
        stands=True,
        gt=0,
    )
    offset: float | None = key("The offset of that line.", default=None, example=0.0)
    nodata: float | None = key(
        "Value of cells without data, if the files do not say.", default=None, example=0.0
    )
    sensor: choice("auto", "sentinel2", "landsat", "liss4", "planet", "ortho", "other") = key(  # type: ignore[valid-type]
        'Sensor: "auto", "sentinel2", "landsat", "liss4", "planet", "ortho" (RGB orthomosaics) or "other".',
        default="auto",
    )
    crs: Crs = key("Reference system of scenes that carry none.", default=None, example="EPSG:32643")
    baseline_until: Day | None = key(
        "Scenes up to this day show the ground as it was. Left out: the first scene alone.",
        default=None,
        example=date(2024, 12, 31),
        stands=True,
    )
    until: Day | None = key("Later scenes are not looked at.", default=None, example=date(2025, 6, 30))
    ring_m: float = key(
        "Watched ring around the lease.", default=500.0, stands=True, unit="m", ge=0, le=50_000
    )
    area: FilePath = key(
        "Area of watch; beyond it nothing is reported.", default=None, example="district.gpkg"
    )
    registry: FilePath = key("Registry of permitted areas.", default=None, example="leases.gpkg", stands=True)
    min_area_m2: float | None = key(
        "Least mapping unit. Left out: by the size of the cells.",
        default=None,
        example=400.0,
        unit="m²",
        gt=0,
        le=1e7,
    )
    probability: float | None = key(
        "Least probability of digging of what is listed. Left out: 0.25; of two dates 0.30.",
        default=None,
        example=0.5,
        ge=0,
        lt=1,
    )
    normalise: Switch = key('Radiometric normalisation: "auto", true or false.', default="auto")
    coregister: Switch = key('Co-registration of the scenes: "auto", true or false.', default="auto")
    challans: FilePath = key("e-challans (CSV) to be joined.", default=None, example="challans.csv")
    challans_crs: Crs = key(
        "Reference system of positions in the challans, if they are not longitude and latitude.",
        default=None,
        example="EPSG:32643",
    )
    lease_name: OptionalText = key(
        "Attribute of the registry that names a lease.", default=None, example="lease_no"
    )
    district_name: OptionalText = key(
        "Attribute of the registry that names the district.", default=None, example="district"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Watch:
        if self.scenes is None:
            raise refuse('names no scenes; give the folder that holds them: scenes = "scenes/"')
        if self.scale is None and self.offset is not None:
            raise refuse("offset is given without scale; give both")
        if self.baseline_until and self.until and self.until <= self.baseline_until:
            raise refuse(
                f"until ({self.until.isoformat()}) is not after "
                f"baseline_until ({self.baseline_until.isoformat()})"
            )
        folded = [band.casefold() for band in self.bands]
        if len(set(folded)) < len(folded):
            raise refuse("bands names one band twice")
        return self
