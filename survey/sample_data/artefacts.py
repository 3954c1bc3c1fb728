"""What matching software and flight planning leave in a surface: spikes, guessed holes, seams, curled
edges and gaps. Each changes an array in place and says where, so that truth can list it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .fields import Floats


@dataclass(frozen=True)
class ArtefactOptions:
    """Counts and sizes, per survey."""

    spikes: int = 0
    smooth_holes: int = 0
    hole_radius_m: tuple[float, float] = (4.0, 12.0)
    seam_m: float = 0.0  # step along a flight-block line
    seam_fade_m: float = 40.0
    curl_m: float = 0.0  # rise at the rim of the survey
    curl_width_m: float = 25.0
    gaps: int = 0  # patches without data
    rim_m: float | None = None  # data end this far outside the lease, along a ragged line
    cut_side: str | None = None  # north | south | east | west: data end cut_m outside the lease there
    cut_m: float = 40.0


@dataclass(frozen=True)
class Patch:
    """Where an artefact is: a disc or, for seams, a line; in world coordinates."""

    kind: str
    east: float
    north: float
    radius_m: float
    size_m: float


def spikes(
    z: Floats, rng: np.random.Generator, count: int, where: Callable[[int, int], tuple[float, float]]
) -> list[Patch]:
    """Single cells (now and then two by two) metres off."""
    patches = []
    for _ in range(count):
        r, c = int(rng.integers(2, z.shape[0] - 3)), int(rng.integers(2, z.shape[1] - 3))
        size = float(rng.choice([-1, 1]) * rng.uniform(2, 15))
        wide = 2 if rng.random() < 0.2 else 1
        z[r : r + wide, c : c + wide] += size
        patches.append(Patch("spike", *where(r, c), 1.0, size))
    return patches


def smooth_hole(z: Floats, inside: NDArray[np.bool_]) -> None:
    """Replace what is inside by a guess from its rim: a quadratic fitted to a ring around, blended in.

    That is what gap-filling leaves: too smooth, and off by as much as the ground is rough.
    """
    from scipy.ndimage import binary_dilation

    rows, cols = np.nonzero(inside)
    if len(rows) == 0:
        return
    pad = 4
    window = (
        slice(max(rows.min() - pad, 0), rows.max() + pad + 1),
        slice(max(cols.min() - pad, 0), cols.max() + pad + 1),
    )
    part, mask = z[window], inside[window]
    ring = binary_dilation(mask, iterations=3) & ~mask & np.isfinite(part)
    if ring.sum() < 12:
        return
    v, u = np.mgrid[-1 : 1 : part.shape[0] * 1j, -1 : 1 : part.shape[1] * 1j]
    basis = np.stack([np.ones_like(u), u, v, u * v, u * u, v * v], axis=-1)
    fit, *_ = np.linalg.lstsq(basis[ring], part[ring], rcond=None)
    part[mask] = (basis @ fit)[mask]


def seam(distance_m: Floats, size_m: float, fade_m: float) -> Floats:
    """A step of ``size_m`` across the line where ``distance_m`` is zero, that dies out on its far side."""
    return np.where(distance_m > 0, size_m * np.exp(-distance_m / fade_m), 0.0)


def curl(rim_distance_m: Floats, size_m: float, width_m: float) -> Floats:
    """A rise towards the rim of the survey: size·(1 − d/width)² within ``width_m`` of it."""
    return size_m * np.clip(1 - rim_distance_m / width_m, 0, 1) ** 2


def line_distance(
    rng: np.random.Generator, east: Floats, north: Floats, centre: tuple[float, float], span_m: float
) -> tuple[Floats, float, float, float]:
    """Signed distance to a random straight line near the centre, a point on it, and its direction."""
    way = float(rng.uniform(0, 2 * math.pi))
    off = float(rng.uniform(-0.3, 0.3) * span_m)
    d = (east - centre[0]) * math.cos(way) + (north - centre[1]) * math.sin(way) - off
    return d, centre[0] + off * math.cos(way), centre[1] + off * math.sin(way), way
