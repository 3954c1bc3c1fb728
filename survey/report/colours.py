"""Colours that the colour-blind can tell apart, and how a change in height becomes one.

Change runs from red (lower, cut) over pale to blue (higher, fill): the *RdBu* scale of ColorBrewer (Cynthia
Brewer, Mark Harrower and Penn State; Apache-2.0), which deuteranopes and protanopes can read because it never
sets red against green. Zones and site kinds use the eight colours of Okabe & Ito (2008), "Color Universal
Design", and differ in line style too, so that they survive a black-and-white copy.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CUT = ("#fddbc7", "#f4a582", "#d6604d", "#b2182b", "#67001f")
FILL = ("#d1e5f0", "#92c5de", "#4393c3", "#2166ac", "#053061")
NOT_SIGNIFICANT = "#b8b8b8"

OKABE_ITO = {
    "black": "#000000",
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "green": "#009e73",
    "yellow": "#f0e442",
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "purple": "#cc79a7",
}

ZONE = {"lease": OKABE_ITO["black"], "buffer": OKABE_ITO["blue"], "beyond": OKABE_ITO["purple"]}
SITE = {"pit": "#b2182b", "heap": "#2166ac", "backfill": OKABE_ITO["green"]}
CONTOUR = "#8a5a2b"
VERDICT = {
    "complies": OKABE_ITO["green"],
    "breaches": OKABE_ITO["vermilion"],
    "too close to call": OKABE_ITO["orange"],
    "not measured": "#767676",
    "not specified": "#767676",
    "exempt, for review": OKABE_ITO["blue"],
}
VERDICT_SIGN = {
    "complies": "✓",
    "breaches": "✗",
    "too close to call": "≈",
    "not measured": "–",
    "not specified": "–",
    "exempt, for review": "→",
}

_NICE = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


def rgb(colour: str) -> tuple[int, int, int]:
    """``#rrggbb`` as three bytes."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def scale_limit_m(largest_m: float) -> float:
    """The end of the colour scale: the first usual number not below what nearly all change stays under."""
    if not math.isfinite(largest_m):
        return _NICE[0]
    return next((nice for nice in _NICE if nice >= largest_m), _NICE[-1])


def legend(limit_m: float, level_m: float) -> list[dict[str, str | float]]:
    """The classes of the change picture from deepest cut to highest fill: low_m, high_m, colour."""
    level = min(level_m, 0.98 * limit_m)
    steps = _steps(level, limit_m) if level > 0 else [limit_m * k / 5 for k in range(6)]
    cut = [(-steps[k + 1], -steps[k], CUT[k]) for k in reversed(range(5))]
    fill = [(steps[k], steps[k + 1], FILL[k]) for k in range(5)]
    middle = [(-level, level, NOT_SIGNIFICANT)] if level > 0 else []
    return [{"low_m": low, "high_m": high, "colour": colour} for low, high, colour in cut + middle + fill]


def _steps(level_m: float, limit_m: float) -> list[float]:
    """Six edges from the level to the limit in equal ratios, rounded as far as they stay apart."""
    exact = [level_m * (limit_m / level_m) ** (k / 5) for k in range(1, 5)]
    for digits in (1, 2, 3):
        edges = [level_m, *(float(f"{edge:.{digits}g}") for edge in exact), limit_m]
        if all(b > a for a, b in pairwise(edges)):
            return edges
    return [level_m, *exact, limit_m]


def painted(rise_m: NDArray[np.float32], limit_m: float, level_m: float) -> NDArray[np.uint8]:
    """A change in height as RGBA, (rows, cols, 4); not measured is transparent, not significant half so."""
    out = np.zeros((*rise_m.shape, 4), np.uint8)
    known = np.isfinite(rise_m)
    classes = legend(limit_m, level_m)
    edges = [float(c["high_m"]) for c in classes[:-1]]
    which = np.digitize(np.where(known, rise_m, 0.0), edges)
    table = np.array(
        [(*rgb(str(c["colour"])), 80 if c["colour"] == NOT_SIGNIFICANT else 235) for c in classes], np.uint8
    )
    out[known] = table[which[known]]
    return out
