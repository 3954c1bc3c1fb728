"""What a survey does to the truth: noise, bias, tilt, dome, shift and scale, each as a stated number."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from .fields import Covariance, Floats, correlated_noise


@dataclass(frozen=True)
class ErrorModel:
    """The errors of one survey. 1 σ for the random ones, signed values for the systematic ones.

    ``height seen(p) = height(q) + bias + tilt·(p − c) + dome·|p − c|² + z_scale·(height − mean) + noise``
    with ``q = c + (p − shift − c)·(1 − plan_scale)``: the survey shows the world ``shift`` metres farther
    east/north than it is. ``c`` is the centre of the scene.
    """

    random_m: float = 0.02  # white, on flat smooth ground
    slope_factor: float = 1.0  # σ(slope) = random_m · (1 + slope_factor · tan slope)
    correlated_m: float = 0.015
    range_m: float = 25.0  # effective range: see fields.correlation
    covariance: Covariance = "gaussian"
    bias_m: float = 0.0
    tilt_east: float = 0.0  # m/m
    tilt_north: float = 0.0
    dome_m_km2: float = 0.0
    east_m: float = 0.0
    north_m: float = 0.0
    z_scale: float = 0.0
    plan_scale: float = 0.0
    canopy_m: float = 0.25  # extra white noise on trees and crops
    water_m: float = 0.12  # extra noise on water, in patches

    def as_dict(self) -> dict[str, float | str]:
        return asdict(self)


def source_of(
    error: ErrorModel, east: Floats, north: Floats, centre: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Where in the world the survey took what it shows at (east, north)."""
    if error.plan_scale == 0:  # keeps round coordinates exact
        return east - error.east_m, north - error.north_m
    s = 1 - error.plan_scale
    return (
        centre[0] + (east - error.east_m - centre[0]) * s,
        centre[1] + (north - error.north_m - centre[1]) * s,
    )


def systematic(error: ErrorModel, east: Floats, north: Floats, centre: tuple[float, float]) -> Floats:
    """Bias + tilt + dome at (east, north), metres; broadcasts."""
    de, dn = east - centre[0], north - centre[1]
    return (
        error.bias_m
        + error.tilt_east * de
        + error.tilt_north * dn
        + error.dome_m_km2 * 1e-6 * (de * de + dn * dn)
    )


def noise(
    error: ErrorModel,
    rng: np.random.Generator,
    tan_slope: Floats,
    cell_m: tuple[float, float],
) -> Floats:
    """White noise that grows with slope plus correlated noise, metres, on the cells of ``tan_slope``."""
    total = np.zeros(tan_slope.shape)
    if error.random_m:
        sigma = error.random_m * (1 + error.slope_factor * np.minimum(tan_slope, 4.0))
        total += sigma * rng.standard_normal(tan_slope.shape)
    if error.correlated_m:
        total += error.correlated_m * correlated_noise(
            rng, tan_slope.shape, cell_m, error.range_m, error.covariance
        )
    return total


def pair_sigma_m(before: ErrorModel, after: ErrorModel) -> float:
    """1 σ of the difference on flat bare ground: random and correlated parts of both surveys."""
    return float(
        np.sqrt(before.random_m**2 + before.correlated_m**2 + after.random_m**2 + after.correlated_m**2)
    )


def alignment_truth(before: ErrorModel, after: ErrorModel) -> dict[str, float]:
    """What must be added to the later survey to lay it on the earlier one, about the scene's centre.

    To first order: a shift on tilted or domed errors and the scales are left out; they are below a
    millimetre at the sizes used, but for ``z_scale``, which alignment does not model.
    """
    return {
        "east_m": before.east_m - after.east_m,
        "north_m": before.north_m - after.north_m,
        "up_m": before.bias_m - after.bias_m,
        "tilt_east": before.tilt_east - after.tilt_east,
        "tilt_north": before.tilt_north - after.tilt_north,
        "dome_m_km2": before.dome_m_km2 - after.dome_m_km2,
    }
