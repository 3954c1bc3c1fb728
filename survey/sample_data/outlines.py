"""Outlines in plan: each answers ``inset(east, north)``, the metres that a point lies inside it.

Negative outside. Points come as broadcastable 2-D coordinates: a row of eastings and a column of northings,
or two full arrays where a grid is turned against the world.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from .fields import Floats, Lattice

Box = tuple[float, float, float, float]  # west, south, east, north


def window(box: Box, east: Floats, north: Floats) -> tuple[slice, slice] | None:
    """Rows and columns of (nearly parallel) points that reach ``box``; None if they miss it.

    ``east``, ``north`` are broadcastable 2-D coordinates of a grid, possibly turned by another zone's
    convergence: the corners fix an affine, and a margin of three cells covers what it leaves.
    """
    rows, cols = np.broadcast_shapes(east.shape, north.shape)
    if rows < 2 or cols < 2:
        return slice(0, rows), slice(0, cols)

    def corner(r: int, c: int) -> tuple[float, float]:
        return (
            float(east[min(r, east.shape[0] - 1), min(c, east.shape[1] - 1)]),
            float(north[min(r, north.shape[0] - 1), min(c, north.shape[1] - 1)]),
        )

    (e0, n0), (e1, n1), (e2, n2) = corner(0, 0), corner(0, cols - 1), corner(rows - 1, 0)
    a, b = (e1 - e0) / (cols - 1), (e2 - e0) / (rows - 1)
    c, d = (n1 - n0) / (cols - 1), (n2 - n0) / (rows - 1)
    det = a * d - b * c
    w, s, e, n = box
    col = [(d * (x - e0) - b * (y - n0)) / det for x in (w, e) for y in (s, n)]
    row = [(a * (y - n0) - c * (x - e0)) / det for x in (w, e) for y in (s, n)]
    r0, r1 = max(math.floor(min(row)) - 3, 0), min(math.ceil(max(row)) + 4, rows)
    c0, c1 = max(math.floor(min(col)) - 3, 0), min(math.ceil(max(col)) + 4, cols)
    return (slice(r0, r1), slice(c0, c1)) if r0 < r1 and c0 < c1 else None


def cut(east: Floats, north: Floats, where: tuple[slice, slice]) -> tuple[Floats, Floats]:
    """The coordinates of a window, still broadcastable."""
    rows, cols = where
    return (
        east[rows if east.shape[0] > 1 else slice(None), cols if east.shape[1] > 1 else slice(None)],
        north[rows if north.shape[0] > 1 else slice(None), cols if north.shape[1] > 1 else slice(None)],
    )


class Outline(Protocol):
    @property
    def box(self) -> Box: ...
    def inset(self, east: Floats, north: Floats) -> Floats: ...


@dataclass(frozen=True)
class Circle:
    east: float
    north: float
    radius_m: float

    @property
    def box(self) -> Box:
        r = self.radius_m
        return self.east - r, self.north - r, self.east + r, self.north + r

    @property
    def area_m2(self) -> float:
        return math.pi * self.radius_m**2

    def inset(self, east: Floats, north: Floats) -> Floats:
        return self.radius_m - np.hypot(east - self.east, north - self.north)


@dataclass(frozen=True)
class Rectangle:
    """``length_m`` along ``turn_deg`` (counter-clockwise from east), ``width_m`` across."""

    east: float
    north: float
    length_m: float
    width_m: float
    turn_deg: float = 0.0

    @property
    def area_m2(self) -> float:
        return self.length_m * self.width_m

    @property
    def box(self) -> Box:
        c, s = abs(math.cos(math.radians(self.turn_deg))), abs(math.sin(math.radians(self.turn_deg)))
        half_e = (self.length_m * c + self.width_m * s) / 2
        half_n = (self.length_m * s + self.width_m * c) / 2
        return self.east - half_e, self.north - half_n, self.east + half_e, self.north + half_n

    def along_across(self, east: Floats, north: Floats) -> tuple[Floats, Floats]:
        c, s = math.cos(math.radians(self.turn_deg)), math.sin(math.radians(self.turn_deg))
        de, dn = east - self.east, north - self.north
        return de * c + dn * s, dn * c - de * s

    def inset(self, east: Floats, north: Floats) -> Floats:
        along, across = self.along_across(east, north)
        return np.minimum(self.length_m / 2 - np.abs(along), self.width_m / 2 - np.abs(across))


@dataclass(frozen=True)
class Path:
    """All points within ``half_width_m`` of a line: a trench, a road, a gully."""

    points: tuple[tuple[float, float], ...]
    half_width_m: float

    @property
    def box(self) -> Box:
        p, w = np.array(self.points), self.half_width_m
        return (*(p.min(0) - w).tolist(), *(p.max(0) + w).tolist())

    @property
    def length_m(self) -> float:
        return float(np.hypot(*np.diff(np.array(self.points), axis=0).T).sum())

    def nearest(self, east: Floats, north: Floats, reach_m: float) -> tuple[Floats, Floats]:
        """Distance to the line and how far along it: segment number + share of the segment.

        Infinite and zero farther away than ``reach_m``.
        """
        shape = np.broadcast_shapes(np.shape(east), np.shape(north))
        nearest, along = np.full(shape, np.inf), np.zeros(shape)
        for k, ((e0, n0), (e1, n1)) in enumerate(pairwise(self.points)):
            r = reach_m
            box = (min(e0, e1) - r, min(n0, n1) - r, max(e0, e1) + r, max(n0, n1) + r)
            where = window(box, east, north)
            if where is None:
                continue
            e, n = cut(east, north, where)
            de, dn = e1 - e0, n1 - n0
            t = np.clip(((e - e0) * de + (n - n0) * dn) / (de * de + dn * dn), 0, 1)
            d = np.hypot(e - e0 - t * de, n - n0 - t * dn)
            closer = (d < nearest[where]) & (d <= r)
            nearest[where] = np.where(closer, d, nearest[where])
            along[where] = np.where(closer, k + t, along[where])
        return nearest, along

    def inset(self, east: Floats, north: Floats) -> Floats:
        distance, _ = self.nearest(east, north, self.half_width_m + 5.0)
        return np.maximum(self.half_width_m - distance, -1e3)


@dataclass(frozen=True)
class Blob:
    """A star-shaped outline R(φ) = radius·(1 + Σ aₖ cos(kφ + ψₖ)), ``waves`` = ((k, aₖ, ψₖ), …).

    Its inset is the radial distance times the cosine of the angle at which the ray meets the outline:
    exact at first order near the rim, where faces are.
    """

    east: float
    north: float
    radius_m: float
    waves: tuple[tuple[int, float, float], ...] = ()

    @property
    def area_m2(self) -> float:
        """½ ∮ R² dφ, exact for distinct wave numbers."""
        return math.pi * self.radius_m**2 * (1 + sum(a * a for _, a, _ in self.waves) / 2)

    @property
    def box(self) -> Box:
        r = self.radius_m * (1 + sum(abs(a) for _, a, _ in self.waves))
        return self.east - r, self.north - r, self.east + r, self.north + r

    def inset(self, east: Floats, north: Floats) -> Floats:
        de, dn = np.broadcast_arrays(east - self.east, north - self.north)
        distance, angle = np.hypot(de, dn), np.arctan2(dn, de)
        rim = np.full(distance.shape, float(self.radius_m))
        turn = np.zeros(distance.shape)
        for k, a, psi in self.waves:
            rim += self.radius_m * a * np.cos(k * angle + psi)
            turn -= self.radius_m * a * k * np.sin(k * angle + psi)
        return (rim - distance) / np.sqrt(1 + (turn / rim) ** 2)


@dataclass(frozen=True)
class Union:
    """The ground in any of several outlines; near where they meet the inset is the larger one."""

    parts: tuple[Outline, ...]

    @property
    def box(self) -> Box:
        boxes = np.array([p.box for p in self.parts])
        return (*boxes[:, :2].min(0).tolist(), *boxes[:, 2:].max(0).tolist())

    def inset(self, east: Floats, north: Floats) -> Floats:
        inset = self.parts[0].inset(east, north)
        for part in self.parts[1:]:
            inset = np.maximum(inset, part.inset(east, north))
        return inset


@dataclass(frozen=True, eq=False)
class Ragged:
    """An outline whose edge is dug, not drawn: its inset wanders by a unit lattice × ``amplitude_m``."""

    of: Outline
    wander: Lattice
    amplitude_m: float

    @property
    def box(self) -> Box:
        w, s, e, n = self.of.box
        a = 4 * self.amplitude_m
        return w - a, s - a, e + a, n + a

    def inset(self, east: Floats, north: Floats) -> Floats:
        return self.of.inset(east, north) + self.amplitude_m * self.wander.at(east, north)
