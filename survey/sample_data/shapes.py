"""Pits, heaps and cuts as functions of the world, with volumes that can be worked out by hand.

An *outline* answers how many metres inside it a point lies (``outlines.py``), a *profile* turns that into
depth (``profiles.py``), and a *body* joins the two and changes the ground:

* ``Relief`` moves the ground by the profile: its volume is a closed form, whatever ground it is laid on.
* ``Surface`` cuts down to (or fills up to) an absolute surface: level floors on a hillside, stock against
  a wall, the bottom of an older pit. Its volume follows from the ground and is integrated numerically.

``on(east, north, z)`` takes broadcastable 2-D coordinates and the ground before, metres, and returns the
ground after.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .fields import Floats, Lattice
from .outlines import Box, Outline, Path, Rectangle
from .profiles import Profile


class Body(Protocol):
    @property
    def box(self) -> Box: ...
    def on(self, east: Floats, north: Floats, z: Floats) -> Floats: ...


@dataclass(frozen=True, eq=False)
class Relief:
    """Ground ± profile: −1 digs, +1 heaps."""

    outline: Outline
    profile: Profile
    sign: int

    @property
    def box(self) -> Box:
        return self.outline.box

    def on(self, east: Floats, north: Floats, z: Floats) -> Floats:
        return z + self.sign * np.maximum(self.profile.depth(self.outline.inset(east, north)), 0)


@dataclass(frozen=True)
class Wedge:
    """Depth growing evenly along a rectangle from zero to ``depth_m``, as a cut into a slope leaves it."""

    outline: Rectangle
    depth_m: float
    sign: int

    @property
    def box(self) -> Box:
        return self.outline.box

    def on(self, east: Floats, north: Floats, z: Floats) -> Floats:
        along, _ = self.outline.along_across(east, north)
        depth = self.depth_m * (along / self.outline.length_m + 0.5)
        return z + self.sign * np.where(self.outline.inset(east, north) > 0, depth, 0.0)


@dataclass(frozen=True, eq=False)
class Surface:
    """Dig down (−1) or fill up (+1) to the surface ``level_m`` ± profile, wherever the ground is in the way.

    Outside the outline the surface goes on at the slope of its first face, so that it meets any ground
    at its natural daylight line, at most ``apron_m`` away. Fine unevenness of the new surface comes from
    ``rough`` (metres).
    """

    outline: Outline
    profile: Profile
    level_m: float
    sign: int
    apron_m: float = 0.0

    @property
    def box(self) -> Box:
        w, s, e, n = self.outline.box
        a = self.apron_m
        return w - a, s - a, e + a, n + a

    def on(self, east: Floats, north: Floats, z: Floats) -> Floats:
        inset = self.outline.inset(east, north)
        surface = self.level_m + self.sign * self.profile.depth(inset)
        met = np.minimum(z, surface) if self.sign < 0 else np.maximum(z, surface)
        return np.where(inset > -self.apron_m, met, z)


@dataclass(frozen=True, eq=False)
class Wall:
    """A standing box (shed, retaining wall, vehicle) with its top at ``level_m``."""

    outline: Rectangle
    level_m: float

    @property
    def box(self) -> Box:
        return self.outline.box

    def on(self, east: Floats, north: Floats, z: Floats) -> Floats:
        return np.where(self.outline.inset(east, north) > 0, np.maximum(z, self.level_m), z)


@dataclass(frozen=True, eq=False)
class Cone:
    """Stock at its angle of repose under an apex: max(ground, apex − r·tan), kept to one side of a wall
    by ``keep`` (an outline whose inside the stock may fill), if given."""

    east: float
    north: float
    apex_m: float
    repose_deg: float
    reach_m: float
    keep: Outline | None = None

    @property
    def box(self) -> Box:
        r = self.reach_m
        return self.east - r, self.north - r, self.east + r, self.north + r

    def on(self, east: Floats, north: Floats, z: Floats) -> Floats:
        r = np.hypot(east - self.east, north - self.north)
        poured = np.maximum(z, self.apex_m - r * math.tan(math.radians(self.repose_deg)))
        poured = np.where(r < self.reach_m, poured, z)
        return poured if self.keep is None else np.where(self.keep.inset(east, north) > 0, poured, z)


@dataclass(frozen=True, eq=False)
class Uneven:
    """A body whose new face is rough: ``rough`` (metres) fades in where the body moved the ground."""

    of: Body
    rough: Lattice

    @property
    def box(self) -> Box:
        return self.of.box

    def on(self, east: Floats, north: Floats, z: Floats) -> Floats:
        moved = self.of.on(east, north, z)
        return moved + np.minimum(np.abs(moved - z) / 0.5, 1.0) * self.rough.at(east, north)


@dataclass(frozen=True)
class Paint:
    """No body at all: what is only seen from above, such as a wheel track."""

    box: Box

    def on(self, east: Floats, north: Floats, z: Floats) -> Floats:
        return z


@dataclass(frozen=True, eq=False)
class Road:
    """A carriageway cut and filled to a line of levels, with shoulders that run out to the ground."""

    path: Path
    levels_m: tuple[float, ...]  # one per point of the path
    shoulder_m: float

    @property
    def box(self) -> Box:
        w, s, e, n = self.path.box
        a = self.shoulder_m
        return w - a, s - a, e + a, n + a

    def on(self, east: Floats, north: Floats, z: Floats) -> Floats:
        nearest, along = self.path.nearest(east, north, self.path.half_width_m + self.shoulder_m)
        level = np.interp(along, np.arange(len(self.levels_m)), self.levels_m)
        u = np.clip((nearest - self.path.half_width_m) / self.shoulder_m, 0, 1)
        share = 1 - u * u * (3 - 2 * u)
        return z + share * (level - z)
