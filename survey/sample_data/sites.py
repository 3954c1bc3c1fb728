"""The forms that digging and heaping take: one function from a name to a pit or heap in a world."""

from __future__ import annotations

import math

import numpy as np

from . import materials as m
from .fields import Floats, lattice_over
from .materials import Change, Thing
from .outlines import Outline, Path, Ragged, Rectangle, Union
from .profiles import Benches, Bowl, Faces
from .shapes import Body, Cone, Relief, Surface, Uneven, Wall, Wedge
from .world import World, blob

PIT_SHAPES = ("faces", "benched", "bowl", "trench", "hillside", "two lobes", "ramped", "wedge")
HEAP_SHAPES = ("cone", "flat top", "windrow", "cones", "against a wall", "in a pit")


def make_site(
    world: World,
    rng: np.random.Generator,
    name: str,
    shape: str,
    spot: tuple[float, float],
    size: float,
) -> Change:
    """A pit or heap of the named form, within about ``size`` metres of ``spot``."""
    e, n = spot
    low, high = world.options.site_depth_m
    depth = float(np.clip(np.exp(rng.uniform(math.log(low), math.log(high))), low, 0.8 * size))
    face = float(rng.uniform(35, 80))
    repose = float(rng.uniform(30, 38))
    level = world.terrain.level_at(e, n)
    pour = math.tan(math.radians(repose))

    def poured(least: float, most: float) -> float:
        """Height of a tipped heap: what its footprint, a share of ``size``, allows."""
        return float(np.clip(depth, least * size * pour, most * size * pour))

    before: tuple[Thing, ...] = ()
    body: Body

    def edge(of: Outline) -> Ragged:
        return Ragged(of, world.cover["edge"], float(rng.uniform(0.1, 0.35)))

    if shape == "faces":
        body = Relief(edge(blob(rng, e, n, size)), Faces(depth, face), -1)
    elif shape == "benched":
        count = 2 if depth < 3 else 3
        benches = Benches(count, depth / count, max(face, 55), float(rng.uniform(0.4, 1.0)) * depth / count)
        body = Surface(edge(blob(rng, e, n, size * 0.85)), benches, level, -1, apron_m=0.15 * size)
    elif shape == "bowl":
        outline = blob(rng, e, n, size, 0.5)
        body = Relief(outline, Bowl(depth, outline.radius_m), -1)
    elif shape == "trench":
        way, bend = rng.uniform(0, 2 * math.pi), rng.uniform(-0.5, 0.5)
        half = max(1.8, 0.28 * size)
        run = size - half
        points = tuple(
            (e + t * run * math.cos(way + bend * t), n + t * run * math.sin(way + bend * t))
            for t in (-1.0, -0.5, 0.0, 0.5, 1.0)
        )
        body = Relief(Path(points, half), Faces(min(depth, half * 1.2), face), -1)
    elif shape == "hillside":
        rise = math.hypot(*world.terrain.slope_at(e, n)) * size
        cutting = edge(blob(rng, e, n, size, 0.6))
        body = Surface(cutting, Faces(depth + rise, face), level + rise, -1, apron_m=0.05 * size)
    elif shape == "two lobes":
        way = rng.uniform(0, 2 * math.pi)
        lobes = tuple(
            blob(rng, e + s * 0.42 * size * math.cos(way), n + s * 0.42 * size * math.sin(way), size * r, 0.6)
            for s, r in ((1, 0.56), (-1, 0.48))
        )
        body = Relief(edge(Union(lobes)), Faces(depth, face), -1)
    elif shape == "ramped":  # a pit with its haul ramp: a shallow tongue that leads in
        way = rng.uniform(0, 2 * math.pi)
        pit = blob(rng, e - 0.25 * size * math.cos(way), n - 0.25 * size * math.sin(way), size * 0.72, 0.7)
        ramp = Rectangle(
            e + 0.5 * size * math.cos(way), n + 0.5 * size * math.sin(way), size, 3.2,
            math.degrees(way) + 180,
        )  # fmt: skip
        body = Both(Relief(edge(pit), Faces(depth, face), -1), Wedge(ramp, min(depth, 0.35 * size), -1))
    elif shape == "wedge":
        across = float(rng.uniform(0.7, 1.1)) * size
        body = Wedge(Rectangle(e, n, 1.5 * size, across, float(rng.uniform(0, 360))), depth, -1)
    elif shape == "cone":
        body = Cone(e, n, level + poured(0.55, 0.95), repose, size)
    elif shape == "flat top":
        body = Relief(blob(rng, e, n, size, 0.7), Faces(min(depth, 0.5 * size), repose), 1)
    elif shape == "windrow":
        way = rng.uniform(0, 2 * math.pi)
        half = max(2.2, 0.3 * size)
        run = size - half
        ends = tuple((e + t * run * math.cos(way), n + t * run * math.sin(way)) for t in (-1.0, 1.0))
        body = Relief(Path(ends, half), Faces(half, repose), 1)
    elif shape == "cones":  # tipped load by load
        loads = int(rng.integers(3, 7))
        spots = [(e + x * size * 0.5, n + y * size * 0.5) for x, y in rng.uniform(-1, 1, (loads, 2))]
        tall = poured(0.3, 0.5)
        tops = [world.terrain.level_at(*spot) + tall * float(rng.uniform(0.7, 1)) for spot in spots]
        body = Several(
            tuple(Cone(*spot, top, repose, 0.6 * size) for spot, top in zip(spots, tops, strict=True))
        )
    elif shape == "against a wall":
        way = float(rng.uniform(0, 360))
        c, s = math.cos(math.radians(way)), math.sin(math.radians(way))
        wall = Rectangle(e + 0.35 * size * c, n + 0.35 * size * s, 0.6, 1.6 * size, way)
        before = (Thing(Wall(wall, level + 0.9 * size * pour + 0.8), m.METAL),)
        side = Rectangle(e - 0.65 * size * c, n - 0.65 * size * s, 2 * size, 3 * size, way)
        tall = poured(0.5, 0.9)
        apex = (e + 0.3 * size * c, n + 0.3 * size * s)
        body = Cone(*apex, world.terrain.level_at(*apex) + tall, repose, 1.1 * size, keep=side)
    elif shape == "in a pit":
        deep = max(depth, 0.25 * size)
        old = Surface(blob(rng, e, n, size * 0.9, 0.5), Faces(deep, max(face, 50)), level, -1, 0.1 * size)
        before = (Thing(old, m.NATURAL),)
        tall = min(0.9 * deep, 0.5 * size * pour)
        body = Cone(e, n, level - deep + tall, repose, 0.6 * size)
    else:
        raise ValueError(f"{shape!r} is none of {PIT_SHAPES + HEAP_SHAPES}")

    kind = "heap" if shape in HEAP_SHAPES else "pit"
    rough = lattice_over(rng, body.box, 0.9, 0.5, 3.5).scaled(float(rng.uniform(0.02, 0.06)))
    thing = Thing(Uneven(body, rough), m.FRESH if kind == "pit" or rng.random() < 0.5 else m.WASTE)
    return Change(name, kind, shape, before=before, after=(*before, thing))


class _Joined:
    """Several bodies, one on the other."""

    def __init__(self, *bodies: Body) -> None:
        self.bodies = bodies

    @property
    def box(self) -> tuple[float, float, float, float]:
        w, s, e, n = zip(*(b.box for b in self.bodies), strict=True)
        return min(w), min(s), max(e), max(n)


class Both(_Joined):
    """The deeper of several cuts, each made into the same ground."""

    def on(self, east: Floats, north: Floats, z: Floats) -> Floats:
        cuts = [b.on(east, north, z) for b in self.bodies]
        return np.minimum.reduce(cuts)


class Several(_Joined):
    """The higher of several heaps on the same ground."""

    def __init__(self, bodies: tuple[Body, ...]) -> None:
        super().__init__(*bodies)

    def on(self, east: Floats, north: Floats, z: Floats) -> Floats:
        return np.maximum.reduce([b.on(east, north, z) for b in self.bodies])
