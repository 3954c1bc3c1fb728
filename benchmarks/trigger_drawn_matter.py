"""Matter of the fourth maker of watches: no library, only laws with wide bounds, drawn anew for each world.

Every function returns the dry hemispherical reflectance in the six bands. What bounds a draw is what soils,
rocks, plants, waters and roofs at large do: ln reflectance climbs along the wave in a few steps whose sizes
vary. Nothing here knows what a mine is made of.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

WAVE_UM = np.array([0.49, 0.56, 0.665, 0.842, 1.61, 2.19])
Array = NDArray[np.float64]


def _stepped(level: float, blue: float, mid: float, nir: float, swir1: float, swir2: float) -> Array:
    """From the reflectance in the red and the steps of its logarithm from band to band."""
    red = math.log(level)
    steps = [red - blue, red - blue * (1 - mid), red, red + nir, red + nir + swir1, red + nir + swir1 + swir2]
    return np.clip(np.exp(steps), 0.004, 0.78)


def soil(rng: np.random.Generator) -> Array:
    level = math.exp(rng.uniform(math.log(0.06), math.log(0.33)))
    return _stepped(
        level,
        rng.uniform(0.3, 1.2),
        rng.uniform(0.35, 0.6),
        rng.uniform(0.12, 0.5),
        rng.uniform(0.05, 0.45),
        rng.uniform(-0.32, -0.03),
    )


def rock(rng: np.random.Generator) -> Array:
    """Rock, waste, ore, gravel: from coal to marble."""
    level = math.exp(rng.uniform(math.log(0.035), math.log(0.52)))
    grey = rng.random() < 0.55
    return _stepped(
        level,
        rng.uniform(0.0, 0.35) if grey else rng.uniform(0.3, 1.2),
        rng.uniform(0.35, 0.65),
        rng.uniform(0.0, 0.2) if grey else rng.uniform(0.08, 0.45),
        rng.uniform(-0.05, 0.4),
        rng.uniform(-0.4, 0.08),
    )


def roof(rng: np.random.Generator) -> Array:
    """Sheet, tile, concrete, tar, plastic, glass: nearly grey, coloured or fired clay."""
    level = math.exp(rng.uniform(math.log(0.06), math.log(0.5)))
    kind = rng.random()
    if kind < 0.2:
        return _stepped(
            level, rng.uniform(0.4, 1.0), 0.45, rng.uniform(0.1, 0.35), rng.uniform(0.0, 0.3), -0.1
        )
    out = level * np.exp(rng.normal(0, 0.12) * np.linspace(-1, 1, 6) + rng.normal(0, 0.05, 6))
    if kind < 0.5:
        out[rng.integers(0, 3)] *= math.exp(rng.uniform(0.15, 0.5))
    return np.clip(out, 0.02, 0.75)


def leaf(rng: np.random.Generator, dark: float = 1.0) -> Array:
    low = np.array([0.018, 0.042, 0.022, 0.28, 0.13, 0.05])
    high = np.array([0.040, 0.090, 0.055, 0.50, 0.27, 0.14])
    return dark * (low + (high - low) * np.clip(rng.random() + rng.normal(0, 0.2, 6), 0, 1))


def straw(rng: np.random.Generator) -> Array:
    low = np.array([0.055, 0.085, 0.12, 0.20, 0.26, 0.16])
    high = np.array([0.115, 0.165, 0.23, 0.34, 0.44, 0.33])
    return low + (high - low) * np.clip(rng.random() + rng.normal(0, 0.15, 6), 0, 1)


def water(rng: np.random.Generator) -> Array:
    silt, algae = rng.uniform(0, 1) ** 1.5, rng.uniform(0, 1) ** 2
    deep = rng.uniform(0.6, 1.3)
    out = np.array(
        [
            0.040 + 0.05 * silt - 0.01 * algae,
            0.040 + 0.09 * silt + 0.03 * algae,
            0.022 + 0.12 * silt + 0.005 * algae,
            0.012 + 0.06 * silt**1.5 + 0.04 * algae,
            0.006 + 0.012 * silt,
            0.004 + 0.008 * silt,
        ]
    )
    return np.maximum(out * deep, 0.002)


def char(rng: np.random.Generator) -> Array:
    return rng.uniform(0.025, 0.05) * np.array([0.9, 0.95, 1.0, 1.0, 1.0, 1.0]) * np.exp(
        rng.uniform(0.5, 1.2) * np.array([0, 0.05, 0.2, 0.55, 1.0, 0.95])
    )  # fmt: skip


def cloud(rng: np.random.Generator) -> Array:
    return rng.uniform(0.42, 0.75) * np.array(
        [1.0, 0.99, 0.99, 1.0, rng.uniform(0.65, 0.9), rng.uniform(0.5, 0.75)]
    )


def darkening(rng: np.random.Generator) -> Array:
    """ln of how much darker soaked ground is; water takes most from the short-wave infrared."""
    first = rng.uniform(0.2, 0.6)
    return first + (rng.uniform(0.45, 0.95) - first) * np.array([0, 0.02, 0.06, 0.15, 0.65, 1.0])


def kin(rng: np.random.Generator, spectrum: Array, amount: float) -> Array:
    """Of the same kind and not the same: ``amount`` is the spread of ln reflectance."""
    tilt = rng.normal(0, 0.5 * amount) * np.linspace(-1, 1, 6)
    return np.clip(
        spectrum * np.exp(rng.normal(0, amount) + tilt + rng.normal(0, 0.2 * amount, 6)), 0.003, 0.8
    )


def mixed(a: Array, b: Array, share_of_b: float) -> Array:
    return (1 - share_of_b) * a + share_of_b * b
