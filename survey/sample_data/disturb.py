"""What changes a surface without being digging: growth, harvest, parking, water, running water.

Bodies here stand on the ground (trees, crops) or lie in it (pools, gullies); boxes are ``shapes.Wall``.
Artefacts of the survey itself are in ``artefacts.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .fields import Floats, Lattice
from .outlines import Box, Outline, Path, Rectangle, cut, window


@dataclass(frozen=True, eq=False)
class Trees:
    """Crowns: for each tree east, north, radius, height. Overlapping crowns take the higher one.

    A crown is an ellipsoid cap h·(0.45 + 0.55·√(1 − ρ²)), broken up by ``texture`` (unit lattice).
    """

    trees: Floats  # (n, 4)
    texture: Lattice

    @property
    def box(self) -> Box:
        e, n, r, _ = self.trees.T
        return (
            float((e - r).min()), float((n - r).min()), float((e + r).max()), float((n + r).max())
        )  # fmt: skip

    def on(self, east: Floats, north: Floats, z: Floats) -> Floats:
        crown = np.zeros(np.broadcast_shapes(np.shape(east), np.shape(north)))
        for e, n, r, h in self.trees.tolist():
            where = window((e - r, n - r, e + r, n + r), east, north)
            if where is None:
                continue
            te, tn = cut(east, north, where)
            rho2 = ((te - e) ** 2 + (tn - n) ** 2) / r**2
            top = np.where(rho2 < 1, h * (0.45 + 0.55 * np.sqrt(np.maximum(1 - rho2, 0))), 0)
            crown[where] = np.maximum(crown[where], top)
        broken = np.clip(1 + 0.18 * self.texture.at(east, north), 0.3, 1.4)
        return z + crown * broken

    def grown(self, height: float, width: float) -> Trees:
        return Trees(self.trees * np.array([1, 1, width, height]), self.texture)


@dataclass(frozen=True, eq=False)
class Crop:
    """A parcel of standing crop, in rows ``row_m`` apart along its length."""

    outline: Rectangle
    height_m: float
    row_m: float
    texture: Lattice

    @property
    def box(self) -> Box:
        return self.outline.box

    def on(self, east: Floats, north: Floats, z: Floats) -> Floats:
        _, across = self.outline.along_across(east, north)
        rows = 1 + 0.12 * np.cos(2 * math.pi * across / self.row_m) + 0.1 * self.texture.at(east, north)
        return z + np.where(self.outline.inset(east, north) > 0, self.height_m * rows, 0)


@dataclass(frozen=True)
class Pool:
    """Water up to ``level_m`` inside an outline."""

    outline: Outline
    level_m: float

    @property
    def box(self) -> Box:
        return self.outline.box

    def on(self, east: Floats, north: Floats, z: Floats) -> Floats:
        return np.where(self.outline.inset(east, north) > 0, np.maximum(z, self.level_m), z)


@dataclass(frozen=True)
class Gully:
    """A V cut along a flow line, deepening downstream over its first third, fading at its mouth."""

    path: Path
    depth_m: float

    @property
    def box(self) -> Box:
        return self.path.box

    def on(self, east: Floats, north: Floats, z: Floats) -> Floats:
        nearest, along = self.path.nearest(east, north, self.path.half_width_m)
        s = along / (len(self.path.points) - 1)
        share = np.minimum(1, np.minimum(3 * s + 0.15, 6 * (1 - s) + 0.1))
        nearest = np.minimum(nearest, self.path.half_width_m)
        return z - self.depth_m * share * np.maximum(1 - nearest / self.path.half_width_m, 0)
