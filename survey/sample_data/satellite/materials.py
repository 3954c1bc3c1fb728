"""What the ground is made of: surface reflectance in six bands, and how far one place differs from another.

The values are typical of published field and image spectra (blue 0.49, green 0.56, red 0.665, NIR 0.84,
SWIR 1.61 and 2.19 µm). They are starting points only: every world warps every material by a smooth random
curve, so that no two worlds share a spectrum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
WAVELENGTH_UM = np.array([0.490, 0.560, 0.665, 0.842, 1.610, 2.190])

_LIBRARY: dict[str, tuple[float, float, float, float, float, float]] = {
    # plants
    "leaf": (0.030, 0.060, 0.036, 0.420, 0.190, 0.085),
    "canopy": (0.022, 0.038, 0.026, 0.290, 0.130, 0.055),
    "straw": (0.090, 0.130, 0.180, 0.290, 0.340, 0.230),
    # soils
    "black_soil": (0.050, 0.064, 0.082, 0.115, 0.175, 0.155),
    "red_soil": (0.052, 0.082, 0.150, 0.225, 0.295, 0.245),
    "alluvium": (0.092, 0.122, 0.162, 0.222, 0.300, 0.258),
    "sandy_soil": (0.130, 0.180, 0.250, 0.320, 0.390, 0.345),
    "stony_ground": (0.100, 0.120, 0.145, 0.185, 0.235, 0.210),
    "river_sand": (0.200, 0.255, 0.315, 0.375, 0.430, 0.390),
    # what is dug
    "granite": (0.200, 0.230, 0.260, 0.290, 0.325, 0.300),
    "basalt": (0.092, 0.101, 0.112, 0.126, 0.155, 0.146),
    "limestone": (0.290, 0.330, 0.370, 0.410, 0.440, 0.370),
    "marble": (0.470, 0.510, 0.540, 0.570, 0.570, 0.490),
    "sandstone": (0.180, 0.240, 0.330, 0.410, 0.470, 0.420),
    "iron_ore": (0.058, 0.068, 0.110, 0.130, 0.200, 0.190),
    "laterite": (0.075, 0.112, 0.210, 0.300, 0.360, 0.285),
    "kaolin": (0.280, 0.350, 0.430, 0.500, 0.510, 0.350),
    "coal": (0.032, 0.034, 0.037, 0.043, 0.058, 0.062),
    "shale": (0.085, 0.100, 0.118, 0.140, 0.180, 0.160),
    # what is built
    "concrete": (0.170, 0.190, 0.212, 0.240, 0.262, 0.250),
    "metal_roof": (0.280, 0.292, 0.300, 0.312, 0.300, 0.280),
    "blue_sheet": (0.250, 0.222, 0.172, 0.230, 0.262, 0.222),
    "tile_roof": (0.080, 0.102, 0.172, 0.240, 0.282, 0.240),
    "asphalt": (0.080, 0.090, 0.100, 0.114, 0.130, 0.125),
    "solar_panel": (0.062, 0.058, 0.056, 0.075, 0.085, 0.090),
    "plastic_house": (0.280, 0.320, 0.340, 0.440, 0.380, 0.280),
    # fire and water
    "char": (0.034, 0.038, 0.045, 0.062, 0.105, 0.095),
    "ash": (0.120, 0.130, 0.140, 0.165, 0.210, 0.195),
    "clear_water": (0.042, 0.040, 0.022, 0.012, 0.006, 0.004),
    "muddy_water": (0.080, 0.110, 0.120, 0.060, 0.018, 0.012),
    "green_water": (0.040, 0.068, 0.045, 0.050, 0.014, 0.010),
    "quarry_water": (0.090, 0.122, 0.080, 0.028, 0.009, 0.007),
    # weather
    "cloud": (0.620, 0.620, 0.620, 0.640, 0.480, 0.380),
}

SOILS = ("black_soil", "red_soil", "alluvium", "sandy_soil", "stony_ground")
ROCKS = (
    "granite",
    "basalt",
    "limestone",
    "marble",
    "sandstone",
    "iron_ore",
    "laterite",
    "kaolin",
    "coal",
    "shale",
)
ROOFS = ("concrete", "metal_roof", "blue_sheet", "tile_roof")
WATERS = ("clear_water", "muddy_water", "green_water", "quarry_water")

WET_DARKENING = np.array([0.36, 0.36, 0.36, 0.36, 0.50, 0.62])
"""ln of how much darker wet ground is than dry: water absorbs most in the short-wave infrared."""


def _smooth_warp(rng: np.random.Generator, level: float, tilt: float, bend: float) -> NDArray[np.float64]:
    x = (np.log(WAVELENGTH_UM) - np.log(0.9)) / 0.8
    return level * rng.normal() + tilt * rng.normal() * x + bend * rng.normal() * (x * x - 0.5)


class Palette:
    """The materials of one world."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._spectra: dict[str, NDArray[np.float64]] = {}
        for name, values in _LIBRARY.items():
            spread = 0.4 if name in WATERS or name == "cloud" else 1.0
            warp = _smooth_warp(rng, 0.16 * spread, 0.10 * spread, 0.05 * spread)
            own = rng.normal(0.0, 0.02 * spread, len(BANDS))
            self._spectra[name] = np.clip(np.array(values) * np.exp(warp + own), 0.002, 0.9)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self._spectra[name]

    def near(self, rng: np.random.Generator, name: str, amount: float = 1.0) -> NDArray[np.float64]:
        """One field, roof or face of a material: like its kind, and not equal to it."""
        warp = _smooth_warp(rng, 0.08 * amount, 0.04 * amount, 0.02 * amount)
        return np.clip(self._spectra[name] * np.exp(warp), 0.002, 0.9)

    def mix(self, parts: dict[str, float]) -> NDArray[np.float64]:
        total = sum(parts.values())
        return sum(
            (share / total * self._spectra[name] for name, share in parts.items()), np.zeros(len(BANDS))
        )


def wetted(dry: NDArray[np.float64], moisture: float) -> NDArray[np.float64]:
    """Ground at ``moisture`` 0 (dry) to 1 (soaked)."""
    return dry * np.exp(-WET_DARKENING * moisture)
