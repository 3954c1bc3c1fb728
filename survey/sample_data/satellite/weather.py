"""A year of the monsoon: rain, wet ground, grass and leaves, on days counted from the first of the series."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Weather:
    """Daily values of one place. Arrays are indexed by days since ``start``."""

    start: date
    moisture: NDArray[np.float64]  # of bare ground, 0 to 1
    grass: NDArray[np.float64]  # green cover of rain-fed grass, 0 to 1
    leaves: NDArray[np.float64]  # of deciduous trees, 0 to 1
    store: NDArray[np.float64]  # water in tanks and rivers, 0 to about 1

    def day(self, when: date) -> int:
        return (when - self.start).days


def _bump(day_of_year: NDArray[np.float64], centre: float, width: float) -> NDArray[np.float64]:
    away = (day_of_year - centre + 182.5) % 365.0 - 182.5
    return np.exp(-0.5 * (away / width) ** 2)


def make_weather(rng: np.random.Generator, start: date, days: int, *, dryness: float) -> Weather:
    """``dryness`` shifts the whole climate: 0 humid coast, 1 arid plain. Years differ, monsoons slip."""
    doy = np.arange(days, dtype=np.float64) + start.timetuple().tm_yday
    doy %= 365.0
    year = np.arange(days) // 365
    years = int(year.max()) + 1
    strength = np.clip(rng.normal(1.0, 0.28, years), 0.4, 1.7)[year]
    slip = rng.normal(0.0, 10.0, years)[year]
    monsoon = _bump(doy - slip, 215.0, 36.0) * strength
    winter_rain = 0.10 * _bump(doy, 20.0, 20.0) + 0.05
    chance = np.clip((0.75 - 0.40 * dryness) * monsoon + winter_rain * (1.0 - 0.6 * dryness), 0.0, 0.95)
    rain = (rng.random(days) < chance) * rng.gamma(1.2, 0.35, days)

    moisture, grass, store = np.zeros(days), np.zeros(days), np.zeros(days)
    wet, green, water = 0.1, 0.2, 0.35
    for day in range(days):
        wet = min(1.0, wet * 0.80 + rain[day])
        green += 0.045 * (min(1.0, 1.8 * wet) - green) if wet > green else 0.022 * (wet - green)
        water = np.clip(water + 0.022 * rain[day] - 0.0032 * (1.0 + 0.6 * (1.0 - monsoon[day])), 0.03, 1.2)
        moisture[day], grass[day], store[day] = wet, green, water
    leaves = 1.0 - rng.uniform(0.3, 0.85) * _bump(doy, rng.normal(105.0, 10.0), rng.uniform(20.0, 38.0))
    return Weather(start, moisture, np.clip(grass, 0.0, 1.0), leaves, store)
