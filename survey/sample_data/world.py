"""The country of a scene: ground, lease, neighbours, what stands and what changed. No grid, no noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from .fields import Bools, Floats, Lattice, lattice_over, rng_of
from .materials import FRESH, NATURAL, ROAD, WASTE, Change, Thing
from .options import SceneOptions
from .outlines import Blob, Box, Path
from .profiles import Benches
from .shapes import Road, Surface, Uneven
from .terrain import Terrain, make_terrain

BUFFER_M = 100.0


@dataclass(frozen=True, eq=False)
class Neighbour:
    lease_id: str
    polygon: Polygon


@dataclass(frozen=True, eq=False)
class World:
    """Coordinates are those of the earlier survey's reference system, metres."""

    seed: int
    options: SceneOptions
    epsg: int
    centre: tuple[float, float]
    box: Box
    terrain: Terrain
    lease: Polygon
    neighbours: tuple[Neighbour, ...]
    standing: tuple[Thing, ...]  # ground features of both surveys, in the order they were made
    existing: tuple[Change, ...]  # old pits and heaps among ``standing``, for truth
    changes: tuple[Change, ...] = ()
    stands: tuple[Change, ...] = ()  # canopy that did not change
    cover: dict[str, Lattice] = field(default_factory=dict)  # lattices of colour and texture

    @property
    def buffer(self) -> BaseGeometry:
        return self.lease.buffer(BUFFER_M, quad_segs=64).difference(self.lease)

    def things(self, epoch: int) -> list[Thing]:
        """All bodies of a survey (0 earlier, 1 later), ground first, then what stands on it."""
        of = [*self.standing]
        for change in (*self.changes, *self.stands):
            of += change.after if epoch else change.before
        return [t for t in of if not t.canopy] + [t for t in of if t.canopy]


@dataclass(eq=False)
class Room:
    """Keeps what is placed apart. Discs of (east, north, radius)."""

    box: Box
    lease: Polygon
    taken: list[tuple[float, float, float]] = field(default_factory=list)
    margin_m: float = 3.0
    rim_m: float = math.inf  # nothing farther outside the lease: nobody flew there

    def place(
        self,
        rng: np.random.Generator,
        radius_m: float,
        fits: Callable[[Floats, Floats, Floats], Bools],
        tries: int = 600,
    ) -> tuple[float, float] | None:
        """A free disc whose centre satisfies ``fits(east, north, metres outside the lease)``."""
        w, s, e, n = self.box
        r = radius_m + self.margin_m
        if w + r >= e - r or s + r >= n - r:
            return None
        east, north = rng.uniform(w + r, e - r, tries), rng.uniform(s + r, n - r, tries)
        outside = self.outside_m(east, north)
        good = fits(east, north, outside).astype(bool) & (outside < self.rim_m - r)
        for te, tn, tr in self.taken:
            good &= np.hypot(east - te, north - tn) > tr + r
        if not good.any():
            return None
        k = int(np.argmax(good))
        self.taken.append((float(east[k]), float(north[k]), radius_m))
        return float(east[k]), float(north[k])

    def keep_off(self, road: Thing) -> None:
        """Nothing is placed on a road."""
        assert isinstance(road.body, Road)
        wide = road.body.path.half_width_m + 1
        points = np.array(road.body.path.points)
        along = np.linspace(0, len(points) - 1, 40 * len(points))
        east, north = (np.interp(along, np.arange(len(points)), points[:, k]) for k in (0, 1))
        w, s, e, n = self.box
        near = (east > w) & (east < e) & (north > s) & (north < n)
        self.taken += [(float(x), float(y), wide) for x, y in zip(east[near], north[near], strict=True)]

    def outside_m(self, east: Floats, north: Floats) -> Floats:
        points = shapely.points(east, north)
        d = shapely.distance(points, self.lease.exterior)
        return np.where(shapely.contains(self.lease, points), -d, d)


def blob(rng: np.random.Generator, east: float, north: float, radius_m: float, wild: float = 1.0) -> Blob:
    """An irregular outline whose farthest point is about ``radius_m`` away."""
    waves = tuple(
        (k, float(rng.uniform(0.2, 1) * wild * size), float(rng.uniform(0, 2 * math.pi)))
        for k, size in ((2, 0.22), (3, 0.10), (4, 0.06), (5, 0.04), (7, 0.02))
    )
    return Blob(east, north, radius_m / (1 + sum(a for _, a, _ in waves) * 0.7), waves)


def _deeper_than(metres: float) -> Callable[[Floats, Floats, Floats], Bools]:
    return lambda east, north, outside_m: outside_m < -metres


def farther_than(metres: float) -> Callable[[Floats, Floats, Floats], Bools]:
    """Places more than so many metres outside the lease, for ``Room.place``."""
    return lambda east, north, outside_m: outside_m > metres


def lease_polygon(
    rng: np.random.Generator, centre: tuple[float, float], radius_m: float, corners: int
) -> Polygon:
    """A surveyor's polygon: straight sides, uneven corners, sometimes a notch."""
    angle = (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) * 2 * math.pi / corners
    radius = radius_m * rng.uniform(0.75, 1.12, corners)
    if corners >= 6 and rng.random() < 0.5:
        radius[int(rng.integers(corners))] *= 0.55
    stretch = rng.uniform(0.85, 1.1)
    points = np.stack(
        [centre[0] + radius * np.cos(angle) * stretch, centre[1] + radius * np.sin(angle) / stretch], axis=1
    )
    middle = (points.min(0) + points.max(0)) / 2 - np.array(centre)
    return Polygon(np.round(points - middle, 2).tolist())


def bare_world(seed: int, options: SceneOptions) -> tuple[World, Room]:
    """The country before anything happened in it, and the room that is left for what will."""
    centre = scene_centre(options)
    half_e, half_n = options.size_m[0] / 2, options.size_m[1] / 2
    box = (centre[0] - half_e, centre[1] - half_n, centre[0] + half_e, centre[1] + half_n)
    reach = (box[0] - 30, box[1] - 30, box[2] + 30, box[3] + 30)
    terrain = make_terrain(seed, reach, options.terrain)
    rng = rng_of(seed, "lease")
    half = min(half_e, half_n)
    radius = options.lease_radius_m or max(half - BUFFER_M - 0.2 * half, 0.36 * half)
    lease = lease_polygon(rng, centre, radius, options.lease_corners)
    if options.lease_area_m2:
        factor = math.sqrt(options.lease_area_m2 / lease.area)
        lease, radius = affinity.scale(lease, factor, factor, origin=centre), radius * factor
    neighbours = _neighbours(rng, options, lease, centre, radius, box)
    rims = (options.before_artefacts.rim_m, options.after_artefacts.rim_m)
    room = Room(box, lease, rim_m=min((r for r in rims if r is not None), default=math.inf))
    standing, existing = _standing(rng_of(seed, "standing"), options, terrain, room, centre, radius, reach)
    cover = {
        "green": lattice_over(rng_of(seed, "green"), reach, max(options.size_m) / 200, 0.4, 120.0),
        "tone": lattice_over(rng_of(seed, "tone"), reach, max(1.5, max(options.size_m) / 600), 0.2, 40.0),
        "crown": lattice_over(rng_of(seed, "crown"), reach, max(1.0, max(options.size_m) / 800), 0.2, 3.0),
        "edge": lattice_over(rng_of(seed, "edge"), reach, max(1.0, max(options.size_m) / 800), 0.6, 6.0),
    }
    world = World(
        seed, options, options.epsg, centre, box, terrain, lease, neighbours, standing, existing, cover=cover
    )
    return world, room


def scene_centre(options: SceneOptions) -> tuple[float, float]:
    from pyproj import Transformer

    there = Transformer.from_crs(4326, options.epsg, always_xy=True)
    east, north = there.transform(*options.centre_lon_lat)
    return round(east / 50) * 50.0, round(north / 50) * 50.0


def _neighbours(
    rng: np.random.Generator,
    options: SceneOptions,
    lease: Polygon,
    centre: tuple[float, float],
    radius: float,
    box: Box,
) -> tuple[Neighbour, ...]:
    found: list[Neighbour] = []
    start = rng.uniform(0, 2 * math.pi)
    inside = shapely.box(*box).buffer(60, join_style="mitre")
    for k in range(options.neighbours):
        way = start + k * 2.4
        size = radius * rng.uniform(0.6, 0.9)
        away = radius + size * 0.8 + options.neighbour_gap_m
        ground = lease_polygon(
            rng, (centre[0] + away * math.cos(way), centre[1] + away * math.sin(way)), size, 5
        )
        gap = options.neighbour_gap_m
        for _ in range(6 if gap == 0 else 0):  # a common boundary: push it against the lease
            apart = ground.distance(lease)
            if apart > 0:
                push = -(apart + 0.2 * size)
                ground = affinity.translate(ground, push * math.cos(way), push * math.sin(way))
        free = ground.difference(lease.buffer(gap, join_style="mitre") if gap else lease)
        for other in found:
            free = free.difference(other.polygon)
        free = free.intersection(inside)
        parts = [p for p in getattr(free, "geoms", [free]) if p.area > 400]
        if parts:
            part = max(parts, key=lambda p: p.area)
            found.append(Neighbour(f"INV-{2001 + k}", Polygon(part.exterior)))
    return tuple(found)


def _standing(
    rng: np.random.Generator,
    options: SceneOptions,
    terrain: Terrain,
    room: Room,
    centre: tuple[float, float],
    radius: float,
    reach: Box,
) -> tuple[tuple[Thing, ...], tuple[Change, ...]]:
    """Roads, and the pits and dumps of earlier years."""
    standing: list[Thing] = []
    existing: list[Change] = []
    for k in range(options.roads):
        road = _road(rng, terrain, centre, radius, reach, k)
        standing.append(road)
        room.keep_off(road)

    def dig(name: str, kind: str, shape: str, thing: Thing) -> None:
        standing.append(thing)
        existing.append(Change(name, kind, shape, after=(thing,)))

    if options.old_workings:
        for kind, size in (("pit", 0.36), ("heap", 0.26)):
            spot = room.place(rng, radius * size, _deeper_than(radius * size * 0.9))
            if spot:
                wide = radius * size * (1 + 0.75 * options.workings_growth)  # leave room to grow
                room.taken[-1] = (*spot, wide)
                body = old_working(rng, terrain, kind, *spot, radius * size)
                rough = lattice_over(rng, body.box, 1.2, 0.5, 5.0).scaled(0.06)
                material = FRESH if kind == "pit" else WASTE
                dig(f"old-{kind}", kind, "benched " + kind, Thing(Uneven(body, rough), material))
    for k in range(options.old_pits + options.old_heaps):
        kind = "pit" if k < options.old_pits else "heap"
        size = float(rng.uniform(5, 14))
        spot = room.place(rng, size, farther_than(size + 2))
        if spot:
            body = old_working(rng, terrain, kind, *spot, size)
            rough = lattice_over(rng, body.box, 1.0, 0.5, 4.0).scaled(0.05)
            dig(f"old-{kind}-{k}", kind, "old " + kind, Thing(Uneven(body, rough), NATURAL))
    return tuple(standing), tuple(existing)


def old_working(
    rng: np.random.Generator, terrain: Terrain, kind: str, east: float, north: float, size: float
) -> Surface:
    """A benched pit or a terraced dump, cut into (laid on) whatever ground is there."""
    lift = float(np.clip(size * rng.uniform(0.08, 0.14), 1.2, 6.0))
    slope = float(rng.uniform(55, 75) if kind == "pit" else rng.uniform(33, 38))
    run = lift / math.tan(math.radians(slope))
    berm = float(rng.uniform(0.5, 1.2) * lift)
    count = max(1, min(4, int(0.6 * size / (run + berm))))
    outline = blob(rng, east, north, size * 0.82)
    sign = -1 if kind == "pit" else 1
    return Surface(
        outline, Benches(count, lift, slope, berm), terrain.level_at(east, north), sign, apron_m=size * 0.16
    )


def _road(
    rng: np.random.Generator,
    terrain: Terrain,
    centre: tuple[float, float],
    radius: float,
    reach: Box,
    k: int,
) -> Thing:
    """A road past the lease: some way above the ground (an embankment), or level with it."""
    way = rng.uniform(0, math.pi) + k
    off = radius * rng.uniform(1.05, 1.5) * rng.choice([-1, 1])
    span = math.hypot(reach[2] - reach[0], reach[3] - reach[1]) / 2
    bend = rng.uniform(-0.15, 0.15) * span
    points = []
    for t in np.linspace(-span, span, 11):
        side = off + bend * math.cos(2.2 * t / span)
        points.append(
            (
                centre[0] + t * math.cos(way) - side * math.sin(way),
                centre[1] + t * math.sin(way) + side * math.cos(way),
            )
        )
    lift = float(rng.choice([0.0, 0.15, 1.8]))
    levels = np.array([terrain.level_at(*p) for p in points])
    levels = np.convolve(np.pad(levels, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid") + lift
    path = Path(tuple(points), float(rng.uniform(2.0, 4.0)))
    road = Road(path, tuple(levels.tolist()), 2.0 + 1.6 * lift)
    return Thing(road, ROAD, paint=path)
