"""The sections that settle how surveys are compared and how results are drawn."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from survey.pipelines.job.base import FilePath, OptionalText, Section, Switch, choice, key, refuse


class Align(Section):
    """How the later survey is laid on the earlier one, on ground that did not change."""

    off: bool = key(
        "true: no alignment at all, the files are subtracted as they are (to reproduce published figures).",
        default=False,
    )
    horizontal: Switch = key(
        'Horizontal shift: "auto" (where the ground can tell), true or false.', default="auto"
    )
    vertical: Switch = key('Vertical shift: "auto", true or false.', default="auto")
    tilt: Switch = key(
        'Tilt: "auto" (where blocks left out of the fit agree better), true or false.', default="auto"
    )
    dome: Switch = key('Radial error of the camera model: "auto", true or false.', default="auto")
    checkpoints: Switch = key(
        'Tie heights to check points: "auto" (where there are enough), true or false.', default="auto"
    )
    convert_heights: bool = key(
        "Turn later surveys into the first one's heights where one is ellipsoidal and the other EGM2008 "
        "(that geoid ships with the program). Off, surveys on different heights are refused.",
        default=False,
    )
    stable: FilePath = key(
        "Polygons of ground known not to have changed.", default=None, example="stable.geojson"
    )
    workings: FilePath = key(
        "Polygons of workings and dumps: left out of stable ground.", default=None, example="workings.geojson"
    )


class Error(Section):
    """Errors that this pair's stable ground cannot show, or declared ones where there is no stable ground."""

    systematic_m: float | None = key(
        "Systematic remainder of the rise (scale, datum, dome inside the pit), one standard deviation.",
        default=None,
        example=0.02,
        unit="m",
        ge=0,
        le=10,
    )
    random_m: float | None = key(
        "Random error of the rise of one cell, one standard deviation. Given, it replaces the measured one.",
        default=None,
        example=0.04,
        unit="m",
        gt=0,
        le=10,
    )
    correlated_m: float | None = key(
        "Spatially correlated error of the rise, one standard deviation.",
        default=None,
        example=0.03,
        unit="m",
        ge=0,
        le=10,
    )
    range_m: float | None = key(
        "Distance over which it is correlated.", default=None, example=60.0, unit="m", gt=0, le=1e5
    )
    source: OptionalText = key(
        "Why declared errors are used, and where they come from.",
        default=None,
        example="Processing report, page 7",
    )

    @model_validator(mode="after")
    def _range_with_correlated(self) -> Error:
        if (self.correlated_m is None) != (self.range_m is None):
            raise refuse("correlated_m and range_m belong together: give both or neither")
        return self


class Measure(Section):
    """What else is measured besides lease, buffer and beyond."""

    surface: choice("auto", "dtm", "dsm") = key(  # type: ignore[valid-type]
        'Surface that is compared: "auto" (the DTM if every survey has one, else the DSM), "dtm" or "dsm".',
        default="auto",
    )
    bench_height_m: float | None = key(
        "Cut and fill are also given bench by bench of this height.",
        default=None,
        example=6.0,
        unit="m",
        gt=0,
        le=500,
    )
    bench_origin_m: float = key(
        "Level from which benches are counted.", default=0.0, unit="m", ge=-1000, le=10_000
    )
    polygons: FilePath = key(
        "Polygons, each measured by itself; their names are kept.", default=None, example="blocks.geojson"
    )
    river_bed: FilePath = key(
        "River bed: its yearly deposition (replenishment), highest and lowest level and slope.",
        default=None,
        example="river.geojson",
    )


class Detect(Section):
    """When a change is called a site. Every value, given or not, is printed in the report."""

    min_area_m2: float = key("Smaller sites are not reported.", default=40.0, unit="m²", gt=0, le=1e7)
    min_depth_m: float | None = key(
        "Shallower sites are not reported. Left out: what this pair's noise allows.",
        default=None,
        example=0.5,
        unit="m",
        gt=0,
        le=100,
    )
    probability: float = key(
        "Confidence that a change of the ground is real before it is called a site.",
        default=0.95,
        gt=0.5,
        lt=1,
    )
    existing: Switch = key(
        'Look for old, undated pits and heaps too: "auto" (where there is one survey only), true or false.',
        default="auto",
    )


class Report(Section):
    """How reports and plans are drawn. Nothing here changes a figure."""

    language: choice("en", "hi") = key('Language: "en" or "hi" (Hindi).', default="en")  # type: ignore[valid-type]
    indian_grouping: bool = key("Digits grouped as 12,34,567.", default=False)
    scale: Literal[500, 1000, 2000] | None = key(
        "Scale of the surface plan, 1 : 500, 1000 or 2000. Left out: by rule 31 and the size of the lease.",
        default=None,
        example=2000,
    )
    environment_scale: Literal[5000] = key("Scale of the environment plan (rule 32(5)(b)).", default=5000)
    sheet: choice("auto", "A0", "A1", "A2", "A3") = key(  # type: ignore[valid-type]
        'Sheet: "auto", "A0", "A1", "A2" or "A3".', default="auto"
    )
    contour_interval_m: float | None = key(
        "Contour interval. Left out: a readable one within the law.",
        default=None,
        example=2.0,
        unit="m",
        gt=0,
        le=20,
    )
    section_spacing_m: float | None = key(
        "Distance between section lines.", default=None, example=50.0, unit="m", ge=1, le=10_000
    )
    section_bearing_deg: float | None = key(
        "Bearing of the section lines. Left out: across the longest side.",
        default=None,
        example=90.0,
        unit="°",
        ge=0,
        lt=360,
    )
    dxf_tolerance_m: float | None = key(
        "How far the thinned surface in plan.dxf may lie from the DEM.",
        default=None,
        example=0.1,
        unit="m",
        gt=0,
        le=10,
    )
    purpose: OptionalText = key(
        "Purpose of the plan, for its title block.",
        default=None,
        example="Annual survey under rule 34A of MCDR 2017",
    )
    original: OptionalText = key(
        "Plan that a copy refers to (rule 34(3)).", default=None, example="Surface plan no. 12 of 2009-11-20"
    )
