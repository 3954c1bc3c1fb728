"""What lies on the ground by its colour: vegetation, water, bare ground, shadow, with a probability for each.

Evidence, not a verdict: a pit can be dug among trees, and muddy water has the colour of mud. Each class
gets a score that is linear in a few colour indices, and the scores become probabilities by softmax: near
the border between two classes both keep a share, and where no class fits, or nothing was photographed, the
share goes to ``unknown``. The indices that are used depend on the bands that there are:

* red, green, blue: excess green 2g − r − b and b − r of the chromatic coordinates (Woebbecke et al. 1995),
  brightness, and the smoothness of the surface if ``texture`` is given;
* with near infrared: NDVI (Rouse et al. 1974) and NDWI (McFeeters 1996) take the lead;
* with short-wave infrared: MNDWI (Xu 2006) for water.

A missing band is never replaced by another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import InputRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CLASSES = ("vegetation", "water", "bare", "shadow", "unknown")

# Where an index says "as likely as not", and the step over which that turns to e to 1. Between green
# leaves and soils of red, yellow or grey hue the excess green of daylight photographs falls to about 0.1;
# NDVI of dry, open scrub is 0.2 to 0.3, of bare soil below 0.15.
_EXCESS_GREEN = (0.085, 0.02)
_NDVI = (0.22, 0.035)
_NDWI = (0.02, 0.05)
_MNDWI = (0.05, 0.06)
_BLUE_OVER_RED = (0.07, 0.02)  # water and sky-lit shadow; soils lie below zero, asphalt and slate up to 0.05
_DARK = (0.17, 0.035)  # brightest band, parts of white
_VERY_DARK = (0.07, 0.02)
_SMOOTH = (0.012, 0.004)  # standard deviation of brightness inside a cell
_DOUBT = -1.6  # score of "none of these"
_SURE = 4.0  # colour alone is never surer than e^4 to 1


@dataclass(frozen=True, slots=True)
class Cover:
    """Probabilities of what lies in each cell, float32 (rows, cols), 0 to 1; the five sum to one.

    ``unknown`` is one where nothing was photographed. ``uses`` names the bands that were looked at.
    """

    vegetation: NDArray[np.float32]
    water: NDArray[np.float32]
    bare: NDArray[np.float32]
    shadow: NDArray[np.float32]
    unknown: NDArray[np.float32]
    uses: tuple[str, ...]

    def means(self, weight: NDArray[np.floating] | None = None) -> dict[str, float]:
        """Mean share of each class over the piece, weighted; NaN without weight."""
        if weight is None:
            weight = np.ones(self.bare.shape)
        total = float(np.sum(weight, dtype=np.float64))
        return {
            name: float(np.sum(weight * getattr(self, name), dtype=np.float64) / total)
            if total > 0
            else np.nan
            for name in CLASSES
        }


def cover(bands: Mapping[str, NDArray[np.floating]]) -> Cover:
    """Classify averaged bands, as ``Ortho.read`` gives them.

    Parameters
    ----------
    bands:
        Arrays of one shape by name, parts of white, NaN where not photographed. At least ``red``,
        ``green`` and ``blue``, or ``red`` and ``nir``. ``texture`` (standard deviation of brightness in
        the cell) sharpens water and vegetation.

    Raises
    ------
    InputRefused
        Too few bands to say anything.
    """
    has_rgb = {"red", "green", "blue"} <= set(bands)
    has_nir = {"red", "nir"} <= set(bands)
    if not (has_rgb or has_nir):
        raise InputRefused(
            f"the bands {', '.join(sorted(bands)) or '(none)'} cannot show what lies on the ground",
            expected="red, green and blue, or red and near infrared",
            mend="Name the bands in the job file if the file itself does not.",
        )
    colours = [name for name in ("red", "green", "blue", "nir") if name in bands]
    seen = np.logical_and.reduce([np.isfinite(bands[name]) for name in colours])
    here = {
        name: np.clip(np.asarray(value)[seen].astype(np.float64), 0, None) for name, value in bands.items()
    }
    used = list(colours)
    visible = [name for name in ("red", "green", "blue") if name in here]
    bright = np.maximum.reduce([here[name] for name in visible])
    dark = _side(_DARK, -bright, flip=True)
    very_dark = _side(_VERY_DARK, -bright, flip=True)

    vegetation = np.zeros_like(bright)
    water = np.full_like(bright, -2.0)
    shadow = dark
    bare = np.zeros_like(bright)
    if has_rgb:
        total = here["red"] + here["green"] + here["blue"]
        safe = np.maximum(total, 1e-4)
        green = 3 * here["green"] / safe - 1
        blue = (here["blue"] - here["red"]) / safe
        # Where a cell is all but black its hue is noise of the camera.
        hue = np.clip(total / 0.4, 0, 1)
        greener, bluer = _side(_EXCESS_GREEN, green) * hue, _side(_BLUE_OVER_RED, blue) * hue
        weight = 0.35 if has_nir else 1.0
        vegetation = weight * (greener - 1.2 * np.maximum(bluer + 1.5, 0))
        # Turquoise is both green and blue; leaves are not bluer than they are red.
        # Sky-lit shadow is as blue as water, so blue says less of a dark cell.
        water = -2.0 + np.minimum(bluer, 4) * (0.5 if has_nir else 1.0) * np.where(dark > 0, 0.6, 1.0)
        shadow = shadow + 0.25 * np.clip(bluer, -4, 4)
        bare = weight * (0.4 * np.clip(-greener, 0, 3) - 0.5 * np.maximum(bluer, 0))
    if has_nir:
        leaf = _nd(here["nir"], here["red"])
        vegetation = vegetation + _side(_NDVI, leaf)
        bare = bare - 0.4 * np.maximum(_side(_NDVI, leaf), 0)
        if "green" in here:
            wet = _side(_NDWI, _nd(here["green"], here["nir"]))
            # In shadow the sky lights the ground, which is blue: the index then overshoots.
            water = np.where(very_dark > 0, np.minimum(water + 0.6 * wet, 1.5), water + 0.9 * wet)
            bare = bare - 0.5 * np.maximum(wet, 0)
    if {"swir1", "green"} <= set(here):
        swir = np.nan_to_num(here["swir1"])
        water = water + 0.7 * _side(_MNDWI, _nd(here["green"], swir))
        used.append("swir1")
    # Green that is plainly seen is a leaf even in shadow; dark ground without it is shadow.
    bare = bare - np.maximum(dark, 0)
    vegetation = vegetation - 0.5 * np.maximum(very_dark, 0)
    if "texture" in here:
        rough = here["texture"]
        # Smoothness in proportion to brightness: camera noise and relief both scale with the light.
        smooth = np.where(np.isfinite(rough), _side(_SMOOTH, -rough, flip=True), 0.0)
        smooth = np.clip(smooth, -3, 3)
        water = water + 0.5 * smooth
        vegetation = vegetation - 0.35 * smooth
        shadow = shadow - 0.15 * smooth
        used.append("texture")

    scores = np.stack([vegetation, water, bare, shadow, np.full_like(bare, _DOUBT)])
    scores = np.exp(np.clip(scores, -_SURE, _SURE))
    share = scores / scores.sum(axis=0)
    out = {}
    for name, part in zip(CLASSES, share, strict=True):
        whole = np.full(seen.shape, 1.0 if name == "unknown" else 0.0, np.float32)
        whole[seen] = part
        out[name] = whole
    return Cover(**out, uses=tuple(used))


def _side(
    limit: tuple[float, float], value: NDArray[np.float64], *, flip: bool = False
) -> NDArray[np.float64]:
    """Distance past ``limit[0]`` in steps of ``limit[1]``; ``flip`` if ``value`` is the negated index."""
    middle, step = limit
    return np.clip((value + middle if flip else value - middle) / step, -8, 8)


def _nd(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    total = one + other
    return np.where(total > 1e-4, (one - other) / np.maximum(total, 1e-4), 0.0)
