"""How likely a body is digging or heaping, and what else it may be."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from survey.volumetrics.existing_shape import Form

REPOSE = 1.0
"""Tangent above which poured earth or rock does not lie, with room for how a slope is measured."""


@dataclass(frozen=True)
class Cover:
    """Shares of the ground that the orthomosaic shows as each kind."""

    vegetation: float
    water: float
    bare: float
    shadow: float

    def public(self) -> dict[str, float]:
        return asdict(self)


def signs(form: Form, cover: Cover | None, around: Cover | None) -> dict[str, float]:
    """What the judgement rests on: each about 0 to 1, or a logarithm of that order."""
    seen = cover is not None
    green = cover.vegetation if cover else 0.0
    greener = green - (around.vegetation if around else green)
    long = math.log(max(form.elongation, 0.3))
    upright = min(max(form.wall, 0.0), 1.0)
    return {
        "one": 1.0,
        "closed": form.closed,
        "score": form.score,
        "least": form.least_closed,
        "ends": form.ends,
        "size": math.log(form.area_m2 / 100.0) / 2,
        "deep": math.log(max(form.depth_m, 0.1)),
        "stands_out": min(math.log(max(form.stands_out, 0.3)), 4.0) / 2,
        "long": long,
        "very_long": max(long - 1.6, 0.0),
        "loose_ends": max(long - 0.8, 0.0) * (1 - form.ends),
        "face": min(form.face, 2.0),
        "too_steep": min(max(form.face - REPOSE, 0.0), 1.5),
        "upright": upright,
        "box": max(form.rectangular - 0.75, 0.0) * 4 * upright,
        "small_box": max(form.rectangular - 0.75, 0.0) * 4 * upright * max(0.0, 1.5 - form.area_m2 / 100),
        "level": min(form.level, 1.0),
        "rough": min(form.rougher, 3.0) / 2,
        "very_rough": min(form.rough, 0.5) * 4,
        "still": form.still,
        "missing": min(form.missing * 4, 1.0),
        "at_edge": form.at_edge,
        "seen": float(seen),
        "green": green,
        "greener": greener if seen else 0.0,
        "water": cover.water if cover else 0.0,
        "bare": cover.bare if cover else 0.0,
    }


WEIGHTS: dict[int, dict[str, float]] = {
    -1: {
        "one": -7.952,
        "closed": 0.762,
        "score": 0.456,
        "least": 1.878,
        "ends": 1.742,
        "size": 3.084,
        "deep": -1.136,
        "stands_out": 4.028,
        "long": -3.560,
        "very_long": -0.338,
        "loose_ends": -2.978,
        "face": 2.789,
        "too_steep": -0.327,
        "upright": 0.978,
        "box": -0.268,
        "small_box": 0.552,
        "level": 2.634,
        "rough": -0.802,
        "very_rough": -0.035,
        "still": -2.722,
        "missing": -0.946,
        "at_edge": -0.286,
        "seen": -0.682,
        "green": -0.426,
        "greener": -1.359,
        "water": 0.005,
        "bare": 0.274,
    },
    1: {
        "one": 1.852,
        "closed": 1.840,
        "score": -0.830,
        "least": 2.873,
        "ends": -1.255,
        "size": 1.786,
        "deep": 2.903,
        "stands_out": 1.085,
        "long": -3.100,
        "very_long": -0.323,
        "loose_ends": -3.587,
        "face": -4.330,
        "too_steep": -4.508,
        "upright": -2.378,
        "box": -1.546,
        "small_box": -0.546,
        "level": 0.380,
        "rough": -1.457,
        "very_rough": -0.836,
        "still": -1.422,
        "missing": 0.000,
        "at_edge": -0.348,
        "seen": -0.169,
        "green": -0.834,
        "greener": -2.393,
        "water": -0.667,
        "bare": 1.167,
    },
}
"""Logistic regression with a ridge on the bodies of simulated surveys of two makers
(``score_existing.py --fit --also``), per sign: log-odds that a body is digging or heaping, per unit of each
sign. Fitted with the orthomosaic and, at a quarter of the weight, without it."""


def probability(form: Form, cover: Cover | None, around: Cover | None) -> float:
    """That a body is a pit or heap made by people, from 0 to 1."""
    weights = WEIGHTS[form.sign]
    total = sum(weights.get(name, 0.0) * value for name, value in signs(form, cover, around).items())
    return 1.0 / (1.0 + math.exp(-min(max(total, -30.0), 30.0)))


# -- in words ----------------------------------------------------------------------------------------------
def reasons(form: Form, cover: Cover | None, around: Cover | None) -> str:
    """Why a body is called a site, for people."""
    what = "hollow" if form.sign < 0 else "mound"
    rim = "rim" if form.sign < 0 else "foot"
    words = [
        f"a {what} {form.depth_m:.1f} m {'deep' if form.sign < 0 else 'high'}, {form.stands_out:.0f} times "
        "the scatter of the ground around it",
        f"{100 * form.closed:.0f} % of its {rim} is a break of slope",
        f"sides of up to {math.degrees(math.atan(form.face)):.0f}°",
    ]
    if cover is None:
        words.append("no orthomosaic shows its ground")
    elif cover.bare >= 0.5:
        words.append(f"{100 * cover.bare:.0f} % bare ground")
    elif cover.vegetation >= 0.3:
        words.append(f"{100 * cover.vegetation:.0f} % under plants")
    if form.sign < 0 and wet(form, cover):
        words.append(
            "water stands in it: it may be a flooded pit or a pond, and what lies under water is not measured"
        )
    if form.at_edge > 0.1:
        words.append("it goes on where the survey ends")
    return "; ".join(words)


def wet(form: Form, cover: Cover | None) -> bool:
    """Whether water seems to stand in a body."""
    return form.still > 0.4 or (cover is not None and cover.water > 0.25)


def dismissal(form: Form, cover: Cover | None, around: Cover | None) -> tuple[str, str]:
    """(reason, why) of a body that is not called a site: the most telling of what speaks against it."""
    heap = form.sign > 0
    if heap and cover is not None and cover.vegetation > 0.4 and (form.rougher > 0.5 or form.wall > 0.5):
        return "trees or crop", f"{100 * cover.vegetation:.0f} % green, rough or upright"
    if heap and form.rectangular > 0.8 and form.wall > 0.45 and form.area_m2 < 1000:
        return "vehicle or shed", f"upright sides and {100 * form.rectangular:.0f} % of a rectangle"
    if form.elongation > 4 and form.ends < 0.6:
        name = "road or embankment" if heap else "gully, ditch or cutting"
        return name, f"{form.elongation:.0f} times as long as wide, and open at its ends"
    if not heap and wet(form, cover):
        return "water", "level water within banks: a pond, unless somebody knows of a flooded pit here"
    if form.rougher > 1.2 and heap:
        return "trees or crop", "rougher than the ground around it"
    return (
        "natural ground",
        f"only {100 * form.closed:.0f} % of its outline is a break of slope, and it stands out "
        f"{form.stands_out:.1f} times the scatter of the ground around it",
    )
