"""The land before anything new happens: parcels of ground, each with its own year.

The land lies on cells a third of the sensor's, so that a sensor cell mixes what lies in it. A parcel is a
number in ``Land.parcels``; ``Land.reflectance(day)`` gives the spectrum of every parcel on that day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from survey.sample_data.satellite.materials import Palette, wetted
from survey.sample_data.satellite.weather import Weather

FINE = 3
"""Fine cells along one side of a sensor cell."""


def fractal(rng: np.random.Generator, shape: tuple[int, int], beta: float) -> NDArray[np.float64]:
    """A random field with spectrum k^-beta, zero mean, unit variance."""
    rows, cols = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    k = np.hypot(rows, cols)
    k[0, 0] = np.inf
    phase = rng.normal(size=k.shape) + 1j * rng.normal(size=k.shape)
    out = np.fft.irfft2(phase * k ** (-beta / 2), s=shape)
    return (out - out.mean()) / out.std()


@dataclass
class Parcel:
    """One piece of ground. ``year`` says how green it is and how much straw lies on it, day by day."""

    kind: str
    ground: NDArray[np.float64]
    plant: NDArray[np.float64]
    green: NDArray[np.float64] | float = 0.0
    straw: NDArray[np.float64] | float = 0.0
    flooded: NDArray[np.float64] | float = 0.0
    water: NDArray[np.float64] | None = None
    tilled: NDArray[np.float64] | float = 0.0
    drains: float = 1.0  # how strongly rain darkens it

    def spectrum(self, day: int, weather: Weather, straw: NDArray[np.float64]) -> NDArray[np.float64]:
        def at(value: NDArray[np.float64] | float) -> float:
            return float(value[day]) if isinstance(value, np.ndarray) else float(value)

        bare = wetted(self.ground, self.drains * float(weather.moisture[day])) * math.exp(at(self.tilled))
        litter = at(self.straw)
        bare = (1 - litter) * bare + litter * straw
        if self.water is not None:
            wet = at(self.flooded)
            bare = (1 - wet) * bare + wet * self.water
        cover = at(self.green)
        return (1 - cover) * bare + cover * self.plant


@dataclass
class Land:
    """Everything that was there at the start, on the fine grid."""

    shape: tuple[int, int]  # fine cells
    cell_m: float  # of a fine cell
    palette: Palette
    weather: Weather
    parcels: NDArray[np.int32]
    table: list[Parcel]
    texture: NDArray[np.float32]
    leases: list[NDArray[np.float64]]  # (n, 2) vertices, metres east/south of the north-west corner
    lease_masks: list[NDArray[np.bool_]]
    height_over_water: NDArray[np.float32]  # of tanks and rivers: the level at which a fine cell drowns
    water_parcel: NDArray[np.int32]
    soil: str
    rock: str
    settled: NDArray[np.bool_]
    wooded: NDArray[np.bool_]
    farmed: NDArray[np.bool_]
    extra: dict[str, int] = field(default_factory=dict)

    def reflectance(self, day: int) -> NDArray[np.float32]:
        """(parcel, band) on that day."""
        straw = self.palette["straw"]
        return np.stack([p.spectrum(day, self.weather, straw) for p in self.table]).astype(np.float32)

    def render(self, day: int) -> NDArray[np.float32]:
        """(band, row, col) of the fine grid on that day, before any event of the series."""
        which = self.parcels
        drowned = self.height_over_water < self.weather.store[day]
        which = np.where(drowned, self.water_parcel, which)
        out = self.reflectance(day)[which]
        out *= self.texture[..., None]
        return np.ascontiguousarray(np.moveaxis(out, -1, 0))


def polygon_mask(vertices: NDArray[np.float64], shape: tuple[int, int], cell_m: float) -> NDArray[np.bool_]:
    """Fine cells whose centre lies in the polygon (even-odd rule)."""
    y = (np.arange(shape[0]) + 0.5)[:, None] * cell_m
    x = (np.arange(shape[1]) + 0.5)[None, :] * cell_m
    inside = np.zeros(shape, bool)
    for (x0, y0), (x1, y1) in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        crosses = (y0 > y) != (y1 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = x0 + (y - y0) / (y1 - y0) * (x1 - x0)
        inside ^= crosses & (x < at)
    return inside
