"""What a lessee declared, and what a reviewer must know to check it."""

from __future__ import annotations

from datetime import date as Date
from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator

from survey.pipelines.job.base import Crs, Day, FilePath, OptionalText, Section, Switch, Text, key, refuse


def _tonnes(says: str, example: float | None = None) -> Any:
    return key(says, default=None, example=example, unit="t", ge=0, lt=1e11)


def _cubic(says: str, example: float | None = None, *, stands: bool = False) -> Any:
    return key(says, default=None, example=example, stands=stands, unit="m³", ge=0, lt=1e11)


def _hectares(says: str, example: float | None = None) -> Any:
    return key(says, default=None, example=example, unit="ha", ge=0, lt=1e6)


class Declared(Section):
    """Figures of the annual return (Form G1) that a survey can test, and the e-challans."""

    year_from: Day | None = key("First day of the period declared.", default=None, example=Date(2024, 4, 1))
    year_to: Day | None = key("Last day of the period declared.", default=None, example=Date(2025, 3, 31))

    overburden_beginning_m3: float | None = _cubic(
        "Part V, 4: overburden and waste at the beginning of the year.", 410_000.0
    )
    overburden_generated_m3: float | None = _cubic(
        "Part V, 4: generated during the year.", 186_000.0, stands=True
    )
    overburden_disposed_m3: float | None = _cubic("Part V, 4: disposed in dumps during the year.", 150_000.0)
    backfilled_m3: float | None = _cubic("Part V, 4: backfilled during the year.", 36_000.0, stands=True)
    overburden_end_m3: float | None = _cubic("Part V, 4: total at the end of the year.", 560_000.0)

    subgrade_beginning_t: float | None = _tonnes(
        "Part V, 3: sub-grade mineral reject at the beginning of the year.", 12_000.0
    )
    subgrade_generated_t: float | None = _tonnes("Part V, 3: generated during the year.", 3_000.0)
    subgrade_disposed_t: float | None = _tonnes("Part V, 3: disposed during the year.", 1_000.0)
    subgrade_end_t: float | None = _tonnes("Part V, 3: at the end of the year.", 14_000.0)

    rom_production_t: float | None = key(
        "Part VI, 2: run-of-mine production of the year, all workings together.",
        default=None,
        example=910_000.0,
        stands=True,
        unit="t",
        ge=0,
        lt=1e11,
    )
    rom_opening_stock_t: float | None = _tonnes(
        "Part VI, 2: run-of-mine stock at the beginning of the year.", 40_000.0
    )
    rom_closing_stock_t: float | None = _tonnes(
        "Part VI, 2: run-of-mine stock at the end of the year.", 55_000.0
    )
    opencast_opening_stock_t: float | None = _tonnes(
        "Part VI, 2(a): opencast workings, opening stock.", 40_000.0
    )
    opencast_production_t: float | None = _tonnes("Part VI, 2(a): opencast workings, production.", 900_000.0)
    opencast_closing_stock_t: float | None = _tonnes(
        "Part VI, 2(a): opencast workings, closing stock.", 55_000.0
    )
    underground_opening_stock_t: float | None = _tonnes(
        "Part VI, 2(b): underground workings, opening stock.", 0.0
    )
    underground_production_t: float | None = _tonnes("Part VI, 2(b): underground workings, production.", 0.0)
    underground_closing_stock_t: float | None = _tonnes(
        "Part VI, 2(b): underground workings, closing stock.", 0.0
    )
    dump_opening_stock_t: float | None = _tonnes("Part VI, 2(c): dump workings, opening stock.", 0.0)
    dump_production_t: float | None = _tonnes("Part VI, 2(c): dump workings, production.", 10_000.0)
    dump_closing_stock_t: float | None = _tonnes("Part VI, 2(c): dump workings, closing stock.", 0.0)

    area_abandoned_ha: float | None = _hectares(
        "Part I, 12: already exploited and abandoned by opencast mining.", 4.5
    )
    area_workings_ha: float | None = _hectares("Part I, 12: covered by current opencast workings.", 21.0)
    area_reclaimed_ha: float | None = _hectares("Part I, 12: reclaimed and rehabilitated.", 3.0)
    area_waste_ha: float | None = _hectares("Part I, 12: used for waste disposal.", 11.5)
    area_buildings_ha: float | None = _hectares(
        "Part I, 12: occupied by plant, buildings, residences, roads.", 5.0
    )
    area_other_ha: float | None = _hectares("Part I, 12: used for any other purpose.", 1.0)
    utilisation: FilePath = key(
        "Polygons of those classes (attribute 'class': abandoned, workings, reclaimed, waste, buildings "
        "or other).",
        default=None,
        example="utilisation.geojson",
    )

    challans: FilePath = key(
        "e-challans (CSV): dispatches with tonnes and dates.", default=None, example="challans.csv"
    )
    challans_crs: Crs = key(
        "Reference system of positions in the challans, if they are not longitude and latitude.",
        default=None,
        example="EPSG:32643",
    )

    @model_validator(mode="after")
    def _year_in_order(self) -> Declared:
        if self.year_from and self.year_to and self.year_to <= self.year_from:
            raise refuse(
                f"the period ends ({self.year_to.isoformat()}) before it begins "
                f"({self.year_from.isoformat()}); correct year_from or year_to"
            )
        return self


class Waiver(Section):
    """A requirement that an authority has lifted or changed for this mine."""

    rule: Text = key("Rule concerned, as the report cites it.", example=["34A(1)"], stands=True)
    reason: Text = key(
        "What was allowed, and why.",
        example=["Drones restricted near the border; alternate mechanism"],
        stands=True,
    )
    order: OptionalText = key("Number of the order.", default=None, example=["IBM/000/2025"])
    date: Day | None = key("Date of the order.", default=None, example=[Date(2025, 3, 3)])


Waivers = Annotated[tuple[Waiver, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)]


class Check(Section):
    """What a reviewer knows about the filing besides its files."""

    on: Day | None = key(
        "Judge by the law in force on this day. Left out: on the day of filing, else of the survey.",
        default=None,
        example=Date(2025, 7, 1),
    )
    letter_of_intent: Day | None = key(
        "Preferred bidder: date of the letter of intent (rule 34A(4), 29A(2)).",
        default=None,
        example=Date(2025, 1, 15),
    )
    mining_plan: Day | None = key(
        "Date on which a mining plan or modification is or was submitted (rule 34A(3), 29A(1)).",
        default=None,
        example=Date(2025, 9, 1),
    )
    star_rating: Day | None = key(
        "Date of the star-rating self-assessment (rule 35(2)).", default=None, example=Date(2025, 6, 25)
    )
    plans_filed: Day | None = key(
        "Date on which plans and sections were sent (rule 33).", default=None, example=Date(2025, 6, 25)
    )
    discontinued_days: int = key("Days of the year on which the mine stood still.", default=0, ge=0, le=366)
    discontinued_notice: Day | None = key(
        "Date of the notice of discontinuance (rule 28).", default=None, example=Date(2024, 8, 1)
    )
    canopy_ha: float = key(
        "Area under dense canopy, deducted from the area that needs ground control.",
        default=0.0,
        unit="ha",
        ge=0,
        lt=1e6,
    )
    drone_restricted: bool = key("Drones are restricted here (rule 34A(5), 91(5)).", default=False)
    authenticity: Switch = key(
        'Test whether the files are what they claim to be: "auto" (where possible), true or false.',
        default="auto",
    )
    waiver: Waivers = key("Requirements lifted by an authority; one [[check.waiver]] each.", default=())
