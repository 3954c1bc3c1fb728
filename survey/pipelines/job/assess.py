"""The assessment of a pit or stock: what is measured, from which base, and what only the officer can say."""

from __future__ import annotations

from datetime import date as Date
from typing import Annotated

from pydantic import BeforeValidator, model_validator

from survey.pipelines.job.base import (
    Crs,
    Day,
    FilePath,
    OptionalText,
    Section,
    Targets,
    Text,
    Texts,
    choice,
    key,
    refuse,
)
from survey.pipelines.job.surveys import ordered

BASES = (
    "auto",
    "earlier",
    "tin",
    "natural",
    "curvature",
    "plane",
    "trend",
    "spline",
    "laplace",
    "lowest",
    "mean",
    "level",
    "surface",
)


class MaterialShare(Section):
    """A material that came out of the void, and how much of it that was."""

    name: Text = key("Material.", example=["limestone", "soil and waste"], stands=True)
    mineral: bool = key(
        "false for soil and waste that are not billed.", default=True, example=[True, False], stands=True
    )
    fraction: float | None = key(
        "Its part of the volume, 0 to 1. Left out: bounded by fraction_lo and fraction_hi.",
        default=None,
        example=[0.8, 0.2],
        stands=True,
        ge=0,
        le=1,
    )
    fraction_lo: float | None = key("Lowest credible part.", default=None, example=[0.7, 0.1], ge=0, le=1)
    fraction_hi: float | None = key("Highest credible part.", default=None, example=[0.9, 0.3], ge=0, le=1)
    density_t_m3: float | None = key(
        "Its density, if it is not that of [material].",
        default=None,
        example=[2.6, 1.8],
        unit="t/m³",
        gt=0,
        lt=8,
    )
    source: OptionalText = key(
        "Where the fraction comes from.",
        default=None,
        example=["Face log of 2025-05-02", "Face log of 2025-05-02"],
        stands=True,
    )

    @model_validator(mode="after")
    def _in_order(self) -> MaterialShare:
        ordered(self.fraction_lo, self.fraction, self.fraction_hi, "fraction")
        return self


class Officer(Section):
    """An officer who signs."""

    name: Text = key("Name.", example=["D. Singh"], stands=True)
    designation: OptionalText = key(
        "Designation.", default=None, example=["Mining Engineer, Chittorgarh"], stands=True
    )


_as_tuple = BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)


class Assess(Section):
    """Pits or stocks to be assessed (rule 91). What the officer leaves out is a blank line on the sheet."""

    targets: Targets = key(
        'Outlines: a file of polygons, or "detected" for the sites that the surveys show.',
        default=None,
        example="pits.geojson",
        stands=True,
    )
    kind: choice("auto", "pit", "stock") = key(  # type: ignore[valid-type]
        '"pit" (a void below its base), "stock" (a heap above it), or "auto".', default="auto"
    )
    base: choice(*BASES) = key(  # type: ignore[valid-type]
        'Ground as it was: "auto" (the earlier survey, else what rebuilds undisturbed ground near by best), '
        '"earlier", "tin", "natural", "curvature", "plane", "trend", "spline", "laplace", "lowest", "mean", '
        '"level" or "surface".',
        default="auto",
    )
    base_level_m: float | None = key(
        'Level of the base, for base = "level".', default=None, example=312.5, unit="m", ge=-1000, le=10_000
    )
    base_surface: FilePath = key(
        'DEM of the base, for base = "surface".', default=None, example="ground_2019.tif"
    )
    outline_sigma_m: float | None = key(
        "How well the outlines are drawn (one standard deviation). Left out: 0.1 m, or half a cell.",
        default=None,
        example=0.2,
        unit="m",
        ge=0,
        le=50,
    )
    points: FilePath = key(
        "GNSS or total-station points instead of a DEM (CSV): id, code, easting, northing, elevation"
        "[, sigma]; codes rim, toe, crest, floor, top, ground.",
        default=None,
        example="points.csv",
    )
    points_crs: Crs = key("Reference system of the points.", default=None, example="EPSG:32643")
    points_sigma_m: float | None = key(
        "Precision of a point's height, where the file does not tell.",
        default=None,
        example=0.02,
        unit="m",
        gt=0,
        le=10,
    )
    materials: Annotated[tuple[MaterialShare, ...], _as_tuple] = key(
        "What came out of the void; one [[assess.materials]] each. Left out: unknown, and bounded.",
        default=(),
    )

    density_state: choice("auto", "in situ", "loose") = key(  # type: ignore[valid-type]
        'Which density of [material] applies: "in situ", "loose", or "auto" (pits in situ, stocks loose).',
        default="auto",
    )
    density_t_m3: float | None = key(
        "Density for these targets, if it is not that of [material].",
        default=None,
        example=2.4,
        unit="t/m³",
        gt=0,
        lt=8,
    )
    density_lo_t_m3: float | None = key(
        "Its lowest credible value.", default=None, example=2.2, unit="t/m³", gt=0, lt=8
    )
    density_hi_t_m3: float | None = key(
        "Its highest credible value.", default=None, example=2.6, unit="t/m³", gt=0, lt=8
    )
    density_source: OptionalText = key(
        "Where it comes from.", default=None, example="Laboratory report 311 of 2025-05-12"
    )
    royalty_rate_inr_t: float | None = key(
        "Royalty per tonne, as in force; never built in.",
        default=None,
        example=80.0,
        unit="₹/t",
        gt=0,
        lt=1e6,
    )
    royalty_date: Day | None = key(
        "Day from which that rate is in force.", default=None, example=Date(2024, 2, 1)
    )
    royalty_source: OptionalText = key(
        "Notification of the rate.", default=None, example="Second Schedule, item 7"
    )
    multiplier: float | None = key(
        "Multiple of the royalty that is charged.", default=None, example=10.0, gt=0, le=1000
    )
    multiplier_basis: OptionalText = key("Its legal basis.", default=None, example="Rule 54(3)")
    demarcation_area_ha: float | None = key(
        "Area demarcated, for the fee of rule 91(2).", default=None, example=4.2, unit="ha", gt=0, lt=1e5
    )
    re_verification: bool = key("Pillars are verified again: twice the fee.", default=False)

    case_no: OptionalText = key("Number of the case.", default=None, example="ME/CTR/2025/118", stands=True)
    case_date: Day | None = key("Date of the case.", default=None, example=Date(2025, 4, 28))
    notice_no: OptionalText = key(
        "Number of the notice.", default=None, example="ME/CTR/N/2025/77", stands=True
    )
    notice_date: Day | None = key("Date of the notice.", default=None, example=Date(2025, 5, 5), stands=True)
    notice_served: OptionalText = key(
        "When and how it was served, with the proof.",
        default=None,
        example="2025-05-08, registered post RR000000000IN",
    )
    date: Day | None = key(
        "Day of the assessment. Left out: of the last survey.", default=None, example=Date(2025, 5, 20)
    )
    officers: Annotated[tuple[Officer, ...], _as_tuple] = key(
        "Officers; one [[assess.officers]] each.", default=()
    )
    present: Texts = key(
        "Others who were present, with their part.", default=(), example=("E. Lal, for the lessee",)
    )
    absent: Texts = key(
        "Who was called and did not come.", default=(), example=("F. Devi, owner of khasra 211",)
    )
    witnesses: Texts = key("Witnesses.", default=(), example=("G. Ram, Khera", "H. Bai, Khera"))
    khasra: Texts = key("Khasra numbers of the ground.", default=(), example=("210", "211/2"))
    instrument: OptionalText = key("Instrument.", default=None, example="Multi-frequency GNSS, RTK")
    method: OptionalText = key(
        "Method, in a sentence.", default=None, example="Drone photogrammetry with 6 control points"
    )
    sanctioned_map: OptionalText = key(
        "Sanctioned map that was used.", default=None, example="Lease map of 2009-11-20"
    )
    dating: OptionalText = key(
        "Evidence of when it was dug.", default=None, example="Not in the orthomosaic of 2024-04-20"
    )
    remarks: OptionalText = key(
        "Anything else for the sheet.", default=None, example="Access by the eastern track"
    )

    @model_validator(mode="after")
    def _complete(self) -> Assess:
        if self.targets is None and self.points is None:
            raise refuse(
                'names nothing to assess; give targets (a file of outlines, or "detected") or points'
            )
        if self.base == "level" and self.base_level_m is None:
            raise refuse('base = "level" needs base_level_m')
        if self.base == "surface" and self.base_surface is None:
            raise refuse('base = "surface" needs base_surface')
        ordered(self.density_lo_t_m3, self.density_t_m3, self.density_hi_t_m3, "density")
        known = [m.fraction for m in self.materials if m.fraction is not None]
        total = sum(known)
        if self.materials and len(known) == len(self.materials) and abs(total - 1) > 0.005:
            raise refuse(f"the fractions of the materials sum to {total:g}; they must sum to 1")
        if total > 1.005:
            raise refuse(f"the fractions of the materials sum to {total:g}, more than the whole")
        if (
            sum(
                m.fraction_lo if m.fraction is None and m.fraction_lo is not None else m.fraction or 0
                for m in self.materials
            )
            > 1.005
        ):
            raise refuse("the lowest fractions of the materials sum to more than the whole")
        names = [m.name.casefold() for m in self.materials]
        if len(set(names)) < len(names):
            raise refuse("one material is named twice")
        return self

    @property
    def royalty_known(self) -> bool:
        """Whether everything an amount rests on was entered, with date and source."""
        return None not in (
            self.royalty_rate_inr_t,
            self.royalty_date,
            self.royalty_source,
            self.multiplier,
            self.multiplier_basis,
        )
