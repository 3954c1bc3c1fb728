"""In which unit heights are stored, and who says so."""

from __future__ import annotations

import re
from dataclasses import dataclass

from survey.errors import InputRefused
from survey.rasters.crs import INTERNATIONAL_FOOT_M, US_SURVEY_FOOT_M, Frame
from survey.remark import Remark

_UNITS: dict[str, tuple[str, float]] = {
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters", "mtr", "mtrs"), ("m", 1.0)),
    **dict.fromkeys(
        ("ft", "foot", "feet", "internationalfoot", "internationalfeet", "ift"), ("ft", INTERNATIONAL_FOOT_M)
    ),
    **dict.fromkeys(
        (
            "usft",
            "ussurveyfoot",
            "ussurveyfeet",
            "surveyfoot",
            "surveyfeet",
            "sfoot",
            "ftus",
            "footus",
            "usfoot",
            "usfeet",
        ),
        ("us-ft", US_SURVEY_FOOT_M),
    ),
    **dict.fromkeys(("dm", "decimetre", "decimetres", "decimeter", "decimeters"), ("dm", 0.1)),
    **dict.fromkeys(("cm", "centimetre", "centimetres", "centimeter", "centimeters"), ("cm", 0.01)),
    **dict.fromkeys(("mm", "millimetre", "millimetres", "millimeter", "millimeters"), ("mm", 0.001)),
}


@dataclass(frozen=True, slots=True)
class HeightUnit:
    name: str
    unit_m: float
    source: str  # "file" | "job" | "assumed"
    remarks: tuple[Remark, ...] = ()


def parse_unit(text: str) -> tuple[str, float] | None:
    """(short name, metres) of a unit of height in any usual spelling; None if it is none."""
    word = re.sub(r"[^a-z]", "", text.lower())
    return _UNITS.get(word)


def height_unit_of(band_unit: str | None, frame: Frame, job: str | None, *, file: str) -> HeightUnit:
    """Decide the unit of height from the band's tag, the vertical reference system and the job.

    Raises
    ------
    InputRefused
        They contradict each other; or the eastings are in feet and nobody says what the heights are in.
    """
    mend = 'Say in the job which it is: height_unit = "m" (or "ft", "us-ft"), and correct the file.'
    said: list[tuple[str, str, float]] = []
    remarks: list[Remark] = []
    if frame.heights is not None:
        if frame.heights.unit_m < 0:
            raise InputRefused(
                f'counts downwards ("{frame.heights.name}"): it holds depths', expected="heights", file=file
            )
        name = next(
            (n for n, m in _UNITS.values() if m == frame.heights.unit_m), f"{frame.heights.unit_m:g} m"
        )
        said.append(("the vertical reference system", name, frame.heights.unit_m))
    if band_unit:
        parsed = parse_unit(band_unit)
        if parsed is not None:
            said.append(("the band's unit", *parsed))
        else:
            remarks.append(
                Remark(
                    "unit-not-understood",
                    f'the unit of its band, "{band_unit[:40]}", is not understood',
                    "caution",
                )
            )
    if job is not None:
        parsed = parse_unit(job)
        if parsed is None:
            raise InputRefused(f'the height unit "{job}" is not known', expected="m, ft or us-ft", file=file)
        said.append(("the job", *parsed))
    if not said:
        if frame.unit_m != 1.0 and not frame.geographic:
            raise InputRefused(
                f"its coordinates are in {frame.unit_name}, and nothing says whether its heights are too",
                file=file,
                mend='Say in the job: height_unit = "m" (or "ft", "us-ft").',
            )
        return HeightUnit("m", 1.0, "assumed", tuple(remarks))
    who, name, unit_m = said[0]
    for other, other_name, other_m in said[1:]:
        # Feet of two kinds differ by 2 parts in a million: nothing for heights.
        if abs(other_m / unit_m - 1) > 1e-5:
            raise InputRefused(
                f"contradicts itself: {who} says heights are in {name}, {other} says {other_name}",
                file=file,
                mend=mend,
            )
    if unit_m != 1.0:
        remarks.append(
            Remark("height-unit", f"heights are stored in {name} and were turned into metres", "info")
        )
    return HeightUnit(name, unit_m, "job" if who == "the job" else "file", tuple(remarks))
