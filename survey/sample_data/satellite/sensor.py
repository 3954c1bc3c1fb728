"""How the satellite sees the land: blur, a grid that is not quite in place, gain, haze, cloud, shadow,
noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.sample_data.satellite.land import FINE, fractal
from survey.sample_data.satellite.materials import WAVELENGTH_UM


@dataclass(frozen=True)
class Sensor:
    """What does not change from scene to scene."""

    blur_cells: float  # 1 σ of the point spread beyond the cell itself
    noise_floor: float  # reflectance
    noise_part: float  # of reflectance
    gain_common: float  # 1 σ, ln
    gain_band: float
    offset: float  # 1 σ, reflectance, in the visible
    shift_cells: float  # 1 σ
    haze: float  # typical reflectance added in the blue on a hazy day
    cloudy: float  # share of scenes with cloud
    mask_misses: float  # share of thin cloud that the delivered mask leaves in


def draw_sensor(rng: np.random.Generator) -> Sensor:
    return Sensor(
        blur_cells=rng.uniform(0.15, 0.45),
        noise_floor=rng.uniform(0.001, 0.004),
        noise_part=rng.uniform(0.005, 0.015),
        gain_common=rng.uniform(0.01, 0.10),
        gain_band=rng.uniform(0.005, 0.035),
        offset=rng.uniform(0.0, 0.006),
        shift_cells=rng.uniform(0.05, 0.30),
        haze=rng.uniform(0.005, 0.035),
        cloudy=rng.uniform(0.3, 0.75),
        mask_misses=rng.uniform(0.0, 0.5),
    )


def _sampling(cells: int, shift: float, blur_cells: float) -> NDArray[np.float32]:
    """(cells, fine) weights of the fine cells in each cell of a blurred grid moved by ``shift`` cells."""
    fine = (np.arange(cells * FINE) + 0.5) / FINE
    centre = np.arange(cells) + 0.5 + shift
    away = np.abs(fine[None, :] - centre[:, None])
    box = np.clip((0.5 - away) * FINE + 0.5, 0.0, 1.0)
    if blur_cells > 0:
        reach = math.ceil(4 * blur_cells * FINE)
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / FINE / blur_cells) ** 2)
        box = np.apply_along_axis(lambda line: np.convolve(line, kernel / kernel.sum(), "same"), 1, box)
    return (box / box.sum(1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Sky:
    """Cloud and shadow of one scene, per cell, 0 to 1."""

    cloud: NDArray[np.float32]
    shadow: NDArray[np.float32]
    haze: NDArray[np.float32]


def draw_sky(rng: np.random.Generator, cells: int, sensor: Sensor, wetness: float) -> Sky:
    shape = (cells, cells)
    zero = np.zeros(shape, np.float32)
    haze = zero
    if rng.random() < 0.5:
        patchy = np.clip(1.0 + rng.uniform(0.0, 0.9) * fractal(rng, shape, 3.4), 0.0, 3.0)
        haze = (rng.exponential(sensor.haze) * patchy).astype(np.float32)
    if rng.random() > sensor.cloudy * (0.6 + 0.8 * wetness):
        return Sky(zero, zero, haze)
    share = float(np.clip(rng.beta(0.7, 1.4) * (0.7 + 0.6 * wetness), 0.0, 1.0))
    rough = rng.uniform(2.2, 3.6)
    field = fractal(rng, shape, rough)
    edge = rng.uniform(0.15, 0.8)
    level = np.quantile(field, 1.0 - share) if share < 0.995 else field.min() - 1.0
    cloud = np.clip((field - level) / edge, 0.0, 1.0) * rng.uniform(0.6, 1.0)
    if rng.random() < 0.4:  # small fair-weather cumulus
        small = fractal(rng, shape, 2.0)
        cloud = np.maximum(cloud, np.clip((small - rng.uniform(2.0, 2.8)) / 0.5, 0.0, 1.0))
    if rng.random() < 0.25:  # a thin veil
        cloud = np.maximum(cloud, np.clip(0.12 + 0.10 * fractal(rng, shape, 3.6), 0.0, 0.4))
    away, side = rng.uniform(8.0, 45.0), rng.uniform(-0.9, 0.9)
    drop = round(-away * math.cos(side)), round(-away * math.sin(side))
    shadow = np.zeros(shape)
    padded = np.pad(cloud, 60, mode="reflect" if cells > 60 else "edge")
    shadow = padded[60 - drop[0] : 60 - drop[0] + cells, 60 - drop[1] : 60 - drop[1] + cells]
    return Sky(cloud.astype(np.float32), (shadow * (cloud < 0.3)).astype(np.float32), haze)


_HAZE_COLOUR = (WAVELENGTH_UM / 0.49) ** -1.6


def observe(
    rng: np.random.Generator,
    fine: NDArray[np.float32],
    sensor: Sensor,
    sky: Sky,
    shift: tuple[float, float],
    cloud_colour: NDArray[np.float64],
) -> NDArray[np.float32]:
    """(band, row, col) reflectance as delivered, from the (band, fine row, fine col) ground."""
    cells = fine.shape[1] // FINE
    down = _sampling(cells, shift[0], sensor.blur_cells)
    across = _sampling(cells, shift[1], sensor.blur_cells)
    seen = np.einsum("rf,bfc->brc", down, fine, optimize=True)
    seen = np.einsum("brf,cf->brc", seen, across, optimize=True)
    dark = np.exp(-np.linspace(0.75, 1.25, 6))[:, None, None] * 0.85
    seen = seen * (1.0 - sky.shadow[None] * (1.0 - dark))
    seen = seen + _HAZE_COLOUR[:, None, None] * sky.haze[None] * (1.0 - seen)
    thick = sky.cloud[None]
    veil = np.clip(thick * np.linspace(1.0, 0.8, 6)[:, None, None], 0.0, 1.0)
    seen = seen * (1.0 - veil) + veil * cloud_colour[:, None, None] * (0.85 + 0.3 * thick)
    gain = np.exp(sensor.gain_common * rng.normal() + sensor.gain_band * rng.normal(size=6))
    offset = sensor.offset * rng.normal() * _HAZE_COLOUR
    seen = seen * gain[:, None, None] + offset[:, None, None]
    sigma = sensor.noise_floor + sensor.noise_part * np.abs(seen)
    return np.clip(seen + sigma * rng.normal(size=seen.shape), 0.0001, 1.6).astype(np.float32)


def delivered_mask(
    rng: np.random.Generator, sky: Sky, sensor: Sensor, bright: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """1 clear, 2 cloud, 3 shadow: as a provider makes it, missing thin cloud and now and then a bright
    floor."""
    level = 0.12 if rng.random() > sensor.mask_misses else rng.uniform(0.2, 0.45)
    out = np.ones(sky.cloud.shape, np.uint8)
    out[sky.shadow > level * 1.5] = 3
    out[sky.cloud > level] = 2
    if rng.random() < 0.25:
        out[bright] = 2
    return out
