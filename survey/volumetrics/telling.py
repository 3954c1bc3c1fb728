"""What a region of change is: digging or heaping, or something that only looks like it.

The evidence on a region (:mod:`survey.volumetrics.region_shape`, colours) becomes a few bounded numbers; a
multinomial logistic model weighs them. Its weights stand in ``telling_model.json`` with what they were
learnt from; they were learnt from simulated surveys and from nothing else, with bounds on every number so
that no single strange value can decide. There are sets of weights with the colours of both surveys, with
those of the earlier or the later alone, and without any: where an orthomosaic is missing nothing is invented
in its place, and the answer is less sure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from survey.volumetrics.region_shape import REPOSE

DIGGING = "digging"
REASONS = ("vegetation", "crop", "vehicle or shed", "water", "erosion", "artefact")
CLASSES = (DIGGING, *REASONS)

# Bounds of each number: what lies beyond says no more than the bound. ``ln`` are natural logarithms.
_SHAPES: dict[str, tuple[float, float]] = {
    "ln_certainty": (0.0, 3.5),
    "ln_edge_sigmas": (-1.0, 3.5),
    "closed": (0.0, 1.0),
    "open_edge": (0.0, 0.5),
    "ln_width_m": (0.3, 3.0),
    "ln_elongation": (0.0, 3.0),
    "long_along_flow": (0.0, 1.5),
    "slope": (0.0, 1.0),
    "standing": (-0.3, 1.3),
    "wall": (0.0, 1.2),
    "ln_level": (-4.0, 1.5),
    "ln_uneven": (-2.5, 1.0),
    "rougher_high": (0.0, 3.0),
    "less_grain_high": (0.0, 2.0),
    "rougher_low": (0.0, 3.0),
    "less_grain_low": (0.0, 2.0),
    "ln_rough_share": (-5.0, 0.0),
    "rectangular": (0.3, 1.0),
    "upright_object": (0.0, 1.2),
    "box_like": (0.0, 1.2),
    "too_steep_to_lie": (0.0, 2.5),
    "ln_steep": (-2.0, 1.7),
    "ln_height_m": (-3.0, 2.3),
    "ln_area_m2": (3.5, 6.5),
    "thin_layer": (0.0, 1.0),
    "curled_up": (0.0, 1.0),
    "rough_both": (0.0, 3.0),
    "taller_than_crops": (0.0, 3.0),
    "higher_than_heaped": (0.0, 2.5),
    "straight_strip": (0.0, 1.5),
    "ln_cells_wide": (0.7, 2.3),
    "odd_when_high": (0.0, 1.0),
    "foretold": (0.0, 1.0),
    "ln_cells_moved": (-1.0, 1.0),
    "coherent": (0.1, 0.9),
    "at_repose": (0.0, 0.8),
    "hollow_before": (0.0, 1.0),
    "crest_before": (0.0, 1.0),
    "rougher_when_high": (-1.5, 3.0),
    "ln_level_sigmas": (0.0, 4.0),
    "level_as_water": (0.0, 1.0),
    "deeper_within": (0.5, 4.0),
}
_COLOURS: dict[str, tuple[float, float]] = {
    "green_high": (0.0, 1.0),
    "green_low": (0.0, 1.0),
    "wet_high": (0.0, 1.0),
    "wet_low": (0.0, 1.0),
    "bare_after": (0.0, 1.0),
    "greener_than_around": (-1.0, 1.0),
    "level_and_dark": (0.0, 1.0),
    "ln_colour_change": (-2.0, 2.5),
    "deep_but_unseen": (0.0, 2.0),
}
CROP_M = 2.0
"""Few crops stand higher; the highest tenth of a change is taken from its median and spread."""
SEEN = ("before", "after")
_ALONE = {"before": " seen before", "after": " seen after"}
_ONE: dict[str, tuple[float, float]] = {
    f"{name}_{when}": bounds
    for when in SEEN
    for name, bounds in (
        ("green_alone", (0.0, 1.0)),
        ("wet_alone", (0.0, 1.0)),
        ("bare_alone", (0.0, 1.0)),
        ("greener_alone", (-1.0, 1.0)),
        ("barer_alone", (-1.0, 1.0)),
        ("level_and_dark_alone", (0.0, 1.0)),
    )
}
"""Of the one orthomosaic that shows a region, where the other survey has none."""
BOUNDS = _SHAPES | _COLOURS | _ONE
SHAPES, COLOURS = tuple(_SHAPES), tuple(_COLOURS)


@dataclass(frozen=True)
class Verdict:
    """What a region was found to be, how sure that is, and why."""

    dismissed: bool
    kind: Literal["pit", "heap", "backfill"]
    reason: str
    why: str
    confidence: float
    evidence: dict[str, Any] = field(default_factory=dict)
    outline_share: float = 0.0
    """1 σ of the volume, as a share of it, from where the outline runs and how cells sample its walls."""
    fringe_share: float = 0.0
    """Its part from what lies outside the outline, within the reach of the smoothing; it has a sign."""
    small: bool = False
    """Digging or heaping that its zone counts, but below the least area of a site."""

    @property
    def chance(self) -> float:
        """Probability that it is digging or heaping; 0 where the job's own limits leave it out unseen."""
        return float(self.evidence.get(f"p_{DIGGING}", 0.0 if self.dismissed else self.confidence))


def numbers(e: Any) -> dict[str, float]:
    """The bounded numbers of a region's evidence; those of colour only where both orthomosaics show it.

    ``e`` has ``sign``, ``area_m2``, ``median_m``, ``certainty``, ``shape`` and ``colour``.
    """
    s = e.shape
    flow = max(0.0, s.along_flow - 0.5) * 2
    certainty = e.certainty if math.isfinite(e.certainty) else s.mean_sigmas
    level = _ln(s.level)
    out = {
        "ln_certainty": _ln(certainty),
        "ln_edge_sigmas": _ln(s.edge_sigmas),
        "closed": s.closed,
        "open_edge": s.open_edge,
        "ln_width_m": _ln(s.width_m),
        "ln_elongation": _ln(s.elongation),
        "long_along_flow": flow * max(0.0, _ln(s.elongation) - 1.2),
        "slope": s.slope,
        "standing": s.standing,
        "wall": s.wall,
        "ln_level": level,
        "ln_uneven": _ln(s.uneven),
        "rougher_high": s.rough_high,
        "less_grain_high": -s.grain_high,
        "rougher_low": s.rough_low,
        "less_grain_low": -s.grain_low,
        "ln_rough_share": _ln(s.rough_m / max(e.median_m, 1e-3)),
        "rectangular": s.rectangular,
        "upright_object": _bounded(s.standing, 0, 1) * _bounded(s.wall, 0, 1.2),
        "box_like": _bounded(s.standing, 0, 1) * s.wall * _bounded(1 - s.level / 0.2, 0, 1),
        # What stood there stood steeper than earth that was poured can lie (38° of the loosest rock).
        "too_steep_to_lie": _bounded(s.standing, 0, 1) * _bounded(s.steep - REPOSE, 0, 2.5),
        "ln_steep": _ln(s.steep),
        "ln_height_m": _ln(e.median_m),
        "ln_area_m2": _ln(e.area_m2),
        "thin_layer": _bounded(1 - s.uneven / 0.3, 0, 1) * _bounded(s.edge_share, 0, 1),
        "curled_up": 2 * _bounded(s.open_edge, 0, 0.5) * _bounded(s.towards_end, 0, 1),
        # Under plants the ground goes on as it does around them; in workings both surfaces are broken.
        "rough_both": min(_bounded(s.rough_high, 0, 3), _bounded(s.rough_low, 0, 3)),
        "taller_than_crops": e.median_m * (1 + 1.28 * _bounded(s.uneven, 0, 3)) - CROP_M,
        # What needs no side to be resolved: more height than so little ground can carry of loose earth.
        "higher_than_heaped": _bounded(s.standing, 0, 1) * _ln(s.piled),
        # Who digs a trench digs it straight; water winds.
        "straight_strip": _bounded(2 * s.rectangular - 1, 0, 1) * max(0.0, _ln(s.elongation) - 1.2),
        "ln_cells_wide": _ln(s.cells_wide) if s.cells_wide > 0 else 2.3,
        # Of a pit the later surface breaks with the ground around, of a crop that went the earlier.
        "odd_when_high": s.odd_high,
        "foretold": s.foretold,
        "ln_cells_moved": _ln(s.cells_moved),
        "coherent": s.coherent,
        "at_repose": s.at_repose,
        "hollow_before": s.hollow,
        "crest_before": -s.hollow,
        "rougher_when_high": s.rougher_high,
        "ln_level_sigmas": _ln(s.level_sigmas),
        "level_as_water": 2 - s.level_sigmas,
        "deeper_within": s.deeper_within,
    }
    c = e.colour
    if c.before is not None and c.after is not None and c.change is not None:
        high, low = (c.after, c.before) if e.sign > 0 else (c.before, c.after)
        around = c.around_after if e.sign > 0 else c.around_before
        out |= {
            "green_high": high.vegetation,
            "green_low": low.vegetation,
            "wet_high": high.water,
            "wet_low": low.water,
            "bare_after": c.after.bare,
            "greener_than_around": high.vegetation
            - (around.vegetation if around is not None else high.vegetation),
            "level_and_dark": _bounded(-level / 2, 0, 1) * (1 - high.bare),
            "ln_colour_change": _ln(c.change),
            # Metres of digging change the colour; what a survey only guessed does not.
            "deep_but_unseen": _bounded(-_ln(c.change), 0, 2) * _bounded(e.median_m, 0, 1),
        }
    elif (c.before is None) != (c.after is None):
        when = SEEN[c.before is None]
        out |= _one_seen(e, when, level)
    return {name: _bounded(value, *BOUNDS[name]) for name, value in out.items()}


def _one_seen(e: Any, when: str, level: float) -> dict[str, float]:
    """What a single orthomosaic, that of the earlier or the later survey, shows of a region."""
    here, around = getattr(e.colour, when), getattr(e.colour, f"around_{when}")
    around = here if around is None else around
    stood = (when == "after") == (e.sign > 0)
    return {
        f"green_alone_{when}": here.vegetation,
        f"wet_alone_{when}": here.water,
        f"bare_alone_{when}": here.bare,
        f"greener_alone_{when}": here.vegetation - around.vegetation,
        f"barer_alone_{when}": here.bare - around.bare,
        f"level_and_dark_alone_{when}": _bounded(-level / 2, 0, 1) * (1 - here.bare) if stood else 0.0,
    }


def seen_alone(given: Mapping[str, float]) -> str | None:
    """The survey, "before" or "after", whose orthomosaic alone shows the region; None if both do or none."""
    return next((when for when in SEEN if f"green_alone_{when}" in given), None)


def names_of(weights: str) -> tuple[str, ...]:
    """The numbers that a set of weights weighs, by its name."""
    when = next((w for w in SEEN if weights.endswith(w)), None)
    if when is not None:
        return (*SHAPES, *(n for n in _ONE if n.endswith(f"_{when}")))
    return (*SHAPES, *COLOURS) if weights.endswith("colour") else SHAPES


def _ln(value: float) -> float:
    return math.log(max(value, 1e-4))


def _bounded(value: float, low: float, high: float) -> float:
    return low if not value > low else min(value, high)


PAIR_BOUND = 6.0
"""A product of two numbers says no more than this, in units of their scales."""


def with_pairs(z: NDArray[np.float64], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Standardised numbers (…, names), followed by the bounded products of some pairs of them."""
    products = np.clip(z[..., pairs[:, 0]] * z[..., pairs[:, 1]], -PAIR_BOUND, PAIR_BOUND)
    return np.concatenate([z, products], axis=-1)


@dataclass(frozen=True)
class Weights:
    """A multinomial logistic model: softmax(intercept + coefficients · (standardised numbers, products)).

    Products of two numbers let one say what another means: what stood above its surroundings is a heap if its
    faces go on, and a crown if they do not.
    """

    names: tuple[str, ...]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    intercept: NDArray[np.float64]  # (classes,)
    coefficients: NDArray[np.float64]  # (classes, names and pairs)
    pairs: NDArray[np.int64]  # (pairs, 2) places among the names

    def terms(self, given: Mapping[str, float]) -> NDArray[np.float64]:
        x = (np.array([given[n] for n in self.names]) - self.centre) / self.scale
        return with_pairs(x, self.pairs)

    def scores(self, given: Mapping[str, float]) -> NDArray[np.float64]:
        return self.intercept + self.coefficients @ self.terms(given)

    def speaking(
        self, given: Mapping[str, float], this: int, other: int, most: int = 3
    ) -> list[tuple[str, float]]:
        """The numbers that speak most for class ``this`` against ``other``, and by how much (in logits).

        What a product says is said by both of its numbers, half by each.
        """
        whole = (self.coefficients[this] - self.coefficients[other]) * self.terms(given)
        push, products = whole[: len(self.names)], whole[len(self.names) :]
        for side in (0, 1):
            push = push + np.bincount(self.pairs[:, side], 0.5 * products, minlength=len(self.names))
        order = np.argsort(-push, kind="stable")[:most]
        return [(self.names[k], float(push[k])) for k in order if push[k] > 0.2]


@dataclass(frozen=True)
class Model:
    provenance: dict[str, Any]
    weights: dict[str, Weights]  # "cut", "cut with colour", "cut seen before", "cut seen after"; "fill" alike
    slope: float = 1.0  # of the log odds of digging, from what such odds came to on scenes left out
    shift: float = 0.0


def places(names: Sequence[str], pairs: Iterable[Sequence[str]]) -> NDArray[np.int64]:
    """(pairs, 2) places of named pairs among the names."""
    return np.array([[names.index(n) for n in pair] for pair in pairs], np.int64).reshape(-1, 2)


@lru_cache(maxsize=1)
def model() -> Model:
    """The model that ships with the program."""
    raw = json.loads(files("survey.volumetrics").joinpath("telling_model.json").read_text("utf-8"))
    return Model(
        raw["provenance"],
        {
            name: Weights(
                tuple(w["names"]),
                np.array(w["centre"], np.float64),
                np.array(w["scale"], np.float64),
                np.array(w["intercept"], np.float64),
                np.array(w["coefficients"], np.float64),
                places(w["names"], w["pairs"]),
            )
            for name, w in raw["weights"].items()
        },
        **{name: raw["calibration"][name] for name in ("slope", "shift") if "calibration" in raw},
    )


def as_one(e: Any) -> dict[str, float]:
    """Numbers of a region as it is, or with the form of all it encloses: what looks more like digging."""
    own = numbers(e)
    if e.shape.whole is None:
        return own
    width, elongation, rectangular = e.shape.whole
    shape = replace(e.shape, width_m=width, elongation=elongation, rectangular=rectangular)
    body = numbers(_Seen(e.sign, e.area_m2, e.median_m, e.certainty, shape, e.colour))
    return max((own, body), key=lambda given: probabilities(e.sign, given)[DIGGING])


@dataclass(frozen=True)
class _Seen:
    sign: int
    area_m2: float
    median_m: float
    certainty: float
    shape: Any
    colour: Any


def which_weights(sign: int, given: Mapping[str, float]) -> str:
    alone = seen_alone(given)
    way = " with colour" if COLOURS[0] in given else _ALONE[alone] if alone else ""
    return ("fill" if sign > 0 else "cut") + way


def probabilities(sign: int, given: Mapping[str, float]) -> dict[str, float]:
    """Probability of each class."""
    scores = model().weights[which_weights(sign, given)].scores(given)
    p = np.exp(scores - scores.max())
    return dict(zip(CLASSES, (p / p.sum()).tolist(), strict=True))


def calibrated(p: Mapping[str, float]) -> dict[str, float]:
    """The probabilities with digging as likely as such odds proved to be; the others share what is left.

    A model that is held back by its penalty says less than it knows: its log odds are stretched and moved
    (Platt 1999) by two numbers of ``telling_model.json``.
    """
    m = model()
    digging = min(max(p[DIGGING], 1e-9), 1 - 1e-9)
    now = 1 / (1 + math.exp(-m.slope * math.log(digging / (1 - digging)) - m.shift))
    rest = (1 - now) / (1 - digging)
    return {name: now if name == DIGGING else value * rest for name, value in p.items()}
