"""How likely a body is digging or heaping, and what else it may be."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from survey.volumetrics.existing_shape import Form


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
    -1: {"one": -4.0, "closed": 3.0, "least": 2.0, "stands_out": 1.0},
    1: {"one": -4.0, "closed": 3.0, "least": 2.0, "stands_out": 1.0, "green": -3.0, "small_box": -2.0},
}


def probability(form: Form, cover: Cover | None, around: Cover | None) -> float:
    """That a body is a pit or heap made by people, from 0 to 1."""
    weights = WEIGHTS[form.sign]
    total = sum(weights.get(name, 0.0) * value for name, value in signs(form, cover, around).items())
    return 1.0 / (1.0 + math.exp(-min(max(total, -30.0), 30.0)))
