"""Pits, heaps and cuts as functions of the world, with volumes that can be worked out by hand.

An *outline* answers ``inset(east, north)``: how many metres inside it a point lies (negative outside). A
*profile* turns inset into depth. A *body* joins the two and changes the ground:

* ``Relief`` moves the ground by the profile: its volume is a closed form, whatever ground it is laid on.
* ``Surface`` cuts down to (or fills up to) an absolute surface: level floors on a hillside, stock against
  a wall, the bottom of an older pit. Its volume follows from the ground and is integrated numerically.

Ground functions take broadcastable 2-D ``east``, ``north`` and the ground ``z`` before, all metres.
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


# -- outlines ------------------------------------------------------------------------------------------
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
        return (*(p.min(0) - w).tolist(), *(p.max(0) + w).tolist())  # type: ignore[return-value]

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
        return (*boxes[:, :2].min(0).tolist(), *boxes[:, 2:].max(0).tolist())  # type: ignore[return-value]

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


# -- profiles: depth over inset ------------------------------------------------------------------------
@dataclass(frozen=True)
class Faces:
    """One face at ``slope_deg`` down to ``depth_m`` (infinite depth: a cone). 90° is a wall."""

    depth_m: float
    slope_deg: float = 90.0

    def depth(self, inset: Floats) -> Floats:
        if self.slope_deg >= 90:
            return np.where(inset > 0, self.depth_m, np.where(inset < 0, -math.inf, 0.0))
        return np.minimum(self.depth_m, inset * math.tan(math.radians(self.slope_deg)))

    @property
    def run_m(self) -> float:
        """How far inside the outline the face ends."""
        return 0.0 if self.slope_deg >= 90 else self.depth_m / math.tan(math.radians(self.slope_deg))


@dataclass(frozen=True)
class Benches:
    """``count`` lifts of ``lift_m`` with faces at ``slope_deg`` and berms ``berm_m`` wide between them."""

    count: int
    lift_m: float
    slope_deg: float
    berm_m: float

    @property
    def depth_m(self) -> float:
        return self.count * self.lift_m

    def depth(self, inset: Floats) -> Floats:
        tan = math.tan(math.radians(self.slope_deg))
        run = self.lift_m / tan
        k = np.clip(np.floor(inset / (run + self.berm_m)), 0, self.count - 1)
        return self.lift_m * k + np.minimum(self.lift_m, (inset - k * (run + self.berm_m)) * tan)


@dataclass(frozen=True)
class Bowl:
    """A paraboloid over an outline whose greatest inset is ``reach_m``: depth·(1 − (1 − inset/reach)²)."""

    depth_m: float
    reach_m: float

    def depth(self, inset: Floats) -> Floats:
        t = np.minimum(inset / self.reach_m, 1.0)
        return self.depth_m * t * (2 - t)


@dataclass(frozen=True)
class Cap:
    """A spherical cap over a circle of radius ``reach_m``; ``depth_m`` = ``reach_m`` is a half sphere."""

    depth_m: float
    reach_m: float

    def depth(self, inset: Floats) -> Floats:
        sphere = (self.reach_m**2 + self.depth_m**2) / (2 * self.depth_m)
        r = self.reach_m - inset
        inside = np.sqrt(np.maximum(sphere**2 - r**2, 0)) - (sphere - self.depth_m)
        return np.where(inset > 0, np.maximum(inside, 0), np.minimum(inset, 0.0))


Profile = Faces | Benches | Bowl | Cap


# -- bodies --------------------------------------------------------------------------------------------
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


# -- closed forms --------------------------------------------------------------------------------------
def frustum_m3(rim_m: float, floor_m: float, depth_m: float) -> float:
    return math.pi * depth_m / 3 * (rim_m**2 + rim_m * floor_m + floor_m**2)


def circle_profile_m3(radius_m: float, profile: Profile) -> float:
    """Volume of a profile dug inside a circle: ∫ depth(R − r)·2πr dr, in closed form."""
    if isinstance(profile, Bowl):
        if profile.reach_m != radius_m:
            raise ValueError("the closed form needs a bowl that reaches the centre")
        return math.pi * radius_m**2 * profile.depth_m / 2
    if isinstance(profile, Cap):
        return math.pi * profile.depth_m / 6 * (3 * profile.reach_m**2 + profile.depth_m**2)
    if isinstance(profile, Faces):
        lifts = [(profile.depth_m, profile.run_m, 0.0)]
        tan = math.inf if profile.slope_deg >= 90 else math.tan(math.radians(profile.slope_deg))
    else:
        tan = math.tan(math.radians(profile.slope_deg))
        lifts = [(profile.lift_m, profile.lift_m / tan, profile.berm_m)] * profile.count
    total, rim = 0.0, radius_m
    for lift, run, berm in lifts:  # each lift is a frustum; a face that meets itself at the centre a cone
        if rim <= 0:
            break
        if run >= rim:
            total += frustum_m3(rim, 0.0, rim * tan)
            break
        total += frustum_m3(rim, rim - run, lift)
        rim -= run + berm
    return total


def rectangle_faces_m3(length_m: float, width_m: float, profile: Faces) -> float:
    """Prismoid: ∫₀ᴴ (a − 2t)(b − 2t) dz with t = z / tan(slope)."""
    h = profile.depth_m
    if 2 * profile.run_m > min(length_m, width_m):
        raise ValueError("the faces meet before the floor is reached")
    t = profile.run_m
    return h * (length_m * width_m - t * (length_m + width_m) + 4 * t * t / 3)
