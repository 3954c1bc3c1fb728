"""Ground that can be sampled anywhere: hills, drained valleys, escarpments and fine roughness.

The ground is *defined* as the sum of two cubic B-spline lattices fixed to the world: a broad one that
carries fractal relief, valleys carved where water gathers, and escarpments; and a fine one for the
roughness of soil and rock. Whatever grid asks, it gets the same ground.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np

from .fields import Floats, Lattice, lattice_over, rng_of

_BROAD_NODES = 160  # nodes across the longer side; keeps a small scene cheap and a large one broad
_DRAIN_NODES = 64


@dataclass(frozen=True)
class TerrainOptions:
    """What the country looks like. Heights and lengths in metres."""

    level_m: float = 380.0
    relief_m: float = 6.0  # standard deviation of the fractal part over the scene
    hurst: float = 0.85
    longest_m: float = 500.0
    plain_slope: float = 0.01  # m/m, towards a seeded direction
    valley_m: float = 3.0  # depth carved where most water gathers
    escarpment_m: float = 0.0
    rough_m: float = 0.03  # standard deviation of the fine lattice
    rough_longest_m: float = 6.0


@dataclass(frozen=True, eq=False)
class Terrain:
    broad: Lattice
    fine: Lattice

    def at(self, east: Floats, north: Floats) -> Floats:
        """Height of the natural ground, metres."""
        return self.broad.at(east, north) + self.fine.at(east, north)

    def level_at(self, east: float, north: float) -> float:
        """Height without the roughness, at one point."""
        return float(self.broad.at(np.array([[east]]), np.array([[north]]))[0, 0])

    def slope_at(self, east: float, north: float) -> tuple[float, float]:
        return self.broad.slope_at(east, north)

    def flow_line(self, east: float, north: float, length_m: float, step_m: float = 2.0) -> Floats:
        """The way water runs from here: (n, 2) points, ends where the ground is flat or a sink."""
        points = [(east, north)]
        heading: tuple[float, float] | None = None
        for _ in range(int(length_m / step_m)):
            de, dn = self.slope_at(*points[-1])
            steep = math.hypot(de, dn)
            if steep < 1e-3:
                break
            way = (-de / steep, -dn / steep)
            if heading is not None:
                if way[0] * heading[0] + way[1] * heading[1] < -0.2:
                    break  # it would turn back: the bottom of a sink
                way = (0.6 * way[0] + 0.4 * heading[0], 0.6 * way[1] + 0.4 * heading[1])
                size = math.hypot(*way)
                way = (way[0] / size, way[1] / size)
            heading = way
            e, n = points[-1]
            points.append((e + step_m * way[0], n + step_m * way[1]))
        return np.array(points)


def make_terrain(seed: int, bounds: tuple[float, float, float, float], options: TerrainOptions) -> Terrain:
    """The ground over ``bounds`` = (west, south, east, north); flat continuation far outside it."""
    west, south, east, north = bounds
    span = max(east - west, north - south)
    step = max(span / _BROAD_NODES, 1.0)
    rng = rng_of(seed, "terrain")
    broad = lattice_over(rng, bounds, step, options.hurst, options.longest_m)
    z = broad.coefficients * options.relief_m
    rows, cols = z.shape
    e = broad.west + step * np.arange(cols)[None, :]
    n = broad.south + step * np.arange(rows)[:, None]
    centre = ((west + east) / 2, (south + north) / 2)
    down = rng.uniform(0, 2 * math.pi)
    z = z + options.plain_slope * ((e - centre[0]) * math.cos(down) + (n - centre[1]) * math.sin(down))
    if options.escarpment_m:
        z = z + options.escarpment_m * _escarpment(rng, e - centre[0], n - centre[1], span, step)
    if options.valley_m:
        z = z - options.valley_m * _valleys(z)
    fine_step = max(options.rough_longest_m / 5, span / 1200)
    fine = lattice_over(rng_of(seed, "rough"), bounds, fine_step, 0.5, options.rough_longest_m)
    return Terrain(Lattice(z + options.level_m, broad.west, broad.south, step), fine.scaled(options.rough_m))


def _escarpment(rng: np.random.Generator, de: Floats, dn: Floats, span: float, step: float) -> Floats:
    """A winding step from zero to one."""
    way = rng.uniform(0, 2 * math.pi)
    across = de * math.cos(way) + dn * math.sin(way)
    along = -de * math.sin(way) + dn * math.cos(way)
    edge: Floats = np.full(along.shape, rng.uniform(-0.25, 0.25) * span)
    for wave in (0.9, 0.4, 0.17):
        edge = edge + 0.12 * wave * span * np.sin(
            2 * math.pi * along / (wave * span) + rng.uniform(0, 2 * math.pi)
        )
    width = max(2.5 * step, 6.0)
    return 0.5 * (1 + np.tanh((across - edge) / width))


def _valleys(z: Floats) -> Floats:
    """Between 0 and 1: how much water gathers here, made smooth, on the nodes of ``z``."""
    from scipy.ndimage import gaussian_filter, zoom

    shrink = max(1, round(max(z.shape) / _DRAIN_NODES))
    coarse = gaussian_filter(z, shrink / 2)[::shrink, ::shrink]
    area = np.log(_gathered(coarse))
    area = gaussian_filter(area / max(area.max(), 1e-9), 0.8) ** 2
    fine = zoom(area, (z.shape[0] / area.shape[0], z.shape[1] / area.shape[1]), order=1)
    return gaussian_filter(fine, shrink / 2)


def _gathered(z: Floats) -> Floats:
    """Cells that drain through each cell (itself included): priority flood, then steepest descent.

    Barnes, Lehman & Mulla 2014, Priority-Flood: cells are visited from the rim inwards in the order of
    their spill level, so that each cell knows a neighbour through which its water leaves.
    """
    rows, cols = z.shape
    heights = z.ravel().tolist()
    out = [-1] * (rows * cols)
    seen = [False] * (rows * cols)
    queue: list[tuple[float, int]] = []
    for k in range(rows * cols):
        r, c = divmod(k, cols)
        if r in (0, rows - 1) or c in (0, cols - 1):
            seen[k] = True
            queue.append((heights[k], k))
    heapq.heapify(queue)
    order = []
    while queue:
        level, k = heapq.heappop(queue)
        order.append(k)
        r, c = divmod(k, cols)
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                rr, cc = r + dr, c + dc
                if 0 <= rr < rows and 0 <= cc < cols and not seen[j := rr * cols + cc]:
                    seen[j] = True
                    out[j] = k
                    heapq.heappush(queue, (max(level, heights[j]), j))
    area = [1.0] * (rows * cols)
    for k in reversed(order):
        if out[k] >= 0:
            area[out[k]] += area[k]
    return np.array(area).reshape(rows, cols)
